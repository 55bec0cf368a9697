"""A template of the owner that does not end, or fills the memory, is an error with its file, and quickly."""

from __future__ import annotations

from pathlib import Path

import pytest

from newsletter.domain.errors import TemplateError
from newsletter.rendering.templates import Templates


def rendered(directory: Path, source: str) -> str:
    own, ours = directory / "own", directory / "ours"
    for folder in (own, ours):
        folder.mkdir(exist_ok=True)
    (own / "t.txt").write_text(source)
    return Templates([own, ours]).render("t.txt", {})


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "rounds"),
        ("{% for a in range(99999) %}{{ 'abcdefghijabcdefghijabcdefghij' }}{% endfor %}", "writes more than"),
        ("{% set n = namespace(x='a') %}{% for i in range(60) %}{% set n.x = n.x ~ n.x %}{% endfor %}", "parts"),
        ("{% set n = namespace(x='a') %}{% for i in range(60) %}{% set n.x = n.x + n.x %}{% endfor %}", "parts"),
        (
            "{% set n = namespace(x='a') %}{% for i in range(60) %}{% set n.x = n.x|replace('a', 'aa') %}{% endfor %}",
            "parts",
        ),
        ("{{ 'x' * 10**9 }}", "parts"),
        ("{{ [1] * 10**9 }}", "parts"),
        ("{{ 9 ** (9 ** 9) }}", "digits"),
        ("{{ 'a'|center(10**9) }}", "width"),
        ("{{ 'a'|indent(width=10**9) }}", "width"),
        ("{{ '%999999999d'|format(1) }}", "width"),
        ("{{ '%999999999d' % 1 }}", "width"),
        ("{{ '{:>999999999}'.format(1) }}", "width"),
        ("{{ 'x'.ljust(10**9) }}", "unsafe"),
        ("{{ range(10**9)|list }}", "Range too big"),
        ("{{ lipsum(10**6) }}", "lipsum"),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "recursion"),
        ("{% include 't.txt' %}", "recursion"),
    ],
)
def test_a_template_without_an_end_is_an_error(tmp_path: Path, source: str, words: str) -> None:
    with pytest.raises(TemplateError, match=words) as caught:
        rendered(tmp_path, source)
    assert "t.txt" in str(caught.value)


def test_what_templates_need_still_works(tmp_path: Path) -> None:
    source = (
        "{% for a in [1, 2] %}{{ loop.index }}/{{ loop.length }}{{ ', ' if not loop.last }}{% endfor %} "
        "{{ 'a' ~ 1 }} {{ 'x'|replace('x', 'y') }} {{ 5 % 2 }} {{ '%s!'|format('a') }} {{ 2 ** 8 }} {{ '-' * 3 }}"
        "{{ '{:>3}'.format(1) }}"
    )
    assert rendered(tmp_path, source) == "1/2, 2/2 a1 y 1 a! 256 ---  1"
