"""What a library knows about a tip beside its text, and what of it a file may change.

A file can take a tip out of the queue, never put it back: an export that is older than the last issue, or that somebody
has edited, must not send a tip twice. Only in a library that has sent nothing yet, a file also gives order and pins.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime, timedelta

from newsletter.domain.tips.tip import TipHistory, TipState

EARLIEST = date(1970, 1, 2)
_WAITS = (TipState.FRESH, TipState.ARCHIVE)


def consistent(history: TipHistory) -> TipHistory:
    """The history as an export writes it: a tip that ran is not in the queue, and a pin that it has run for is over."""
    days = tuple(sorted(set(history.sent)))
    state = TipState.SENT if days and history.state in _WAITS else history.state
    done = history.pin is not None and any(day >= history.pin for day in days)
    pin, pin_at = (None, None) if done else (history.pin, history.pin_at)
    retired_from = history.retired_from if state is TipState.RETIRED else None
    if retired_from in _WAITS and days:
        retired_from = TipState.SENT
    return replace(history, state=state, sent=days, pin=pin, pin_at=pin_at, retired_from=retired_from)


def problem(history: TipHistory, today: date | None = None) -> tuple[str, str]:
    """(key of the front matter, what is wrong with it and the fix); two empty texts if the history can be true.

    today: in UTC, if it is known.
    """
    latest = today + timedelta(days=1) if today else date.max  # it may be tomorrow in the newsletter's zone
    sent, is_sent = history.sent, bool(history.sent)
    checks = (
        (
            is_sent and history.state in _WAITS,
            "state",
            f"a tip that was sent is not {history.state}; write state: sent, or remove the days of sent",
        ),
        (
            history.state is TipState.SENT and not is_sent,
            "state",
            "a tip that was sent needs the days; add a line such as sent: [2026-03-03]",
        ),
        (is_sent and min(sent, default=EARLIEST) < EARLIEST, "sent", "a day of sent is before 1970; correct it"),
        (max(sent, default=EARLIEST) > latest, "sent", "a day of sent is in the future; correct it, or use pin"),
        (
            history.retired_from is not None and history.state is not TipState.RETIRED,
            "retired_from",
            "only a retired tip has retired_from; remove the line",
        ),
        (
            history.pin_at is not None and history.pin is None,
            "pin_at",
            "pin_at needs the date too; add a line such as pin: 2026-12-22",
        ),
    )
    return next(((key, reason) for is_wrong, key, reason in checks if is_wrong), ("", ""))


def of_new_tip(history: TipHistory, *, queue: bool) -> TipHistory:
    """The history of a tip that was not in the library. queue: tips of the archive are queued."""
    state = TipState.FRESH if queue and history.state is TipState.ARCHIVE else history.state
    return consistent(replace(history, state=state))


def joined(mine: TipHistory, given: TipHistory, *, is_new_library: bool) -> TipHistory:
    """The history of a tip that is in the library, after the import of a file that says something about it."""
    days = tuple(sorted({*mine.sent, *given.sent}))
    state, retired_from = mine.state, mine.retired_from
    if given.state is TipState.RETIRED and state is not TipState.RETIRED:
        state, retired_from = TipState.RETIRED, (given.retired_from if is_new_library else None) or mine.state
    elif is_new_library and given.state is TipState.ARCHIVE and state is TipState.FRESH:
        state = TipState.ARCHIVE
    has_votes = mine.useful or mine.not_useful
    useful, not_useful = (mine.useful, mine.not_useful) if has_votes else (given.useful, given.not_useful)
    takes_pin = is_new_library and mine.pin is None
    return consistent(
        replace(
            mine,
            state=state,
            retired_from=retired_from,
            sent=days,
            pin=given.pin if takes_pin else mine.pin,
            pin_at=given.pin_at if takes_pin else mine.pin_at,
            former_keys=tuple(dict.fromkeys((*mine.former_keys, *given.former_keys))),
            useful=useful,
            not_useful=not_useful,
        )
    )


def open_pin(history: TipHistory, taken: Iterable[tuple[date, datetime | None]], now: datetime) -> str:
    """Why the pin of a file cannot be kept; "" if it can, or if there is none. taken: the pins of other tips."""
    if history.pin is None:
        return ""
    if (history.pin, history.pin_at) in set(taken):
        return "another tip is pinned to that date"
    if history.pin_at and history.pin_at <= now:
        return "its time is over"
    if history.sent and history.pin < now.date():
        return "its date is over"
    return ""
