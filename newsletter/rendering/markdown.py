"""Markdown to HTML for emails and pages, without raw HTML, unsafe links, and pictures."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

_SAFE_LINK = re.compile(r"(?:https?://|mailto:)[^\s<>\"]+\Z", re.IGNORECASE)


def to_html(source: str) -> str:
    """Safe HTML. The highest heading is an h2, because the title above the text is the h1."""
    return str(_parser().render(source))


def parse(source: str) -> list[Token]:
    """The tokens that `to_html` renders, for other renderers."""
    return _parser().parse(source)


class _Parser(MarkdownIt):
    def validateLink(self, url: str) -> bool:  # noqa: ARG002, N802 - its name
        """Accept every link here. A refused one would stay as Markdown source; `_without_unsafe` keeps its text instead."""
        return True


@cache
def _parser() -> MarkdownIt:
    parser = _Parser("commonmark", {"html": False})
    parser.core.ruler.after("inline", "make_safe", _make_safe)
    return parser


def _make_safe(state: StateCore) -> None:
    _shift_headings(state.tokens)
    for token in state.tokens:
        if token.children:
            token.children = list(_without_unsafe(token.children))


def _shift_headings(tokens: Sequence[Token]) -> None:
    headings = [token for token in tokens if token.type in ("heading_open", "heading_close")]
    shift = 2 - min((int(token.tag[1]) for token in headings), default=2)
    for token in headings:
        token.tag = f"h{min(6, int(token.tag[1]) + shift)}"


def _without_unsafe(tokens: Iterable[Token]) -> Iterator[Token]:
    """Inline tokens with the text of unsafe links and of pictures in their place."""
    is_unsafe: list[bool] = []  # a stack, one entry per open link
    for token in tokens:
        if token.type == "link_open":
            is_unsafe.append(not _SAFE_LINK.match(str(token.attrs.get("href", ""))))
        is_dropped = token.type in ("link_open", "link_close") and is_unsafe[-1]
        if token.type == "link_close":
            is_unsafe.pop()
        if token.type == "image":
            yield Token("text", "", 0, content=token.content, level=token.level)
        elif not is_dropped:
            yield token
