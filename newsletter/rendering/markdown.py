"""Markdown to HTML for emails and pages, without raw HTML, unsafe links, and pictures of other sites."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

from newsletter.domain.tips.pictures import FOLDER, MAX_WIDTH, own_picture

_SAFE_LINK = re.compile(r"(?:https?://|mailto:)[^\s<>\"]+\Z", re.IGNORECASE)


def to_html(source: str, media: str = f"/{FOLDER}/", max_width: int = MAX_WIDTH) -> str:
    """Safe HTML. The highest heading is an h2, because the title above the text is the h1.

    media: where the pictures of this newsletter are. max_width: of a picture, in pixels.
    """
    return str(_parser().render(source, {"media": media, "max_width": max_width}))


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
            token.children = list(_without_unsafe(token.children, state.env))


def _shift_headings(tokens: Sequence[Token]) -> None:
    headings = [token for token in tokens if token.type in ("heading_open", "heading_close")]
    shift = 2 - min((int(token.tag[1]) for token in headings), default=2)
    for token in headings:
        token.tag = f"h{min(6, int(token.tag[1]) + shift)}"


def _without_unsafe(tokens: Iterable[Token], env: Mapping[str, Any]) -> Iterator[Token]:
    """Inline tokens with the text of unsafe links and of pictures of other sites in their place."""
    is_unsafe: list[bool] = []  # a stack, one entry per open link
    for token in tokens:
        if token.type == "link_open":
            is_unsafe.append(not _SAFE_LINK.match(str(token.attrs.get("href", ""))))
        is_dropped = token.type in ("link_open", "link_close") and is_unsafe[-1]
        if token.type == "link_close":
            is_unsafe.pop()
        if token.type == "image":
            yield _picture(token, env)
        elif not is_dropped:
            yield token


def _picture(token: Token, env: Mapping[str, Any]) -> Token:
    """A picture of this newsletter with its address and size; its description in the place of any other."""
    picture = own_picture(str(token.attrs.get("src", "")))
    if picture is None:
        return Token("text", "", 0, content=token.content, level=token.level)
    width = min(picture.width, env.get("max_width", MAX_WIDTH))
    height = max(1, round(picture.height * width / picture.width))
    # `alt` is filled in by the renderer, but only if it is there (markdown-it, renderer.image).
    token.attrs = {"src": f"{env.get('media', '')}{picture.name}", "alt": "", "width": width, "height": height}
    return token
