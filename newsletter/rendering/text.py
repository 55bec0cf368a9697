"""Markdown to the text part of an email: 72 columns, hanging bullets, and URLs after the text of a link."""

from __future__ import annotations

from collections.abc import Iterable
from textwrap import fill, indent

from markdown_it.tree import SyntaxTreeNode

from newsletter.rendering.markdown import parse

WIDTH = 72


def to_text(source: str, width: int = WIDTH) -> str:
    """Plain text without a newline at its end. Paragraphs are separated by empty lines; only a URL may be wider than `width`."""
    return _blocks(SyntaxTreeNode(parse(source)).children, width)


def wrap(text: str, width: int = WIDTH, first: str = "", then: str = "") -> str:
    """Wrap each line of a text by itself. URLs and long words are not broken.

    first, then: the indent of the first line, and of all others.
    """
    lines = text.split("\n")
    starts = [first, *[then] * (len(lines) - 1)]
    return "\n".join(
        fill(
            line,
            width,
            initial_indent=start,
            subsequent_indent=then,
            break_long_words=False,
            break_on_hyphens=False,
        )
        or start.rstrip()
        for start, line in zip(starts, lines, strict=True)
    )


def underlined(text: str, line: str = "=", width: int = WIDTH) -> str:
    """A heading, underlined as far as its longest line."""
    words = wrap(text, width)
    return f"{words}\n{line * max(map(len, words.splitlines()))}" if words else ""


def _blocks(nodes: Iterable[SyntaxTreeNode], width: int) -> str:
    return "\n\n".join(text for node in nodes if (text := _block(node, width)))


def _block(node: SyntaxTreeNode, width: int) -> str:  # noqa: PLR0911 - one result per kind
    match node.type:
        case "paragraph":
            return wrap(_inline(node), width)
        case "heading":
            return underlined(_inline(node).replace("\n", " "), "-", width)
        case "bullet_list":
            return _list(node, ["- "] * len(node.children), width)
        case "ordered_list":
            start = int(node.attrs.get("start", 1))
            return _list(node, [f"{start + n}. " for n in range(len(node.children))], width)
        case "blockquote":
            return indent(_blocks(node.children, width - 4), "    ")
        case "code_block" | "fence":
            return indent(node.content.rstrip("\n"), "    ")
        case "hr":
            return "* * *".center(width).rstrip()
        case _:
            return _blocks(node.children, width)


def _list(node: SyntaxTreeNode, marks: list[str], width: int) -> str:
    """A list with hanging marks. If an item has several lines, empty lines separate all items."""
    column = max(len(mark) for mark in marks)
    items = []
    for mark, item in zip(marks, node.children, strict=True):
        text = indent(_blocks(item.children, width - column), " " * column)
        items.append((mark.rjust(column) + text[column:]).rstrip())
    return ("\n\n" if any("\n" in item for item in items) else "\n").join(items)


def _inline(node: SyntaxTreeNode) -> str:  # noqa: PLR0911 - one result per kind
    """The text of a node, with a newline only where the author wrote a hard line break."""
    match node.type:
        case "text" | "code_inline":
            return node.content
        case "softbreak":
            return " "
        case "hardbreak":
            return "\n"
        case "image":
            return f"[{node.content}]" if node.content else ""
        case "link":
            return _link(_words(node), str(node.attrs.get("href", "")))
        case "em":
            return f"_{_words(node)}_"
        case "strong":
            return f"*{_words(node)}*"
        case _:
            return _words(node)


def _words(node: SyntaxTreeNode) -> str:
    return "".join(_inline(child) for child in node.children)


def _link(words: str, url: str) -> str:
    target = url.removeprefix("mailto:")
    return target if words in (url, target, "") else f"{words} ({target})"
