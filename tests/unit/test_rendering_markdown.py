"""Markdown to HTML: what a tip may contain, and nothing that could run."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.rendering.markdown import to_html


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a *b* **c**", "<p>a <em>b</em> <strong>c</strong></p>\n"),
        ("one\\\ntwo", "<p>one<br />\ntwo</p>\n"),
        ("[a](https://b.example/?c&d)", '<p><a href="https://b.example/?c&amp;d">a</a></p>\n'),
        ("[a](mailto:b@c.example)", '<p><a href="mailto:b@c.example">a</a></p>\n'),
        ("![a desk](https://b.example/c.png)", "<p>a desk</p>\n"),
        ("[![a desk](x.png)](https://b.example/)", '<p><a href="https://b.example/">a desk</a></p>\n'),
        ("[a](javascript:alert(1))", "<p>a</p>\n"),
        ("[a](JaVaScRiPt:alert(1)) [b](data:text/html,x) [c](//d.example)", "<p>a b c</p>\n"),
        ("[a](vbscript:x) ![b](javascript:x)", "<p>a b</p>\n"),
        ("<script>alert(1)</script>", "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>\n"),
        ("# A\n\n## B", "<h2>A</h2>\n<h3>B</h3>\n"),
        ("### A\n\n###### B", "<h2>A</h2>\n<h5>B</h5>\n"),
    ],
)
def test_markdown_becomes_safe_html(source: str, expected: str) -> None:
    assert to_html(source) == expected


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen |= {tag} | {f"{tag} {name}" for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]


ALLOWED = {"p", "em", "strong", "a", "ul", "ol", "li", "blockquote", "hr", "br", "code", "pre"}
ALLOWED |= {"h2", "h3", "h4", "h5", "h6", "a href", "a title", "ol start", "code class"}


@given(st.text("ab<>\"'&/:()[]!*#`=\\ \n", max_size=60), st.sampled_from(["javascript:", "https:", "data:", "x"]))
def test_nothing_written_in_a_tip_gets_out_of_the_allowed_elements(text: str, scheme: str) -> None:
    parser = Reader()
    parser.feed(to_html(f"{text}[x]({scheme}//{text}) <img src={scheme}x onerror={text}> ![y]({scheme}{text})"))
    assert parser.seen <= ALLOWED
    assert all(link.startswith(("http:", "https:", "mailto:")) for link in parser.links)
