"""The forecast: play the choice of a tip forward over many slots, measure the runway, and write an iCalendar file (RFC 5545)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import takewhile

from newsletter.domain.calendar.choose import TipChooser
from newsletter.domain.calendar.plan import Choice, Kind, Plan
from newsletter.domain.english import plural
from newsletter.domain.slot_days import WEEK, SlotDays, slots_from
from newsletter.domain.tips.season_rule import in_words

WARN_AT = (8, 4, 2)
"""Weeks of fresh tips left at which the owner is warned."""
HORIZON = 520
"""Weeks that a runway looks ahead: ten years."""
_NOT_FRESH = (Kind.RERUN, Kind.FALLBACK, Kind.PROBLEM, Kind.NONE)


@dataclass(frozen=True, slots=True)
class ForecastSlot:
    """One line of the calendar. tip, kind, reason, unseen, shares: as in `plan.Choice`.

    title: with its year filled in; "" without a tip. skip_reason: what the owner wrote; None for a slot that is not skipped.
    starter: the tip came with the program.
    at: when an extra issue goes out (aware), which is no slot; None for a slot.
    """

    date: date
    tip: str | None
    title: str
    kind: Kind
    reason: str
    skip_reason: str | None = None
    unseen: bool = False
    starter: bool = False
    at: datetime | None = None
    shares: tuple[tuple[str, int], ...] = ()


def slots_within(first: date, weeks: int, days: SlotDays) -> Iterator[date]:
    """The slots of the `weeks` weeks that begin with the slot `first`."""
    return takewhile(lambda slot: slot < first + weeks * WEEK, slots_from(first, days))


def forecast(slots: Iterable[date], plan: Plan) -> list[ForecastSlot]:
    """What goes out in these slots, and in extra issues between them, if nothing is changed. slots: in ascending order."""
    return list(_play(TipChooser(plan), slots))


def played_until(slot: date, slots: Iterable[date], plan: Plan) -> TipChooser:
    """The chooser as it will be when this slot comes; `why_not` needs it."""
    chooser = TipChooser(plan)
    for _line in _play(chooser, (day for day in slots if day < slot)):
        pass
    return chooser


def _play(chooser: TipChooser, slots: Iterable[date]) -> Iterator[ForecastSlot]:
    extras = sorted(
        (tip.pin, tip.pin_at, tip.key) for tip in chooser.tips.values() if tip.pin and tip.pin_at and tip.is_sendable
    )
    for slot in slots:
        while extras and extras[0][0] < slot:
            day, at, key = extras.pop(0)
            chooser.record(day, key)
            tip = chooser.tips[key]
            reason = "an extra issue, pinned to this time"
            yield ForecastSlot(day, key, tip.title_on(day), Kind.PINNED, reason, starter=tip.starter, at=at)
        choice = chooser.choose(slot)
        if choice.kind is Kind.COURSE:
            chooser.record_course(slot)
        elif choice.tip is not None:
            chooser.record(slot, choice.tip)
        yield _line(slot, choice, chooser)


def _line(slot: date, choice: Choice, chooser: TipChooser) -> ForecastSlot:
    title = chooser.tips[choice.tip].title_on(slot) if choice.tip else ""
    skipped = chooser.skips.get(slot)
    starter = choice.tip is not None and chooser.tips[choice.tip].starter
    return ForecastSlot(
        slot, choice.tip, title, choice.kind, choice.reason, skipped, choice.unseen, starter, shares=choice.shares
    )


def changes(before: Sequence[ForecastSlot], after: Sequence[ForecastSlot]) -> list[tuple[ForecastSlot, ForecastSlot]]:
    """The slots in which two forecasts differ in the tip or its audience, as pairs. before, after: of the same slots."""
    slots = ([line for line in lines if line.at is None] for lines in (before, after))
    return [(old, new) for old, new in zip(*slots, strict=True) if _what(old) != _what(new)]


def _what(line: ForecastSlot) -> tuple[object, ...]:
    return line.tip, line.kind, line.unseen, line.shares


# -- runway ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Runway:
    """How long the library lasts, in weeks from the first slot of a forecast; a week that has begun counts.

    fresh_weeks: until the first slot that needs a re-run or a fallback, or has no tip; skipped slots count as covered.
    fresh_until: the last slot before it; None when there is none. with_reruns: until the first slot without a tip; None
    when every slot of the forecast has one.
    """

    fresh_weeks: int
    fresh_until: date | None
    with_reruns: int | None

    @property
    def level(self) -> int | None:
        """The lowest threshold of WARN_AT that is reached, or None. The owner is warned when it changes."""
        return min((at for at in WARN_AT if self.fresh_weeks <= at), default=None)

    def warning(self) -> str:
        """A sentence for the owner; "" when no threshold is reached."""
        if self.level is None:
            return ""
        until = f", until {in_words(self.fresh_until)}" if self.fresh_until else ""
        left = (
            f"fresh tips are left for {plural(self.fresh_weeks, 'week')}{until}"
            if self.fresh_weeks
            else "no fresh tips are left"
        )
        if self.with_reruns is None:
            return f"{left}; then earlier tips run again"
        if self.with_reruns == self.fresh_weeks:
            return (
                f"{left}; then there is nothing to send"
                if self.fresh_weeks
                else f"{left}, and there is nothing to send"
            )
        return f"{left}; with reruns, there is something to send for {plural(self.with_reruns, 'week')}"


def runway(lines: Sequence[ForecastSlot]) -> Runway:
    """How far a forecast is covered. lines: of HORIZON weeks, where the runway of the newsletter is meant."""
    fresh = _covered(lines, _NOT_FRESH)
    empty = _covered(lines, (Kind.PROBLEM, Kind.NONE))
    until = lines[fresh - 1].date if fresh else None
    return Runway(_weeks(lines, fresh), until, None if empty == len(lines) else _weeks(lines, empty))


def _weeks(lines: Sequence[ForecastSlot], place: int) -> int:
    """The weeks from the first line to the one at this place; 0 for the first."""
    if place == len(lines):
        return _weeks(lines, place - 1) + 1 if lines else 0
    return -(-(lines[place].date - lines[0].date).days // WEEK.days)


def _covered(lines: Sequence[ForecastSlot], ending: tuple[Kind, ...]) -> int:
    return next((place for place, line in enumerate(lines) if line.kind in ending), len(lines))


# -- iCalendar (RFC 5545) ----------------------------------------------------------------------------


def ics(lines: Iterable[ForecastSlot], *, name: str, domain: str, stamp: datetime) -> str:
    """The forecast as an iCalendar file of all-day events, with CRLF line ends.

    Slots without a tip are included, because they need the owner's attention most. The UID depends on the slot alone, so that
    importing a later file updates the events in place (RFC 5545 section 3.8.4.7). stamp: aware, for DTSTAMP.
    """
    made = f"{stamp.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    rows = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Tip of the Week//Calendar//EN", "METHOD:PUBLISH"]
    rows.append(f"X-WR-CALNAME:{_text(name)}")
    for line in lines:
        rows += _event(line, domain, made)
    rows.append("END:VCALENDAR")
    return "".join(_folded(row) + "\r\n" for row in rows)


def _event(line: ForecastSlot, domain: str, made: str) -> list[str]:
    summary = (f"{line.title} (starter tip)" if line.starter else line.title) or (
        "No issue" if line.kind is Kind.SKIPPED else "No tip to send"
    )
    name, times = (
        f"slot-{line.date:%Y%m%d}",
        [
            f"DTSTART;VALUE=DATE:{line.date:%Y%m%d}",
            f"DTEND;VALUE=DATE:{line.date + timedelta(days=1):%Y%m%d}",
        ],
    )
    if line.at:
        at = f"{line.at.astimezone(UTC):%Y%m%dT%H%M%SZ}"
        name, times = f"extra-{at.lower()}", [f"DTSTART:{at}"]
    return [
        "BEGIN:VEVENT",
        f"UID:{name}@{domain}",
        f"DTSTAMP:{made}",
        *times,
        f"SUMMARY:{_text(summary)}",
        f"DESCRIPTION:{_text(line.reason)}",
        "TRANSP:TRANSPARENT",
        "END:VEVENT",
    ]


_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def _text(value: str) -> str:
    """Escape a text value (RFC 5545 section 3.3.11), which must not contain control characters."""
    value = _CONTROLS.sub("", value.replace("\r\n", "\n").replace("\r", "\n"))
    return value.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,").replace("\n", "\\n")


def _folded(row: str) -> str:
    """Fold into lines of at most 75 octets, never within a character (RFC 5545 section 3.1)."""
    lines, octets = [""], 0
    for character in row:
        size = len(character.encode())
        if octets + size > 75:
            lines.append(" ")
            octets = 1
        lines[-1] += character
        octets += size
    return "\r\n".join(lines)
