"""Lint a tip as an editor would: mark what will read wrong in two years, and what is bad for delivery.

Quotations belong to a story and may be as old as the story is, so most rules skip them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from newsletter.domain.slot_days import TUESDAYS
from newsletter.domain.tips.lint_patterns import PATTERNS, Level, compile_words
from newsletter.domain.tips.pictures import CODE
from newsletter.domain.tips.season_rule import HOLIDAYS, Rule
from newsletter.domain.tips.similarity import SimilarityIndex
from newsletter.domain.tips.tip import MAX_SUBJECT, TipText

__all__ = ["Finding", "Level", "lint"]

MAX_WORDS, MIN_WORDS = 900, 60
_NEAR_HOLIDAY = timedelta(days=45)
_RECENT_YEARS = 12
"""An earlier year is history, which stays true; a year nearer to now shows the age of the tip."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem in a tip, with a suggestion how to fix it.

    part: title, preview, takeaway, or body. line: within that part, from 1. excerpt: the words in question with their context.
    rule: the name of the rule, which stays the same in every language.
    """

    part: str
    line: int
    excerpt: str
    rule: str
    reason: str
    suggestion: str
    level: Level


_BARE_URL = re.compile(r"(?<![(<\[\w/\"'=])(?:https?://|www\.)[^\s<>)\]]+")
# Four digits in an amount, a number, a date, or a path are not read as a year.
_YEAR = re.compile(r"(?<![\w$€£#./-])(?:19|20)\d\d(?![\w%]|[.,/-]\d)")
_URL = re.compile(r"\b(?:https?://|www\.|mailto:)[^\s<>)\]]+")
# Quotation marks and block quotes; an unclosed mark ends with the line.
_QUOTED = re.compile(r"“[^”\n]*(?:”|$)|\"[^\"\n]*\"|^>.*$", re.MULTILINE)
_HOLIDAY_WORDS = {
    "Christmas": r"Christmas|Xmas|Advent|Santa(?: Claus)?|(?i:(?:the )?holiday season|happy holidays)",
    "New Year's Day": r"New Year['’]?s?(?: (?:Day|Eve|resolutions?))?",
    "US Thanksgiving": r"Thanksgiving|Black Friday|Cyber Monday",
    "Easter": r"Easter|Good Friday|Lent",
    "Halloween": r"Halloween",
    "Valentine's Day": r"Valentine['’]?s(?: Day)?",
}
_HOLIDAYS = {name: compile_words(words, case=True) for name, words in _HOLIDAY_WORDS.items()}
_GREETING = re.compile(r"(?:happy|merry|this|this year['’]s|the coming|the upcoming)\W+\Z", re.IGNORECASE)


def lint(
    tip: TipText, *, today: date, season: Rule | None = None, library: SimilarityIndex | None = None, key: str = ""
) -> list[Finding]:
    """The findings in a tip, in the order of its text.

    today: in the time zone of the newsletter. season: the tip's own, which may name its holiday.
    library: all tips, to find duplicates; key: the tip's own key in it.
    """
    found = [*_shape(tip), *_duplicates(tip, library, key)]
    parts = (("title", tip.title), ("preview", tip.preview), ("takeaway", tip.takeaway), ("body", tip.body))
    for part, text in parts:
        found += _PartLinter(part, text, today, season).findings()
    order = [part for part, _ in parts]
    return sorted(found, key=lambda finding: (order.index(finding.part), finding.line))


class _PartLinter:
    """Applies every rule to one part of a tip."""

    def __init__(self, part: str, text: str, today: date, season: Rule | None) -> None:
        self._part = part
        self._text = text
        self._today = today
        self._season = season
        # URLs are masked because the years and names in them are not read; their length keeps all positions right.
        self._without_code = _masked(CODE, text)
        self._without_urls = _masked(_URL, text)
        self._outside_quotes = _masked(_QUOTED, self._without_urls)

    def findings(self) -> Iterator[Finding]:
        """All findings, in no particular order."""
        marked: set[tuple[str, int]] = set()
        for pattern in PATTERNS:
            text = self._without_urls if pattern.in_quotes else self._outside_quotes
            for found in pattern.pattern.finditer(self._without_code if pattern.in_urls else text):
                # Two patterns of one rule may match at the same place: "the upcoming election" and "elections".
                if (pattern.rule, found.end()) not in marked and not self._is_title_year(found):
                    marked.add((pattern.rule, found.end()))
                    # A title shows code as it is, which its author may have wanted: "What <b> means".
                    level = Level.WARNING if pattern.rule == "html" and self._part != "body" else pattern.level
                    yield self._finding(found, pattern.rule, level, pattern.reason, pattern.suggestion)
        yield from self._years()
        yield from self._holidays()
        yield from self._urls()

    def _is_title_year(self, found: re.Match[str]) -> bool:
        return self._part == "title" and re.fullmatch(r"\{\{\s*year\s*\}\}", found[0]) is not None

    def _years(self) -> Iterator[Finding]:
        reason, suggestion = "a year shows how old the tip is", "Leave it out, or write {{ year }} in a seasonal title"
        for found in _YEAR.finditer(self._without_urls):
            if abs(int(found[0]) - self._today.year) <= _RECENT_YEARS:
                is_quoted = self._outside_quotes[found.start()] == " "
                yield self._finding(found, "year", Level.NOTE if is_quoted else Level.WARNING, reason, suggestion)

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
    """Check the tip as a whole: its subject and its takeaway."""
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
    if "!!" in tip.title or shouts:  # the rule "shouting" finds three words in capitals
        reason, suggestion = (
            "the subject line shouts, and spam filters count that",
            "Write it in lowercase, with at most one exclamation point",
        )
        yield Finding("title", 1, tip.title[:80], "shouting", reason, suggestion, Level.WARNING)
    if not tip.takeaway.strip():
        reason = "the tip has no takeaway for people who read nothing else"
        yield Finding(
            "takeaway", 1, "", "takeaway", reason, "Write a takeaway: one sentence that says what to do", Level.NOTE
        )
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
    for similar in library.similar_to(tip, key) if library else ():
        reason = f"it shares {similar.shared} with “{similar.title}” ({similar.key})"
        yield Finding("title", 1, tip.title[:80], "near-duplicate", reason, "Retire one of the two", Level.WARNING)


def _is_near(season: Rule, holiday: str, year: int) -> bool:
    """Is the tip sent within 45 days of this holiday? The weekday of the newsletter makes no difference to that."""
    # Any weekday will do: it moves the slot by six days at most.
    slot = season.slot_in(season.year or year, TUESDAYS) or season.next_slot(date(year, 1, 1), TUESDAYS)
    return slot is not None and any(
        abs(slot - HOLIDAYS[holiday](slot.year + step)) <= _NEAR_HOLIDAY for step in (-1, 0, 1)
    )


def _masked(pattern: re.Pattern[str], text: str) -> str:
    """The text with every match replaced by spaces, so that all positions stay the same."""
    return pattern.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)


def _excerpt(text: str, start: int, end: int) -> str:
    """The words between two positions with some context, on one line."""
    left, right = text.rfind("\n", 0, start) + 1, text.find("\n", end)
    right = len(text) if right < 0 else right
    first = left if start - left <= 30 else text.rfind(" ", left, start - 20) + 1 or start - 30
    last = right if right - end <= 40 else text.find(" ", end + 20, right)
    last = end + 40 if last < 0 or last - end > 60 else last
    words = " ".join(text[first:last].split())
    return ("…" if first > left else "") + words + ("…" if last < right else "")
