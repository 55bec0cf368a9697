"""Markdown to HTML for letters and pages: no raw HTML, no unsafe link, no picture."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_SAFE_LINK = re.compile(r"(?:https?://|mailto:)[^\s<>\"]+\Z", re.IGNORECASE)


def to_html(source: str) -> str:
    """Safe HTML; the highest heading is an h2, for the title above is the h1."""
    return str(_parser().render(source))


def parse(source: str) -> list[Token]:
    """The tokens of `to_html`, for other renderers."""
    return _parser().parse(source)


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt
    from markdown_it.rules_core import StateCore

    class Parser(MarkdownIt):
        def validateLink(self, url: str) -> bool:  # noqa: ARG002, N802 - its name
            """Every link: `_plain` drops an unsafe one and keeps its words, which this would not."""
            return True

    def tame(state: StateCore) -> None:
        _shift_headings(state.tokens)
        for token in state.tokens:
            if token.children:
                token.children = list(_plain(token.children))

    parser = Parser("commonmark", {"html": False})
    parser.core.ruler.after("inline", "tame", tame)
    return parser


def _shift_headings(tokens: Sequence[Token]) -> None:
    headings = [token for token in tokens if token.type in ("heading_open", "heading_close")]
    shift = 2 - min((int(token.tag[1]) for token in headings), default=2)
    for token in headings:
        token.tag = f"h{min(6, int(token.tag[1]) + shift)}"


def _plain(tokens: Iterable[Token]) -> Iterator[Token]:
    """Inline tokens without unsafe links and with the words that stand for pictures."""
    from markdown_it.token import Token

    dropped: list[bool] = []
    for token in tokens:
        if token.type == "link_open":
            dropped.append(not _SAFE_LINK.match(str(token.attrs.get("href", ""))))
        unsafe = token.type in ("link_open", "link_close") and dropped[-1]
        if token.type == "link_close":
            dropped.pop()
        if token.type == "image":
            yield Token("text", "", 0, content=token.content, level=token.level)
        elif not unsafe:
            yield token
