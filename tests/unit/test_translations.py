"""The catalogues: every sentence of every template and page is in each of them, with the same holes, and none is left over."""

import ast
import re
import tomllib
from pathlib import Path

import pytest
from jinja2 import Environment, nodes

from newsletter.rendering.words import Words, link, strong

ROOT = Path(__file__).resolve().parents[2]
CATALOGUES = sorted((ROOT / "templates" / "texts").glob("*.toml"))
HOLE = re.compile(r"\{[a-z_]+\}")
DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
MONTHS = [
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
]  # fmt: skip


def in_templates() -> set[str]:
    """Every constant that a template hands to `_`."""
    found = set()
    for file in [*ROOT.glob("templates/web/*.html"), *ROOT.glob("templates/email/*/*.*")]:
        tree = Environment(autoescape=True).parse(file.read_text(encoding="utf-8"))
        for call in tree.find_all(nodes.Call):
            if isinstance(call.node, nodes.Name) and call.node.name == "_" and isinstance(call.args[0], nodes.Const):
                found.add(call.args[0].value)
    return found


def in_code() -> set[str]:
    """The sentences that reach a template as values: reasons, answers to errors, problems with a field."""
    found = set()
    for name in (
        "web/errors.py",
        "web/personal.py",
        "web/bodies.py",
        "app/guard.py",
        "app/readers.py",
        "actions/preferences.py",
    ):
        tree = ast.parse((ROOT / "newsletter" / name).read_text(encoding="utf-8"))
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            if getattr(call.func, "id", "") in {"Answer", "InputError", "TooMany", "HTTPException"}:
                values = [*call.args, *(key.value for key in call.keywords)]
                found |= {arg.value for arg in values if isinstance(arg, ast.Constant) and isinstance(arg.value, str)}
    from newsletter.web.errors import HEADINGS
    from newsletter.web.personal import REASONS

    return (found - {""}) | set(HEADINGS.values()) | set(REASONS.values())


def as_shown(text: str) -> set[str]:
    """`answer_for` makes a sentence of an error's words."""
    return {text, f"{text[:1].upper()}{text[1:]}."}


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.stem)
def test_a_catalogue_says_everything_and_nothing_else(path: Path) -> None:
    said = set(tomllib.loads(path.read_text(encoding="utf-8")))
    in_pages = in_templates()
    assert sorted(in_pages - said) == []
    assert sorted(text for text in in_code() if not as_shown(text) & said) == []
    known = in_pages | {shown for text in in_code() for shown in as_shown(text)} | {*DAYS, *MONTHS}
    assert sorted(said - known - {"{day} {month} {year}"}) == []


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.stem)
def test_a_translation_has_the_holes_of_its_sentence(path: Path) -> None:
    said = tomllib.loads(path.read_text(encoding="utf-8"))
    wrong = [text for text, other in said.items() if sorted(HOLE.findall(text)) != sorted(HOLE.findall(other))]
    assert wrong == []


def test_german_is_there() -> None:
    assert [path.stem for path in CATALOGUES] == ["de"]


def test_a_variant_of_a_language_finds_it_and_an_unknown_one_is_english(tmp_path: Path) -> None:
    dirs = [ROOT / "templates"]
    assert Words("de-AT", dirs).say("Tuesday") == "Dienstag"
    assert Words("tlh", dirs).say("Tuesday") == "Tuesday"
    assert (Words("ar", dirs).direction, Words("de", dirs).direction) == ("rtl", "ltr")


def test_the_owner_has_the_last_word(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "en.toml").write_text('"All tips" = "The whole pile"\n')
    words = Words("en", [tmp_path, ROOT / "templates"])
    assert (words.say("All tips"), words.say("Sign up")) == ("The whole pile", "Sign up")


def test_values_are_escaped_in_html_and_markup_is_kept() -> None:
    words = Words("en", [])
    said = words.say_in_html("Go {where}, {who} & co", where=link("here", "/a?b=1&c=2"), who=strong("<i>Anna</i>"))
    assert said == 'Go <a href="/a?b=1&amp;c=2">here</a>, <strong>&lt;i&gt;Anna&lt;/i&gt;</strong> &amp; co'
    assert words.say_in_html("{who}", who="<b>{x}") == "&lt;b&gt;{x}"
    assert words.say("{who.__class__} {nobody}", who="Anna") == "{who.__class__} {nobody}"
