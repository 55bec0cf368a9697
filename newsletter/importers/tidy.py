"""The last step of every reader of tips: what no text can hold goes, and what is too long is shortened."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from newsletter.domain.archive.entries import with_ellipsis
from newsletter.domain.tips.tip import Piece, Remark, TipText
from newsletter.importers.limits import MAX_FIELD, MAX_LABEL, MAX_LABELS

# Controls, except for tabs and ends of lines; halves of surrogate pairs; and the two noncharacters that XML forbids.
_NO_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")


def tidied(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """The pieces; a tip that had to be changed is followed by a remark."""
    for piece in pieces:
        if not isinstance(piece, TipText):
            yield piece
            continue
        tip = _tidy(piece)
        yield tip
        if any(map(_NO_TEXT.search, (piece.title, piece.body, piece.takeaway, piece.teaser, piece.preview))):
            words = f"{tip.title!r}: control characters were dropped"
            yield Remark(piece.file or piece.source, piece.line, words)


def _tidy(tip: TipText) -> TipText:
    return replace(
        tip,
        title=_line(tip.title),
        body=_NO_TEXT.sub("", re.sub("\r\n|[\r\x85\u2028\u2029]", "\n", tip.body)),
        takeaway=_line(tip.takeaway),
        teaser=_short(_line(tip.teaser)),
        preview=_line(tip.preview),
        categories=_labels(tip.categories),
        tags=_labels(tip.tags),
    )


def _line(text: str) -> str:
    return re.sub("[\t\n\r\x85\u2028\u2029]", " ", _NO_TEXT.sub("", text)).strip()


def _short(text: str) -> str:
    return (
        text
        if len(text) <= MAX_FIELD
        else with_ellipsis(text[: MAX_FIELD - 2].rpartition(" ")[0] or text[: MAX_FIELD - 2])
    )


def _labels(labels: Iterable[str]) -> tuple[str, ...]:
    lines = (" ".join(_line(label).split())[:MAX_LABEL].strip() for label in labels)
    return tuple(dict.fromkeys(filter(None, lines)))[:MAX_LABELS]
