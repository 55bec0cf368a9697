"""What in a tip will read wrong in two years, and what will not mail well; reads like an editor and changes nothing.

What somebody says in quotation marks belongs to the story and ages with it, so that most rules leave it alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from newsletter.domain.tips.season_rule import HOLIDAYS, MONTHS, Rule
from newsletter.domain.tips.similarity import SimilarityIndex
from newsletter.domain.tips.tip import MAX_SUBJECT, TipText

MAX_WORDS, MIN_WORDS = 900, 60
_NEAR_HOLIDAY = timedelta(days=45)
_RECENT_YEARS = 12
"""A year longer ago than this is history and stays true."""


class Level(StrEnum):
    """How sure a finding is."""

    ERROR = "fault"  # must not be mailed like this
    WARNING = "warning"  # will read wrong, or mail badly
    NOTE = "note"  # worth a look


@dataclass(frozen=True, slots=True)
class Finding:
    """One place. part: title, takeaway or body; line: within that part, from 1; excerpt: the words meant, with a few around."""

    part: str
    line: int
    excerpt: str
    rule: str
    reason: str
    suggestion: str
    level: Level


@dataclass(frozen=True, slots=True)
class _Pattern:
    rule: str
    level: Level
    pattern: re.Pattern[str]
    reason: str
    suggestion: str
    in_quotes: bool = False  # also what somebody says


def _compile(words: str, *, case: bool = False) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w-])(?:{words})(?![\w-])", 0 if case else re.IGNORECASE)


_SPANS = "year|month|quarter|season|spring|summer|fall|autumn|winter"
_TIED_TO_A_TIME = ("it ties the tip to a particular time", "Use something that happens every week")
_PATTERNS = (
    _Pattern(
        "relative-time",
        Level.WARNING,
        _compile(
            rf"(?:this|these|the) past (?:few |couple of |two |three )?(?:{_SPANS}|week|day|weekend)s?"
            rf"|(?<!the )(?<!than )(?<!as )last (?:{_SPANS}|week|weekend|{'|'.join(MONTHS)})(?! of)"
            rf"|(?:earlier|later|so far) this (?:{_SPANS}|week)|a (?:few|couple of) (?:months|weeks|days) ago"
        ),
        "it is relative to the day it was written, but subscribers read it on another day",
        "Write “once” or “one winter,” or leave it out",
    ),
    _Pattern(
        "this-year",
        Level.NOTE,
        _compile(r"(?:this|next) (?:year|spring|summer|fall|autumn|winter)"),
        "the tip may run again in another year or season",
        "Leave the time out, or give the tip a season",
    ),
    _Pattern(
        "recency",
        Level.WARNING,
        _compile(
            r"a recent (?:[\w’'-]+ ){0,4}?(?:article|study|survey|report|poll|post|book|news)|recently|lately|nowadays|these days|as of late|in recent (?:years|months|weeks|times|days)"
            r"|the upcoming|just (?:released|published|came out)|in today['’]s (?:world|economy|market|climate|environment)"
        ),
        "it refers to the time of writing, which will have passed",
        "Leave it out, or give the reason instead",
    ),
    _Pattern(
        "currently",
        Level.NOTE,
        _compile(r"currently|(?<!the )upcoming|at present|state[- ]of[- ]the[- ]art|cutting[- ]edge"),
        "it may no longer be true when the tip runs again",
        "Leave it out if the sentence works without it",
    ),
    _Pattern(
        "event",
        Level.WARNING,
        _compile(
            r"(?:the |this )?(?:presidential|midterm|general|upcoming) elections?|election (?:season|year)|inauguration"
            r"|COVID(?:-19)?|coronavirus|(?:the )?pandemic|lockdown|the recession"
        ),
        *_TIED_TO_A_TIME,
    ),
    _Pattern(
        "event",
        Level.NOTE,
        _compile(
            r"(?:(?:the|winter|summer) )?Olympics?(?: Games)?|(?:the )?World Cup|(?:the )?Super Bowl|(?:the )?World Series"
            r"|March Madness|elections?"
        ),
        *_TIED_TO_A_TIME,
    ),
    _Pattern(
        "price",
        Level.NOTE,
        re.compile(
            r"(?:US)?[$€£]\s?\d[\d.,]*\d?(?:\s?(?:million|billion|k|K)\b)?|\b\d[\d.,]*\s?(?:dollars|euros|pounds sterling|USD|EUR)\b"
        ),
        "prices change, and currencies differ between countries",
        "Write what it means: “a week’s wages,” “as much as the repair”",
    ),
    _Pattern(
        "technology",
        Level.NOTE,
        _compile(
            r"fax(?:es|ed)?(?: machines?)?|pagers?|floppy disks?|CD-ROMs?|DVDs?|VHS|VCR|answering machines?|phone ?books?|Yellow Pages|beepers?"
            r"|BlackBerr(?:y|ies)|iPods?|iPhone \d+|Palm ?Pilots?|MySpace|Google\+|Skype|Windows (?:XP|Vista|\d+)|Twitter|tweet(?:s|ed)?|smart phones?|ChatGPT"
        ),
        "this technology or brand will age faster than the tip",
        "Write what it is for: “the message,” “the phone,” “the chat”",
    ),
    _Pattern(
        "placeholder",
        Level.ERROR,
        re.compile(
            r"\{\{[^{}\n]{0,80}\}\}|\{%[^%\n]{0,80}%\}|\b(?:TODO|FIXME|TBD|XXX+)\b|\blorem ipsum\b|\[(?:insert|your|name|company|date|link|first name|todo)[^\]\n]{0,40}\](?![(\[])",
            re.IGNORECASE,
        ),
        "it is a placeholder that was never filled in",
        "Fill it in or delete it",
        in_quotes=True,
    ),
    _Pattern(
        "shouting",
        Level.WARNING,
        re.compile(r"\b[A-Z]{2,}(?:[ ,'’-]+[A-Z]{2,}){2,}\b"),
        "words in all caps read as shouting, and spam filters count them",
        "Write it in lowercase, or *emphasize* one word",
        in_quotes=True,
    ),
    _Pattern(
        "image-alt",
        Level.WARNING,
        re.compile(
            r"!\[\s*\](?:\(|\[)[^)\n]*|<img\b(?![^>]{0,2000}\balt\s*=\s*[\"'][^\"'>]{0,500}\w)[^>]{0,2000}>",
            re.IGNORECASE,
        ),
        "anyone who does not load or cannot see images gets nothing",
        "Describe the image in the square brackets: ![a queue of three people](…)",
        in_quotes=True,
    ),
)
_BARE_URL = re.compile(r"(?<![(<\[\w/\"'=])(?:https?://|www\.)[^\s<>)\]]+")
_YEAR = re.compile(r"(?<![\w$€£#./-])(?:19|20)\d\d(?![\w%]|[.,/-]\d)")
_URL = re.compile(r"\b(?:https?://|www\.|mailto:)[^\s<>)\]]+")
_QUOTED = re.compile(r"“[^”\n]*(?:”|$)|\"[^\"\n]*\"|^>.*$", re.MULTILINE)
_HOLIDAY_WORDS = {
    "Christmas": r"Christmas|Xmas|Advent|Santa(?: Claus)?|(?i:(?:the )?holiday season|happy holidays)",
    "New Year's Day": r"New Year['’]?s?(?: (?:Day|Eve|resolutions?))?",
    "US Thanksgiving": r"Thanksgiving|Black Friday|Cyber Monday",
    "Easter": r"Easter|Good Friday|Lent",
    "Halloween": r"Halloween",
    "Valentine's Day": r"Valentine['’]?s(?: Day)?",
}
_HOLIDAYS = {name: _compile(words, case=True) for name, words in _HOLIDAY_WORDS.items()}
_GREETING = re.compile(r"(?:happy|merry|this|this year['’]s|the coming|the upcoming)\W+\Z", re.IGNORECASE)


def lint(
    tip: TipText, *, today: date, season: Rule | None = None, library: SimilarityIndex | None = None, key: str = ""
) -> list[Finding]:
    """What an editor would mark, in the order of the text. library: the others, to find doubles; `key` is the tip's own."""
    found = [*_shape(tip), *_duplicates(tip, library, key)]
    for part, text in (("title", tip.title), ("takeaway", tip.takeaway), ("body", tip.body)):
        found += _PartLinter(part, text, today, season).findings()
    order = ("title", "takeaway", "body")
    return sorted(found, key=lambda finding: (order.index(finding.part), finding.line))


