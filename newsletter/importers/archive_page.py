"""Parse a listing page of the owner's old blog, saved as text.

A page is a line "tag | name of the site", followed by entries of two shapes:

    A Title - 4/9/24                        A Title – 8/12/14 TOW

    the beginning of a text Read more       Posted on in Some Category, Another Please leave a comment

                                            the whole text …

The left one is a teaser and gives an incomplete tip; the right one is a complete article. Where the title has no date,
the caption of the picture above the text has it (`captions`). Nothing marks the end of an entry, so entries are found by
their titles, and titles by what is below them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise, takewhile

from newsletter.domain.tips.tip import Piece, Rejected, Remark, TipText
from newsletter.importers.captions import bare_caption_of
from newsletter.importers.cleaner import with_takeaway
from newsletter.importers.limits import problem
from newsletter.importers.lines import Kind, Line, before_read_more, categories_of, day_of_posted, read_lines
from newsletter.importers.prose import to_markdown
from newsletter.importers.titles import DATED, LONGEST, read_title

_BULLET = re.compile(r"[•◦▪■●○‣∙·⁃]")
_NO_TITLE = re.compile(r".*[;:,]\Z|.*(?<!\.)\.\Z")
_LOOK = 30  # characters that a teaser and its article must have in common at the start
_MARKS = frozenset({Kind.POSTED, Kind.TRUNCATED})
_CLOSING = frozenset({Kind.TRUNCATED, Kind.FOOTER, Kind.RELATED})
_TEXT = frozenset({Kind.TEXT, Kind.TRUNCATED})


def looks_like_archive_page(text: str) -> bool:
    """Does the text have at least one entry of either shape?"""
    return any(line.kind in _MARKS for line in read_lines(text))


def parse(text: str, source: str) -> list[Piece]:
    """Every entry of the page in order; what cannot be used is returned as Rejected with its line."""
    lines = list(read_lines(text))
    if not any(line.kind in _MARKS for line in lines):
        reason = 'not an archive page: no title is followed by "Posted on in …" or by a text that ends in "Read more"'
        return [Rejected(source, 1, reason)]
    tags: tuple[str, ...] = ()
    if lines[0].kind is Kind.TEXT and " | " in lines[0].text:
        tags = (lines.pop(0).text.partition(" | ")[0],)
    starts = _starts(lines)
    found = _unclaimed(lines[: starts[0] if starts else None], source, "text without a title above it")
    for start, end in pairwise([*starts, len(lines)]):
        found += _read_entry(lines[start:end], source, tags)
    return found


def _starts(lines: Sequence[Line]) -> list[int]:
    """The indexes of the titles, in order. If a title is missing, the index of the "Posted on" line below it.

    low: the first line that may be the next title. closed: the entry above is over, so `low` is most likely a title.
    """
    starts: set[int] = set()
    low, closed = 0, True
    for i, line in enumerate(lines):
        # The strongest evidence first: a "Posted on" line, then the end of a teaser, then a date in a title.
        if line.kind is Kind.POSTED:
            starts.add(i - 1 if i and lines[i - 1].kind is Kind.TEXT else i)
            low, closed = i + 1, False
        elif line.kind in _CLOSING:
            title = _title_of_teaser(lines, low, i, closed=closed) if line.kind is Kind.TRUNCATED else None
            starts |= {title} if title is not None else set()
            low, closed = i + 1, True
        elif _is_dated(line) and (closed if i == low else line.gap > 1):
            starts.add(i)
            low, closed = i, True
    return sorted(starts)


def _title_of_teaser(lines: Sequence[Line], low: int, end: int, *, closed: bool) -> int | None:
    """The index of the title of a teaser, which ends in "Read more" at `end`; None if the text is part of an article."""
    # "Read more" may be on a line of its own; then the line above it is text too.
    bare = not before_read_more(lines[end].text)
    candidates = range(end - 1 - bare, low - 1 if closed else low, -1)
    likely = [i for i in candidates if _could_be_title(lines[i])]
    for i in likely:
        if _is_dated(lines[i]) or lines[i].gap > 1 or lines[i + 1].gap > 1 or i == low:
            return i
    if not closed:
        return None
    return likely[0] if likely else low if low in candidates else None


def _could_be_title(line: Line) -> bool:
    short = line.kind is Kind.TEXT and len(line.text) <= LONGEST
    return short and not _BULLET.match(line.text) and not _NO_TITLE.match(line.text)


def _is_dated(line: Line) -> bool:
    return _could_be_title(line) and bool(DATED.search(line.text))


def _read_entry(lines: Sequence[Line], source: str, tags: tuple[str, ...]) -> list[Piece]:
    """Parse one title and everything below it, up to the next title."""
    head, rest = lines[0], lines[1:]
    if head.kind is Kind.POSTED:
        return [Rejected(source, head.number, '"Posted on in …" without a title above it')]
    posted = rest[0] if rest and rest[0].kind is Kind.POSTED else None
    content = _with_bare_caption(list(takewhile(lambda line: line.kind is not Kind.RELATED, rest)))
    text = [line for line in content if line.kind in _TEXT]
    try:
        title, published_on = read_title(head.text)
    except ValueError as error:
        return [Rejected(source, head.number, str(error))]
    if not text:
        return [Rejected(source, head.number, f"there is no text below the title {title!r}")]
    entry = TipText(
        title=title,
        body="",
        complete=False,
        published_on=published_on or (day_of_posted(posted.text) if posted else None),
        categories=categories_of(posted.text) if posted else (),
        tags=tags,
        already_run=True,
        source=source,
        line=head.number,
    )
    if not posted:
        tip, unclaimed = _without_posted_line(entry, text)
    elif text[-1].kind is Kind.TRUNCATED:
        tip, unclaimed = _truncated(entry, text), []
    else:
        tip, unclaimed = _complete(entry, text), []
    if reason := problem(title, tip.body):
        return [Rejected(source, head.number, reason), *unclaimed]
    return [*_dated(tip, [line for line in content if line.caption]), *unclaimed]


def _with_bare_caption(content: list[Line]) -> list[Line]:
    """The lines below a title, with a date alone at the start of the text taken for its caption."""
    at = next((i for i, line in enumerate(content) if line.kind is not Kind.POSTED), None)
    if at is None or not at or content[at].kind not in _TEXT or content[at].caption:
        return content
    caption = bare_caption_of(content[at].text)
    if not caption:
        return content
    kind = content[at].kind if caption.rest else Kind.NOISE
    return [*content[:at], replace(content[at], text=caption.rest, kind=kind, caption=caption), *content[at + 1 :]]


def _dated(tip: TipText, captions: Sequence[Line]) -> list[TipText | Remark]:
    """The tip with the day of its caption, if its title has none; and a remark if that is missing or another one."""
    found = [(line.number, line.caption) for line in captions if line.caption]
    line, caption = next((one for one in found if one[1].day), found[0] if found else (tip.line, None))
    day = tip.published_on or (caption.day if caption else None)
    tip, words = replace(tip, published_on=day), ""
    if caption and not caption.day:
        words = f"{caption.words!r} is not a valid month-day-year"
    elif caption and caption.day != day:
        words = f"{caption.words!r} is another date than the one in the title, which counts"
    if not day and tip.complete:
        words = f"{words}, so it has no date" if words else "it has no date"
        words += "; write one at the end of the title, as in “- 9/11/14”, to give it one"
    return [tip, Remark(tip.source, line, f"{tip.title!r}: {words}")] if words else [tip]


def _without_posted_line(entry: TipText, text: Sequence[Line]) -> tuple[TipText, list[Piece]]:
    """The tip of an entry that has no "Posted on" line, and rejections for text that belongs to no entry.

    It is a teaser unless the article follows it. The blog's teasers are one paragraph long, so more paragraphs without
    "Read more" are an article whose "Posted on" line was lost.
    """
    end = next((i for i, line in enumerate(text) if line.kind is Kind.TRUNCATED), None)
    if end is None:
        paragraphs = 1 + sum(line.gap > 0 for line in text[1:])
        return (_complete(entry, text) if paragraphs > 1 else _truncated(entry, text)), []
    teaser, below = _truncated(entry, text[: end + 1]), text[end + 1 :]
    if below and below[0].text[:_LOOK] == teaser.teaser[:_LOOK]:
        return _complete(entry, below), []
    return teaser, _unclaimed(below, entry.source, f"text below the “Read more” of {entry.title!r}")


def _complete(entry: TipText, text: Sequence[Line]) -> TipText:
    return with_takeaway(replace(entry, body=to_markdown(text), complete=True))


def _truncated(entry: TipText, text: Sequence[Line]) -> TipText:
    return replace(entry, teaser=" ".join(part for line in text if (part := before_read_more(line.text))))


def _unclaimed(lines: Sequence[Line], source: str, reason: str) -> list[Piece]:
    """One rejection, with the first line, for text that belongs to no entry."""
    text = [line for line in lines if line.kind in _TEXT]
    return [Rejected(source, text[0].number, f"{reason}: {text[0].text[:60]!r}")] if text else []
