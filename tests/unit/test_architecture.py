"""Rules that every file keeps, and lists that must match each other."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from newsletter.cli import GROUPS, root
from tests.support.needs import PACKAGES

CHECKOUT = Path(__file__).resolve().parents[2]
CODE = sorted(path for folder in ("newsletter", "tests", "scripts") for path in (CHECKOUT / folder).rglob("*.py"))
PRODUCT = [path for path in CODE if path.is_relative_to(CHECKOUT / "newsletter")]


def name_of(path: Path) -> str:
    return str(path.relative_to(CHECKOUT))


@pytest.mark.parametrize("path", CODE, ids=name_of)
def test_a_file_stays_under_400_lines(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) < 400


@pytest.mark.parametrize("path", PRODUCT, ids=name_of)
def test_a_module_opens_with_what_it_is(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert docstring
    assert docstring.splitlines()[0].rstrip().endswith((".", "?"))


def test_the_help_of_every_noun_names_its_verbs() -> None:
    ctx = root.make_context("newsletter", ["--json"])
    for noun, (_, text) in GROUPS.items():
        command = root.get_command(ctx, noun)
        assert command is not None, noun
        verbs = getattr(command, "commands", {})
        assert set(re.findall(r"[\w-]+", text.partition(":")[2])) == set(verbs) or not verbs, noun


def test_ci_installs_the_programs_that_tests_need() -> None:
    packages = re.search(r"^PACKAGES=\((.*)\)$", (CHECKOUT / ".ci/run").read_text(encoding="utf-8"), re.MULTILINE)
    assert packages
    tests = (path.read_text(encoding="utf-8") for path in (CHECKOUT / "tests").rglob("test_*.py"))
    needed = {PACKAGES[program] for text in tests for program in re.findall(r"\brequire_program\(\"([\w-]+)\"\)", text)}
    assert needed == set(packages[1].split())