class _PartLinter:
    """One part of a tip, read with every rule."""

    def __init__(self, part: str, text: str, today: date, season: Rule | None) -> None:
        self._part = part
        self._text = text
        self._today = today
        self._season = season
        self._bare = _masked(_URL, text)
        self._outside_quotes = _masked(_QUOTED, self._bare)

    def findings(self) -> Iterator[Finding]:
        """All of them, in no order."""
        marked: set[tuple[str, int]] = set()
        for pattern in _PATTERNS:
            for found in pattern.pattern.finditer(self._bare if pattern.in_quotes else self._outside_quotes):
                if (pattern.rule, found.end()) not in marked and not self._is_title_year(found):
                    marked.add((pattern.rule, found.end()))
                    yield self._finding(found, pattern.rule, pattern.level, pattern.reason, pattern.suggestion)
        yield from self._years()
        yield from self._holidays()
        yield from self._urls()

    def _is_title_year(self, found: re.Match[str]) -> bool:
        return self._part == "title" and re.fullmatch(r"\{\{\s*year\s*\}\}", found[0]) is not None

    def _years(self) -> Iterator[Finding]:
        reason, suggestion = "a year shows how old the tip is", "Leave it out, or write {{ year }} in a seasonal title"
        for found in _YEAR.finditer(self._bare):
            if abs(int(found[0]) - self._today.year) <= _RECENT_YEARS:
                told = self._outside_quotes[found.start()] != " "
                yield self._finding(found, "year", Level.WARNING if told else Level.NOTE, reason, suggestion)

    def _holidays(self) -> Iterator[Finding]:
        for name, pattern in _HOLIDAYS.items():
            if self._season and _is_near(self._season, name, self._today.year):
                continue
            for found in pattern.finditer(self._outside_quotes):
                greets = self._part == "title" or _GREETING.search(
                    self._outside_quotes[max(found.start() - 20, 0) : found.start()]
                )
                reason = f"the tip can also be sent far from {name}"
                suggestion = "Give the tip a season, or use something that happens every week"
                yield self._finding(found, "season", Level.WARNING if greets else Level.NOTE, reason, suggestion)

    def _urls(self) -> Iterator[Finding]:
        for found in _BARE_URL.finditer(self._text):
            reason, suggestion = (
                "a bare URL breaks across lines and tells the subscriber nothing",
                "Write [what is there](the URL)",
            )
            yield self._finding(found, "bare-url", Level.NOTE, reason, suggestion)

    def _finding(self, found: re.Match[str], rule: str, level: Level, reason: str, suggestion: str) -> Finding:
        line = self._text.count("\n", 0, found.start()) + 1
        return Finding(self._part, line, _excerpt(self._text, *found.span()), rule, reason, suggestion, level)


