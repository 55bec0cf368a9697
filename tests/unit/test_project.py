"""The Makefile and the pinned versions for development match pyproject.toml."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CHECKOUT = Path(__file__).resolve().parents[2]
MAKEFILE = (CHECKOUT / "Makefile").read_text(encoding="utf-8")
PINS = (CHECKOUT / "scripts/dev-constraints.txt").read_text(encoding="utf-8")


def test_make_help_lists_every_task() -> None:
    [tasks] = re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    assert set(re.findall(r"^([a-z]+):.*## \w", MAKEFILE, re.MULTILINE)) == set(tasks.split())


def test_every_dependency_has_a_pinned_version_that_is_new_enough() -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = (project["dependencies"], *project["optional-dependencies"].values())
    needed = [Requirement(text) for group in groups for text in group]
    pinned = {canonicalize_name(pin.name): pin for pin in map(Requirement, PINS.splitlines()[1:])}
    for requirement in needed:
        [version] = pinned[canonicalize_name(requirement.name)].specifier
        assert version.operator == "=="
        assert version.version in requirement.specifier
