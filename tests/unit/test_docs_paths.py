"""The documentation names modules as they are: the tree has every one of them, and every path exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
PACKAGE = CHECKOUT / "newsletter"
ARCHITECTURE = CHECKOUT / "docs/architecture.md"
PAGES = [CHECKOUT / "README.md", CHECKOUT / "CONTRIBUTING.md", *sorted((CHECKOUT / "docs").glob("*.md"))]
ROOTS = ("", "newsletter/", "tests/", "docs/")
NO_LINE_OF_THEIR_OWN = {"__init__.py", "__main__.py"}
_PATH = re.compile(r"`([a-z_]+(?:/[\w.-]+)*(?:/|\.(?:py|md|toml|txt|html)))`")
_DOTTED = re.compile(r"`newsletter((?:\.[a-z_]+)+)`")
OF_OTHERS = {"mailpost.py", "test_mailpost.py", "body.txt", "body.html", "subject.txt"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_on_a_page_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    paths = {path for path in _PATH.findall(text) if not re.search("[A-Z]{4}", path)} - OF_OTHERS  # NOUN is any noun
    missing = {path for path in paths if not any((CHECKOUT / root / path).exists() for root in ROOTS)}

    assert missing == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_module_on_a_page_exists(page: Path) -> None:
    found = {dotted[1:].replace(".", "/") for dotted in _DOTTED.findall(page.read_text(encoding="utf-8"))}
    missing = {name for name in found if not (PACKAGE / f"{name}.py").exists() and not (PACKAGE / name).is_dir()}

    assert missing - {"senders"} == set()  # the entry point group has the name of a package


def test_every_module_has_a_place_in_the_tree() -> None:
    tree = re.search(
        r"^## The tree$.*?^```$(.*?)^```$", ARCHITECTURE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    assert tree
    words = set(re.findall(r"\w+", tree[1]))
    modules = {
        path.stem
        for path in PACKAGE.rglob("*.py")
        if path.name not in NO_LINE_OF_THEIR_OWN and "migrations" not in path.parts and "importers" not in path.parts
    }

    assert modules - words == set()