def _shape(tip: TipText) -> Iterator[Finding]:
    """What is wrong with a tip as a whole."""
    if len(tip.title) > MAX_SUBJECT:
        reason = (
            f"the title is the subject line, and a phone shows about {MAX_SUBJECT} of its {len(tip.title)} characters"
        )
        yield Finding(
            "title",
            1,
            tip.title[:80],
            "subject-length",
            reason,
            "Shorten it and put the main point first",
            Level.WARNING,
        )
    letters = [character for character in tip.title if character.isalpha()]
    shouts = len(letters) > 8 and all(character.isupper() for character in letters) and len(tip.title.split()) < 3
    if "!!" in tip.title or shouts:  # three words in capitals are found wherever they stand
        reason, suggestion = (
            "the subject line shouts, and spam filters count that",
            "Write it in lowercase, with at most one exclamation point",
        )
        yield Finding("title", 1, tip.title[:80], "shouting", reason, suggestion, Level.WARNING)
    if not tip.takeaway.strip():
        reason = "the email has no sentence for people who read nothing else"
        yield Finding("takeaway", 1, "", "takeaway", reason, "Write in one sentence what to do", Level.NOTE)
    yield from _length(tip)


def _length(tip: TipText) -> Iterator[Finding]:
    words = len(tip.body.split())
    if words > MAX_WORDS:
        reason, suggestion = f"{words} words take more than five minutes to read", "Split it into two parts of a series"
        yield Finding("body", 1, _excerpt(tip.body, 0, 0), "length", reason, suggestion, Level.WARNING)
    elif tip.complete and words < MIN_WORDS:
        reason = f"only {words} words" if words else "there is no text"
        yield Finding(
            "body", 1, _excerpt(tip.body, 0, 0), "length", reason, "Check that nothing is missing", Level.WARNING
        )


def _duplicates(tip: TipText, library: SimilarityIndex | None, key: str) -> Iterator[Finding]:
    for similar_to in library.similar_to(tip, key) if library else ():
        reason = f"it shares {similar_to.shared} with “{similar_to.title}” ({similar_to.key})"
        yield Finding("title", 1, tip.title[:80], "near-duplicate", reason, "Retire one of the two", Level.WARNING)


def _is_near(season: Rule, holiday: str, year: int) -> bool:
    """Does the tip run within six weeks of this day? Which weekday it goes out on makes no difference to that."""
    slot = season.slot_in(season.year or year, weekday := 1) or season.next_slot(date(year, 1, 1), weekday)
    return slot is not None and any(
        abs(slot - HOLIDAYS[holiday](slot.year + step)) <= _NEAR_HOLIDAY for step in (-1, 0, 1)
    )


def _masked(pattern: re.Pattern[str], text: str) -> str:
    """The text with every match blanked out, so that all places stay where they are."""
    return pattern.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)


def _excerpt(text: str, start: int, end: int) -> str:
    """The words meant with some around them, on one line."""
    left, right = text.rfind("\n", 0, start) + 1, text.find("\n", end)
    right = len(text) if right < 0 else right
    first = left if start - left <= 30 else text.rfind(" ", left, start - 20) + 1 or start - 30
    last = right if right - end <= 40 else text.find(" ", end + 20, right)
    last = end + 40 if last < 0 or last - end > 60 else last
    words = " ".join(text[first:last].split())
    return ("…" if first > left else "") + words + ("…" if last < right else "")
