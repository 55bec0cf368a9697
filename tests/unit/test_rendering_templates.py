"""The template engine: an owner's files replace ours one by one, and errors are reported where they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from newsletter.domain.errors import TemplateError
from newsletter.rendering.data import data_dir
from newsletter.rendering.templates import Templates


def folder(path: Path, **files: str) -> Path:
    path.mkdir()
    for name, text in files.items():
        (path / name.replace("_", ".")).write_text(text)
    return path


def test_the_first_directory_that_has_a_file_wins_file_by_file(tmp_path: Path) -> None:
    own = folder(tmp_path / "own", a_txt="own a")
    ours = folder(tmp_path / "ours", a_txt="our a", b_txt="our b, {{ x }}")
    templates = Templates([own, ours])
    assert templates.render("a.txt", {}) == "own a"
    assert templates.render("b.txt", {"x": 1}) == "our b, 1"


def test_html_is_escaped_and_text_is_not(tmp_path: Path) -> None:
    templates = Templates([folder(tmp_path / "t", a_html="{{ x }}", a_txt="{{ x }}")])
    assert templates.render("a.html", {"x": "<b>&'"}) == "&lt;b&gt;&amp;&#39;"
    assert templates.render("a.txt", {"x": "<b>&'"}) == "<b>&'"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("one\ntwo {{ nobody }}", 2, "'nobody' is undefined"),
        ("one\n\n{% if x %}", 3, "Unexpected end of template"),
        ("{{ x|nofilter }}", 1, "No filter named 'nofilter'"),
        ("\n{{ x.y.z }}", 2, "has no attribute"),
        ("\n\n\n{{ 1 / 0 }}", 4, "division by zero"),
        ("{{ x.__class__.__mro__ }}", 1, "unsafe"),
        ("\n{{ x.append(1) }}", 2, "append"),
    ],
)
def test_an_error_is_reported_with_file_and_line(tmp_path: Path, text: str, line: int, words: str) -> None:
    templates = Templates([folder(tmp_path / "t", a_txt=text), folder(tmp_path / "ours")])
    with pytest.raises(TemplateError, match=words) as caught:
        templates.render("a.txt", {"x": []})
    assert caught.value.line == line
    assert caught.value.source == str(tmp_path / "t" / "a.txt")


def test_an_error_in_an_included_file_is_reported_there(tmp_path: Path) -> None:
    templates = Templates([folder(tmp_path / "t", a_txt='{% include "b.txt" %}', b_txt="\n{{ nobody }}")])
    with pytest.raises(TemplateError) as caught:
        templates.render("a.txt", {})
    assert (caught.value.source, caught.value.line) == (str(tmp_path / "t" / "b.txt"), 2)


@pytest.mark.parametrize("name", ["missing.txt", "../outside.txt", "/etc/hostname"])
def test_a_file_that_is_missing_or_outside_is_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "outside.txt").write_text("secret")
    with pytest.raises(TemplateError, match="there is no template"):
        Templates([folder(tmp_path / "t")]).render(name, {})


def test_the_shipped_files_are_found() -> None:
    assert (data_dir() / "templates" / "email" / "issue" / "body.html").is_file()
    assert list((data_dir() / "seeds").glob("*.md"))
