"""The values the calendar is planned with: tips and their rules, the owner's policy and skips, and a choice."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import StrEnum

from newsletter.domain.calendar.course import CourseRules, Places
from newsletter.domain.english import plural
from newsletter.domain.errors import NotFound, UsageError
from newsletter.domain.slot_days import TUESDAYS, SlotDays
from newsletter.domain.tips.names import find_key
from newsletter.domain.tips.rerun_rule import Rerun
from newsletter.domain.tips.season_rule import Rule, in_words, title_on
from newsletter.domain.tips.tip import TipState

_NO_RULE = Rerun()


class Kind(StrEnum):
    """Why a tip was chosen. `choose` tries them in this order."""

    SKIPPED = "skipped"  # the owner skipped this date
    PINNED = "pinned"
    SEASONAL = "seasonal"
    SERIES = "series"  # the next part of a series that has begun
    FRESH = "fresh"  # the next tip in the queue
    COURSE = "course"  # each subscriber gets their next tip; in a course, in place of all kinds from SERIES to PROBLEM
    RERUN = "rerun"
    FALLBACK = "fallback"
    PROBLEM = "problem"  # only a tip is left that cannot be sent before it is fixed
    NONE = "none"  # there is no tip to send


@dataclass(frozen=True, slots=True)
class TipPlan:
    """A tip as the calendar sees it.

    position: its place in the queue. complete: it has a body, not only a teaser. runs: the dates it was sent, oldest first;
    one date from before this system may be among them. months: the months it may run in (1 is January); empty for all. pin:
    the slot the owner pinned it to, or with pin_at the day of an extra issue that goes out at that moment (aware).
    fallback: it may be sent when no other tip is left. starter: it came with the program. problem: why no email can be made
    of it, or ""; it keeps its place, and others are sent until it is fixed.
    """

    key: str
    title: str
    position: int
    complete: bool = True
    state: TipState = TipState.FRESH
    season: Rule | None = None
    series: str = ""
    part: int = 0
    pin: date | None = None
    pin_at: datetime | None = None
    rerun: Rerun = _NO_RULE
    months: frozenset[int] = frozenset()
    fallback: bool = False
    runs: tuple[date, ...] = ()
    starter: bool = False
    problem: str = ""

    @property
    def is_fresh(self) -> bool:
        """Is it waiting for its first run in this system?"""
        return self.is_sendable and self.state is TipState.FRESH

    @property
    def is_sendable(self) -> bool:
        """Is it complete, not retired, and without a problem?"""
        return self.complete and self.state is not TipState.RETIRED and not self.problem

    @property
    def waits_for_repair(self) -> bool:
        """Would it be in the queue if it had no problem?"""
        return self.complete and self.state is TipState.FRESH and bool(self.problem)

    def is_in_season(self, slot: date, days: SlotDays) -> bool:
        """May it run in this slot, as far as its season and its months say?"""
        if self.season:
            return self.season.matches(slot, days)
        return not self.months or slot.month in self.months

    @property
    def last_run(self) -> date:
        """The date of the last run; date.min when it never ran, or ran on an unknown date."""
        return self.runs[-1] if self.runs else date.min

    def sent_on(self, slot: date) -> TipPlan:
        """The tip after a run in this slot."""
        state = self.state if self.state is TipState.RETIRED else TipState.SENT
        return replace(self, state=state, runs=tuple(sorted((*self.runs, slot))))

    def title_on(self, slot: date) -> str:
        """The title with its `{{ year }}` filled in: the season's year, or else the slot's."""
        return title_on(self.title, self.season, slot)


@dataclass(frozen=True, slots=True)
class Policy:
    """The newsletter's rules for tips without a rule of their own.

    rerun_after: how long a tip rests between two runs; None: no tip runs again. fallback_rest: how long a fallback rests, so
    that nobody gets the same tip two weeks in a row. unseen: a tip runs again only for subscribers who have not received it.
    """

    rerun_after: timedelta | None = timedelta(days=548)
    fallback_rest: timedelta = timedelta(weeks=4)
    unseen: bool = False

    def rest_of(self, tip: TipPlan) -> timedelta | None:
        """How long this tip rests between two runs; None when it never runs again."""
        if tip.rerun.never:
            return None
        return tip.rerun.after if tip.rerun.after is not None else self.rerun_after

    def is_for_unseen(self, tip: TipPlan) -> bool:
        """Is its next run a re-run, only for subscribers who have not received it?"""
        wanted = self.unseen if tip.rerun.unseen is None else tip.rerun.unseen
        return wanted and tip.state is not TipState.FRESH


@dataclass(frozen=True, slots=True)
class Choice:
    """What goes out in one slot: the key of a tip or None, and the reason as a clause for the owner.

    unseen: only subscribers who have not received the tip get it; the others get a substitute (see `substitutes`).
    shares: of a course, how many subscribers get which tip; `tip` is the one that most of them get.
    """

    tip: str | None
    kind: Kind
    reason: str
    unseen: bool = False
    shares: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything a forecast depends on.

    skips: the skipped slots, each with the owner's reason, which may be empty. days: the days that have slots. course, places:
    of a course, its rules, and where its subscribers are.
    """

    tips: tuple[TipPlan, ...]
    policy: Policy = Policy()
    skips: Mapping[date, str] = field(default_factory=dict)
    days: SlotDays = TUESDAYS
    course: CourseRules | None = None
    places: Places = field(default_factory=dict)

    def with_change(self, change: str, read_day: Callable[[str], date] | None = None) -> Plan:
        """The plan as it would be if the owner made this change. Raises UsageError, and NotFound for an unknown tip.

        One of `skip DATE [REASON]`, `unskip DATE`, `pin KEY DATE`, `unpin KEY`, `retire KEY`, `unseen KEY`. read_day: reads
        a date as people write it, or raises UsageError; without it, dates are ISO.
        """
        read_day = read_day or _iso_day
        match change.split():
            case ["skip", _, *_]:
                day, reason = _day_and_reason(change.split()[1:], read_day)
                return replace(self, skips={**self.skips, day: reason})
            case ["unskip", *day]:
                gone = read_day(" ".join(day))
                return replace(self, skips={slot: why for slot, why in self.skips.items() if slot != gone})
            case ["pin", _, _, *_]:
                tip, when = self._name_and_day(change.split()[1:])
                return self._with(tip, pin=read_day(when), pin_at=None)
            case ["unpin", *name] if name:
                return self._with(" ".join(name), pin=None, pin_at=None)
            case ["retire", *name] if name:
                return self._with(" ".join(name), state=TipState.RETIRED)
            case ["unseen", *name] if name:
                key = self._key(" ".join(name))
                rule = next((tip.rerun for tip in self.tips if tip.key == key), _NO_RULE)
                return self._with(" ".join(name), rerun=replace(rule, unseen=True))
        raise UsageError(
            f"{change[:80]!r} is not a change to the calendar",
            fix='Write "skip 2026-12-29", "unskip 2026-12-29", "pin KEY 2026-12-22", "unpin KEY", "retire KEY", or "unseen KEY"',
        )

    def _key(self, name: str) -> str | None:
        return find_key(name, {tip.key: tip.title for tip in self.tips})

    def _name_and_day(self, words: Sequence[str]) -> tuple[str, str]:
        """The longest beginning that is a key or a title, or else the first word, and the words after it."""
        lengths = range(len(words) - 1, 0, -1)
        length = next((length for length in lengths if self._key(" ".join(words[:length]))), 1)
        return " ".join(words[:length]), " ".join(words[length:])

    def _with(self, name: str, **change: datetime | date | TipState | Rerun | None) -> Plan:
        key = self._key(name)
        if key is None:
            raise NotFound(f"there is no tip {name[:80]!r}", fix="See: newsletter tips list")
        return replace(self, tips=tuple(replace(tip, **change) if tip.key == key else tip for tip in self.tips))  # type: ignore[arg-type]


def _iso_day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text[:40]!r} is not a date", fix="Write it as 2026-12-29") from None


def _day_and_reason(words: Sequence[str], read_day: Callable[[str], date]) -> tuple[date, str]:
    """The longest beginning that is a date, and the words after it."""
    for length in range(len(words), 1, -1):
        with suppress(UsageError):
            return read_day(" ".join(words[:length])), " ".join(words[length:])
    return read_day(words[0]), " ".join(words[1:])


def ago(earlier: date, later: date) -> str:
    """The time between two dates in words: 3 weeks ago, 18 months ago, 2 years ago."""
    days = (later - earlier).days
    months = round(days / (365.25 / 12))
    if months < 2:
        count, unit = max(days // 7, 1), "week"
    else:
        count, unit = (months // 12, "year") if months % 12 == 0 else (months, "month")
    return f"{plural(count, unit)} ago"


def last_sent(tip: TipPlan, slot: date) -> str:
    """When a tip was last sent, in words."""
    if not tip.runs:
        return "it ran before it was imported"
    return f"last sent {in_words(tip.last_run)}, {ago(tip.last_run, slot)}"
