"""Convert lines of prose to Markdown (paragraphs, lists, subheadings, and verse) without losing or adding a word.

The author meant every line break inside a paragraph, so it is kept as a backslash at the end of the line
(CommonMark 0.31 section 6.7), which editors do not trim as they do spaces. Characters that would be Markdown are escaped.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from newsletter.importers.lines import Line

_BULLET = re.compile(r"[•◦▪■●○‣∙·⁃] ?(?P<text>.*)\Z")
_DASH = re.compile(r"[-*–] (?P<text>.+)\Z")
_NUMBER = re.compile(r"(?P<mark>(?P<value>\d{1,2})[.)]) (?P<text>.+)\Z")
_RULE = re.compile(r"(?:[-_*=~] ?){3,}\Z")

_INLINE = re.compile(
    r"\\(?=[!-/:-@\[-`{-~]|\Z)"  # a backslash before punctuation
    r"|`|~~"
    r"|(?<=\S)\*|\*(?=\S)"  # emphasis; a star between spaces is only a star
    r"|(?<![^\W_])_+(?=\S)|(?<=\S)_+(?![^\W_])"  # an underscore inside a word is not emphasis
    r"|\](?=[(\[:])"  # what makes a bracket the end of a link or of its definition
    r"|<(?=[A-Za-z/!?])|&(?=#?\w+;)"
)
_AT_START = re.compile(r"(?P<number>\d{1,9})(?=[.)](?:\s|\Z))|(?=#{1,6}(?:\s|\Z)|>|[-+*](?:\s|\Z)|(?:[-=*] ?)+\Z)")

_HEAD_LENGTH, _HEAD_WORDS = 60, 9
_SMALL_WORD = 4  # letters; shorter words may be lowercase in a heading
_NO_HEAD = re.compile(r".*[.!?,;:…)–—-][\"”’]?\Z|[\"“‘'(\[–—-].*|\W*[a-z].*")
_SENTENCE = re.compile(r".*[.!?:…][\"”’)]?\Z")


@dataclass(slots=True)
class _Part:
    """A paragraph ("text"), list, or rule. plain: the first line of the source. lines: finished Markdown."""

    kind: str
    plain: str
    lines: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return ("\\\n" if self.kind == "text" else "\n").join(self.lines)


def to_markdown(lines: Sequence[Line]) -> str:
    """The lines as Markdown, without a newline at the end."""
    parts = _parts(_with_lone_bullets_filled(lines))
    heads = [_could_be_head(part) for part in parts]
    written = []
    for i, part in enumerate(parts):
        # Several short lines in a row are verse or a signature and not subheadings.
        alone = heads[i] and not any(heads[max(i - 1, 0) : i]) and not any(heads[i + 1 : i + 2])
        is_head = alone and i + 1 < len(parts) and _has_text(parts[i + 1])
        written.append(f"## {part}" if is_head else str(part))
    return "\n\n".join(written)


def escape(text: str) -> str:
    """One line of prose, escaped so that Markdown shows it as it is."""
    text = _INLINE.sub(lambda found: "".join("\\" + sign for sign in found[0]), text)
    start = _AT_START.match(text)
    return f"{start['number'] or ''}\\{text[start.end() :]}" if start else text


def _with_lone_bullets_filled(lines: Sequence[Line]) -> list[Line]:
    """Join a bullet alone on its line with the text on the next line; a bullet without any text is removed."""
    filled: list[Line] = []
    bullet: Line | None = None
    for line in lines:
        is_item = _BULLET.match(line.text)
        if is_item and not is_item["text"]:
            bullet = line
        elif bullet and not is_item:
            filled.append(replace(bullet, text=f"• {line.text}", number=line.number))
            bullet = None
        else:
            filled.append(line)
            bullet = None
    return filled


def _parts(lines: Sequence[Line]) -> list[_Part]:
    parts: list[_Part] = []
    items = _items(lines)
    levels: list[tuple[int, int]] = []  # indent in the source, column of the text in Markdown
    for i, line in enumerate(lines):
        last = parts[-1] if parts else _Part("none", "")
        if i in items:
            if last.kind != "list":
                last = _Part("list", line.text)
                parts.append(last)
                levels.clear()
            last.lines.append(_item(line.indent, *items[i], levels))
        elif last.kind == "list" and line.gap == 0 and line.indent:
            last.lines[-1] += "\\"
            last.lines.append(" " * levels[-1][1] + escape(line.text))
        elif _RULE.match(line.text):
            parts.append(_Part("rule", line.text, ["---"]))
        elif last.kind == "text" and line.gap == 0:
            last.lines.append(escape(line.text))
        else:
            parts.append(_Part("text", line.text, [escape(line.text)]))
    return parts


def _item(indent: int, mark: str, text: str, levels: list[tuple[int, int]]) -> str:
    """A list item, indented below its parent. levels: the open items, outermost first; updated."""
    while levels and levels[-1][0] >= indent:
        levels.pop()
    column = levels[-1][1] if levels else 0
    levels.append((indent, column + len(mark) + 1))
    return f"{' ' * column}{mark} {escape(text)}"


def _items(lines: Sequence[Line]) -> dict[int, tuple[str, str]]:
    """The list items: by index, the Markdown marker and the text.

    A bullet always begins an item. A number does if the text has the number before or after it too, and a dash if the
    line above or below has a dash too, since a single dash may precede the author of a quotation.
    """
    numbers = {int(found["value"]) for line in lines if (found := _NUMBER.match(line.text))}
    dashes = {i for i, line in enumerate(lines) if _DASH.match(line.text)}
    items = {}
    for i, line in enumerate(lines):
        if found := _BULLET.match(line.text):
            items[i] = ("-", found["text"])
        elif (found := _NUMBER.match(line.text)) and {int(found["value"]) - 1, int(found["value"]) + 1} & numbers:
            items[i] = (found["mark"], found["text"])
        elif (found := _DASH.match(line.text)) and {i - 1, i + 1} & dashes:
            items[i] = ("-", found["text"])
    return items


def _could_be_head(part: _Part) -> bool:
    """Is this one short line in title case that does not end like a sentence?"""
    words = part.plain.split()
    short = len(part.plain) <= _HEAD_LENGTH and len(words) <= _HEAD_WORDS
    if part.kind != "text" or len(part.lines) != 1 or not short or _NO_HEAD.match(part.plain):
        return False
    return all(not word[0].islower() for word in words if len(word) >= _SMALL_WORD)


def _has_text(part: _Part) -> bool:
    """Can a subheading be above this: is it a list, or a paragraph of sentences?"""
    return part.kind == "list" or (part.kind == "text" and bool(_SENTENCE.match(part.plain)))
