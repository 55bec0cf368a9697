"""The public archive as values: plain text, teasers, lists of tips, and search results."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from html import unescape
from typing import NamedTuple

from newsletter.domain.tips.pictures import replace_pictures
from newsletter.domain.tips.tip import TipText

TEASER_WORDS = 50
PREVIEW = 140  # characters of a preview text; no inbox shows more
HIT, HIT_END = "\ue000", "\ue001"
"""Enclose the words that a search found in a `Hit`: private-use characters, which `plain` removes from every tip."""

# -- plain text -----------------------------------------------------------------------------------------

_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")
_HIDDEN = re.compile("[\uf021-\uf07e]")  # placeholders for escaped characters while Markdown is removed
_PRIVATE = re.compile("[\ue000-\uf8ff]")
_FENCE = re.compile(r" {0,3}(?:`{3,}|~{3,}).*")
_RULE = re.compile(r" {0,3}(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,}|=+[ \t]*)\Z")
_RULE_MARKS = ("*", "-", "_", "=")
_HEADING = re.compile(r" {0,3}#{1,6}(?=[ \t]|\Z)")
_START = re.compile(r"[ \t]*(?:(?P<item>[-+*]|\d{1,9}[.)])(?=[ \t]|\Z)|>)[ \t]*")
_LINK = re.compile(r"!?\[(?P<words>[^\[\]]*)\](?:\([^()\s]*(?:\([^()\s]*\)[^()\s]*)?(?:\s+\"[^\"]*\")?\)|\[[^\]]*\])")
_ADDRESS = re.compile(r"<((?:https?://|mailto:)[^<>\s]+)>")
_MARKS = re.compile(r"`+|~~|\*+(?=\S)|(?<=\S)\*+|(?<![^\W_])_+(?=\S)|(?<=\S)_+(?![^\W_])")


def plain(markdown: str) -> str:
    """The words of a Markdown text on one line, without the Markdown."""
    return " ".join(text for _, text in _blocks(markdown) if text)


def _blocks(markdown: str) -> Iterator[tuple[bool, str]]:
    """(is it a heading, its words on one line) for every paragraph, heading, and list item."""
    lines: list[str] = []
    # An empty line at the end closes the last block.
    for raw in [*_PRIVATE.sub("", markdown).splitlines(), ""]:
        line, is_new = _without_start(raw)
        is_heading = bool(_HEADING.match(line))
        if lines and (is_new or is_heading or not line.strip() or _RULE.match(line)):
            yield False, _words(" ".join(lines))
            lines = []
        if is_heading:
            yield True, _words(_HEADING.sub("", line, count=1).rstrip("# \t"))
        elif line.strip() and not _RULE.match(line) and not _FENCE.match(line):
            lines.append(line.strip().removesuffix("\\"))


def _without_start(line: str) -> tuple[str, bool]:
    """A line without the markers of quotes and list items at its start, and whether it begins a list item."""
    is_item, at = False, 0
    # Where the rest of the line is a row of one mark: asked at each marker, a long row would take quadratic time.
    bare = line.rstrip(" \t")
    row = len(bare.rstrip(f"{bare[-1:]} \t")) if bare[-1:] in _RULE_MARKS else len(line) + 1
    while not (at >= row and _RULE.match(line, at)) and (start := _START.match(line, at)):
        is_item = is_item or bool(start["item"])
        at = start.end()
    return line[at:], is_item


def _words(text: str) -> str:
    """Remove inline Markdown. Escaped characters are hidden first so that they do not count as Markdown."""
    text = _ESCAPED.sub(lambda found: chr(0xF000 + ord(found[1])), text)
    text = _MARKS.sub("", _ADDRESS.sub(r"\1", _LINK.sub(lambda found: found["words"], text)))
    shown = unescape(_HIDDEN.sub(lambda found: chr(ord(found[0]) - 0xF000), text))
    return " ".join(_PRIVATE.sub("", shown).split())


# -- teasers ---------------------------------------------------------------------------------------

# Possessive, and never in the middle of a run: a row of dots must not be tried again from each of its dots.
_SENTENCE_END = re.compile(r"(?<![.!?…])[.!?…]++[\"”’')\]]*+(?=\s+(?P<next>\S))")
_ABBREVIATION_LENGTH = 12  # with the period
_ABBREVIATION = re.compile(
    r"(?:\b(?:Mrs?|Ms|Mx|Drs?|Prof|Sr|Jr|St|Rev|Hon|Gen|Col|Capt|Lt|Sgt|vs|approx|No|Nos|Fig|Vol|Inc|Ltd|Co|Corp|Dept"
    r"|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)|\b[A-Za-z]|\b(?:e\.g|i\.e|a\.k\.a|U\.S|U\.K|Ph\.D))\.\Z"
)
_MOST, _LEAST = 1.4, 0.5  # a teaser may have this many times the wanted number of words


def sentences(text: str) -> list[str]:
    """Split one line of prose into sentences; abbreviations and periods before a lowercase word do not end one."""
    found, start = [], 0
    for end in _SENTENCE_END.finditer(text):
        if end["next"].lstrip("“‘\"'(")[:1].islower() or _ABBREVIATION.search(
            text, max(start, end.end() - _ABBREVIATION_LENGTH), end.end()
        ):
            continue
        found.append(text[start : end.end()].strip())
        start = end.end()
    return [*found, text[start:].strip()] if text[start:].strip() else found


def _prose(body: str) -> str:
    """A text without its pictures, whose descriptions would run into the sentences; as it is if it has only pictures."""
    without = replace_pictures(body, lambda _link: "") if "![" in body else body
    return without if plain(without) else body


def teaser(text: TipText, words: int = TEASER_WORDS) -> str:
    """The teaser of a tip in lists: its own, or about this many words of its text, up to the end of a sentence."""
    if text.teaser:
        return text.teaser
    parts: list[str] = []
    counts: list[int] = []
    blocks = (block for is_heading, block in _blocks(_prose(text.body)) if block and not is_heading)
    # Stop reading as soon as there are too many words: the rest of a long text cannot change the teaser.
    while (not counts or counts[-1] <= words * _MOST) and (block := next(blocks, "")):
        for part in sentences(block):
            parts.append(part)
            counts.append(len(part.split()) + (counts[-1] if counts else 0))
    ends = [number for number, count in enumerate(counts) if words * _LEAST <= count <= words * _MOST]
    if ends:
        best = min(ends, key=lambda number: abs(counts[number] - words))
        return " ".join(parts[: best + 1])
    every = " ".join(parts).split()
    if len(every) <= words * _MOST:
        return " ".join(every)
    return " ".join(every[:words]).rstrip(" ,;:–—-") + " …"


class ShownWords(NamedTuple):
    """What the library keeps beside the text of a tip: its teaser for lists, and its words for the search."""

    teaser: str
    plain: str


def shown_words(text: TipText) -> ShownWords:
    """Both of a text. A long text takes a moment, so it is done outside of transactions."""
    return ShownWords(teaser(text), plain(text.body) or text.teaser)


_ENDED = re.compile(r"[.!?…:][\"”’»“)\]]*\Z")


def with_ellipsis(beginning: str) -> str:
    """The beginning of a text, with an ellipsis if it stops in the middle of a sentence."""
    shown = beginning.rstrip()
    return shown if not shown or _ENDED.search(shown) else shown.rstrip(" ,;–—-") + " …"


def preview_text(tip: TipText) -> str:
    """The line that an inbox shows beside the subject: the owner's own, the takeaway, or the first sentence."""
    words = tip.preview or tip.takeaway or next(iter(sentences(plain(_prose(tip.body[:2_000])))), "")
    return words if len(words) <= PREVIEW else words[: PREVIEW - 1].rsplit(None, 1)[0].rstrip(" ,;:.–—-") + "…"


