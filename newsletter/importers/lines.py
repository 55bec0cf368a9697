"""Split the text of a saved web page into lines, and tell content from navigation, comments, and captions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from enum import Enum, auto

from newsletter.domain.read_dates import Dates
from newsletter.importers.captions import Caption, caption_of


class Kind(Enum):
    """What a line is."""

    TEXT = auto()
    POSTED = auto()  # "Posted on in A, B Please leave a comment": the line above is a title
    TRUNCATED = auto()  # ends in "Read more", the end of a teaser
    FOOTER = auto()  # links and page numbers: an article ends here
    RELATED = auto()  # "Did you like this post?": only links from here to the next title
    NOISE = auto()  # "2 Comments" or a caption alone, which can be anywhere


@dataclass(frozen=True, slots=True)
class Line:
    """A line that is not empty. number: from 1. indent: columns before the text. gap: empty lines above it.

    A line of no-break spaces is an empty paragraph: it separates paragraphs, and the gap is counted from it.
    caption: what stood before the text, and is no part of it.
    """

    number: int
    text: str
    indent: int
    gap: int
    kind: Kind = Kind.TEXT
    caption: Caption | None = None


_INVISIBLE = re.compile("[\u200b\u2060\ufeff\u00ad\x00-\x08\x0e-\x1b\x7f]")
_SPACES = re.compile(r"\s+")

_LINK = r"(?:sign[- ]?up for free tips!?|contact us!?|more resources for you|visit our home ?page)"
FOOTER = re.compile(rf"(?:{_LINK}[\W_]*)+\Z", re.IGNORECASE)
FOOTER_TAIL = re.compile(rf"(?:^|(?<=\W)){_LINK}(?:[\W_]*{_LINK}){{2,9}}[\W_]*\Z", re.IGNORECASE)
_RELATED = re.compile(
    r"did you (?:like|enjoy) this (?:post|article|tip)\?.*|if you liked this post\b.*:"
    r"|(?:here are )?(?:other|some) [\w &-]{0,40}related posts:?|related (?:posts|articles):?"
    r"|you (?:may|might) also (?:like|enjoy):?",
    re.IGNORECASE,
)
_COMMENT = (
    r"(?:(?:please )?leave a (?:comment|reply|response)|(?:no|one|\d+) (?:comments?|responses?|replies)"
    r"|comments (?:off(?: on .*)?|are closed|\(\d+\))|be the first to comment)"
)
_NOISE = re.compile(rf"{_COMMENT}\W*|(?:share|like) this:|like loading\W*|tweet", re.IGNORECASE)
_DAY = r"(?: (?:[A-Z][a-z]{2,8}\.? \d{1,2}(?:st|nd|rd|th)?,? \d{4}|\d{1,2}/\d{1,2}/\d{2,4}))"
_POSTED = re.compile(
    rf"(?:Posted on(?P<day>{_DAY})? in|Posted in(?=.*{_COMMENT}\W*\Z))(?: (?P<named>.*?))?(?: ?{_COMMENT}\W*)?\Z",
    re.IGNORECASE,
)
_ARROW = "«»‹›<>←→"
_PAGER = re.compile(  # possessive quantifiers, so that a long row of digits does not cause backtracking
    rf"(?=.*(?:[{_ARROW}]|\b(?:entries|posts|page \d)))"
    rf"[{_ARROW}\s]*(?:(?:older|newer|previous|prev|next|first|last|entries|posts|pages?|of|[\d.…|]++)[{_ARROW}\s|]*+)++\Z"
    r"|\d+(?: (?:\d+|…|\.\.\.))+\Z",
    re.IGNORECASE,
)
_TRUNCATED = re.compile(
    rf"(?:Read more|Continue reading)(?: ?(?:…|\.\.\.|[{_ARROW}]))*\Z|R(?:ead More|EAD MORE) ?[{_ARROW}]+\Z"
)

_ELLIPSIS = re.compile(r" ?\[?(?:…|(?<!\.)\.{3,}+)\]?\Z")


def read_lines(text: str) -> Iterator[Line]:
    """The lines that are not empty, with white space collapsed, and with captions and footers removed from content."""
    gap, broken = 0, False
    for number, raw in enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), start=1):
        visible = _INVISIBLE.sub("", raw)
        collapsed = _SPACES.sub(" ", visible).strip()
        if not collapsed:
            gap = gap + 1 if not raw.strip(" \t") else 0
            broken = True
            continue
        indent = len(visible.expandtabs(4)) - len(visible.expandtabs(4).lstrip())
        kind, kept, caption = classify(collapsed)
        yield Line(number, kept, indent, max(gap, broken), kind, caption)
        gap, broken = 0, False


def classify(text: str) -> tuple[Kind, str, Caption | None]:
    """What a line is, the part of it to keep, and the caption before that part."""
    if _POSTED.match(text):
        return Kind.POSTED, text, None
    caption = caption_of(text)
    kept = caption.rest if caption else text
    if _TRUNCATED.search(text):
        return Kind.TRUNCATED, kept, caption
    if FOOTER.match(text) or _PAGER.match(text):
        return Kind.FOOTER, text, None
    if _RELATED.fullmatch(text):
        return Kind.RELATED, text, None
    kept = FOOTER_TAIL.sub("", kept).strip()
    return (Kind.NOISE, text, caption) if not kept or _NOISE.fullmatch(kept) else (Kind.TEXT, kept, caption)


def categories_of(posted: str) -> tuple[str, ...]:
    """The categories in a "Posted on in …" line."""
    found = _POSTED.match(posted)
    named = (found["named"] or "") if found else ""
    return tuple(name for part in named.split(",") if (name := part.strip()))


def day_of_posted(posted: str) -> date | None:
    """The date in a "Posted on August 12, 2014 in …" line, which most pages have lost."""
    found = _POSTED.match(posted)
    return Dates().day_of(found["day"]) if found and found["day"] else None


def before_read_more(text: str) -> str:
    """The last line of a teaser without "Read more" and the dots before it."""
    return _ELLIPSIS.sub("", _TRUNCATED.sub("", text).strip())
