"""Rules that every file keeps, and lists that must match each other."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from newsletter.cli import GROUPS, root
from tests.support.needs import PACKAGES

CHECKOUT = Path(__file__).resolve().parents[2]
CODE = sorted(path for folder in ("newsletter", "tests", "scripts") for path in (CHECKOUT / folder).rglob("*.py"))
PRODUCT = [path for path in CODE if path.is_relative_to(CHECKOUT / "newsletter")]


def name_of(path: Path) -> str:
    return str(path.relative_to(CHECKOUT))


def opens_with_a_sentence(path: Path) -> bool:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    return bool(docstring) and str(docstring).splitlines()[0].rstrip().endswith((".", "?"))


def test_every_file_stays_under_400_lines() -> None:
    assert [name_of(path) for path in CODE if len(path.read_text(encoding="utf-8").splitlines()) >= 400] == []


def test_every_module_opens_with_what_it_is() -> None:
    assert [name_of(path) for path in PRODUCT if not opens_with_a_sentence(path)] == []


def test_the_help_of_every_noun_names_its_verbs() -> None:
    ctx = root.make_context("newsletter", ["--json"])
    for noun, (_, text) in GROUPS.items():
        command = root.get_command(ctx, noun)
        assert command is not None, noun
        # What is hidden is for several lists; an owner of one list reads nothing about them.
        verbs = [verb for verb, found in getattr(command, "commands", {}).items() if not found.hidden]
        assert set(re.findall(r"[\w-]+", text.partition(":")[2])) == set(verbs) or not verbs, noun


def test_ci_installs_the_programs_that_tests_need() -> None:
    packages = re.search(r"^PACKAGES=\((.*)\)$", (CHECKOUT / ".ci/run").read_text(encoding="utf-8"), re.MULTILINE)
    assert packages
    tests = (path.read_text(encoding="utf-8") for path in (CHECKOUT / "tests").rglob("test_*.py"))
    needed = {PACKAGES[program] for text in tests for program in re.findall(r"\brequire_program\(\"([\w-]+)\"\)", text)}
    assert needed == set(packages[1].split())