# -- lists and pages -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Label:
    """A category or a tag. slug: its part of a URL; "" if its name has no letters or digits."""

    name: str
    slug: str


@dataclass(frozen=True, slots=True)
class Mention:
    """A tip as a link shows it. ran_on: the last day on which it was sent, or published before this system was in use."""

    key: str
    title: str
    ran_on: date | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A tip in a list. complete: False for a teaser. source: the URL of the complete tip, or "". changed_at: aware."""

    id: int
    key: str
    title: str
    ran_on: date | None
    teaser: str
    changed_at: datetime
    complete: bool = True
    source: str = ""
    categories: tuple[Label, ...] = ()
    tags: tuple[Label, ...] = ()

    @property
    def mention(self) -> Mention:
        """The tip as a link shows it."""
        return Mention(self.key, self.title, self.ran_on)


@dataclass(frozen=True, slots=True)
class Hit:
    """A search result: title and excerpt, with HIT and HIT_END around the words that were found."""

    entry: Entry
    title: str
    excerpt: str


def without_hits_in_braces(title: str) -> str:
    """The title without hits inside `{{ year }}`, which a search for "year" would otherwise break."""
    return re.sub(r"\{\{[^{}]*\}\}", lambda found: found[0].replace(HIT, "").replace(HIT_END, ""), title)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which tips to list. kind: all, year, category, or tag. value: the year or the slug."""

    kind: str = "all"
    value: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """One page of a list with `total` tips on `pages` pages. label: the category or tag that was selected."""

    entries: tuple[Entry, ...]
    total: int
    pages: int
    label: Label | None = None


