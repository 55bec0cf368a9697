"""The documentation shows commands, settings and addresses that exist, as the generated reference has them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
PAGES = [
    *(CHECKOUT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((CHECKOUT / "docs").glob("*.md")),
]
ANYWHERE = {"--json", "--env-file", "-v", "-vv", "--help", "--version"}
OF_TESTS = {"NEWSLETTER_TEST_ALL"}


def _reference(name: str) -> str:
    return (CHECKOUT / "docs/reference" / name).read_text(encoding="utf-8")


def _commands() -> dict[str, set[str]]:
    """Each command with its options, from the generated page."""
    found: dict[str, set[str]] = {}
    for section in re.split(r"^## newsletter ", _reference("commands.md"), flags=re.MULTILINE)[1:]:
        name = re.match(r"[a-z]+(?: [a-z-]+)?", section)
        assert name
        options = re.findall(r"^- `([^`]+)`", section, re.MULTILINE)
        found[name[0]] = {word for option in options for word in re.findall(r"(?<!\w)--?[a-z][\w-]*", option)}
    return found


COMMANDS = _commands()


def _shown(page: Path) -> list[str]:
    """Every `newsletter …` in code spans and code blocks."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"^```\w*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    spans = [" ".join(span.split()) for span in re.findall(r"`(newsletter [^`]+)`", prose)]
    lines = [line for block in blocks for line in block.splitlines()]
    parts = [part.strip() for line in lines for part in line.split("&&")]
    return [*spans, *(part for part in parts if re.match(r"newsletter [a-z]", part))]


def _problem(command: str) -> str:
    words = re.sub(r'"[^"]*"', "TEXT", command).split()[1:]
    if any(word.isupper() and word in {"NOUN", "VERB"} for word in words[:2]):
        return ""
    name = next((name for name in (" ".join(words[:2]), words[0]) if name in COMMANDS), None)
    if name is None:
        is_noun = len(words) == 1 and any(known.split()[0] == words[0] for known in COMMANDS)
        return "" if is_noun else f"{command}: no such command"
    unknown = {word for word in words if word.startswith("-")} - COMMANDS[name] - ANYWHERE - {"--unseen", "--everybody"}
    return f"{command}: no option {', '.join(sorted(unknown))}" if unknown else ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_on_a_page_exists_with_its_options(page: Path) -> None:
    assert [problem for problem in map(_problem, _shown(page)) if problem] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_setting_on_a_page_exists(page: Path) -> None:
    known = set(re.findall(r"NEWSLETTER_[A-Z0-9_]+", _reference("settings.md"))) | OF_TESTS
    named = set(re.findall(r"NEWSLETTER_[A-Z0-9_]+", page.read_text(encoding="utf-8")))

    assert named - known == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_task_on_a_page_exists(page: Path) -> None:
    tasks = set(re.findall(r"^([a-z]+):", (CHECKOUT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)) | {"unit"}
    named = set(re.findall(r"(?:^|`)make ([a-z]+)", page.read_text(encoding="utf-8"), re.MULTILINE))

    assert named - tasks == set()


# These do not report, start a clock of their own, or print something that does not depend on the time.
TIMELESS = {"completion", "demo", "run", "web"}


def test_every_command_can_be_told_the_time() -> None:
    assert {name for name, options in COMMANDS.items() if options and "--as-of" not in options} <= TIMELESS