@dataclass(frozen=True, slots=True)
class Hits:
    """One page of search results, best first. total: all results."""

    hits: tuple[Hit, ...]
    total: int


@dataclass(frozen=True, slots=True)
class Contents:
    """How many tips the archive has for each year, newest first, and for each label, by name."""

    years: tuple[tuple[int, int], ...]
    categories: tuple[tuple[Label, int], ...]
    tags: tuple[tuple[Label, int], ...]


@dataclass(frozen=True, slots=True)
class Votes:
    """How many subscribers answered yes and no to "was this useful?"."""

    useful: int = 0
    not_useful: int = 0


@dataclass(frozen=True, slots=True)
class PublicTip:
    """A tip on its own page. body: Markdown. previous, next: the tips that ran before and after it."""

    entry: Entry
    body: str
    takeaway: str
    previous: Mention | None = None
    next: Mention | None = None
    related: tuple[Entry, ...] = ()
    votes: Votes = Votes()


def web_address(source: str) -> str:
    """The source of a tip if it is a URL that a page may link to; otherwise ""."""
    return source if re.fullmatch(r"https?://[^\s\"<>]{1,2000}", source, re.IGNORECASE) else ""


# -- links in an email -----------------------------------------------------------------------------

ANNIVERSARIES = (10, 5, 15, 20)
_NEAR_DAYS = 3


@dataclass(frozen=True, slots=True)
class ArchiveLinks:
    """The links from an issue to the archive. years: how long ago the tip `years_ago` ran."""

    related: Mention | None = None
    years_ago: Mention | None = None
    years: int = 0


NO_ARCHIVE_LINKS = ArchiveLinks()


def anniversary(day: date, years: int) -> tuple[date, date]:
    """The first and the last of the seven days around this date `years` ago: one of them is the newsletter's weekday."""
    # February 29 does not exist in most years, so February 28 is used instead.
    then = day.replace(year=day.year - years, day=min(day.day, 28)) if (day.month, day.day) == (2, 29) else day
    then = then.replace(year=day.year - years)
    return (
        date.fromordinal(then.toordinal() - _NEAR_DAYS),
        date.fromordinal(then.toordinal() + _NEAR_DAYS),
    )


# -- search -------------------------------------------------------------------------------------

MAX_QUERY, MAX_TERMS = 200, 12
_TERM = re.compile(r"[\"“”„](?P<phrase>[^\"“”„]+)[\"“”„]|(?P<word>[^\W_]+)")


def search_terms(query: str) -> list[str]:
    """The words and "quoted phrases" of a search query. Other characters are ignored, so that no query is FTS5 syntax."""
    found = []
    for term in _TERM.finditer(query[:MAX_QUERY]):
        words = " ".join(re.findall(r"[^\W_]+", term["phrase"] or term["word"]))
        if words:
            found.append(words)
    return found[:MAX_TERMS]
