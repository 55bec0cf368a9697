"""Queue an email to the owner, once for each thing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from newsletter.domain.calendar.forecast import ForecastSlot
from newsletter.domain.lists import FIRST_LIST
from newsletter.ports.store import Tx


def notify(
    tx: Tx,
    what: str,
    about: str,
    owner: Sequence[str],
    values: Mapping[str, object],
    now: datetime,
    *,
    kind: str = "alert",
) -> int:
    """Queue an email unless the owner was notified of this already; how many were queued. what, about: the two keys."""
    if not tx.calendar.mark_notified(what, about, now):
        return 0
    return add(tx, owner, values, now, kind)


def add(tx: Tx, owner: Sequence[str], values: Mapping[str, object], now: datetime, kind: str = "alert") -> int:
    """Queue an email to each owner; how many. It looks like an email of its list, so its subject names the list."""
    if tx.list_id != FIRST_LIST:
        values = {**values, "list": tx.list_id}
    for address in owner:
        tx.transactional.add(kind, address, values, now)
    return len(owner)


def alert_values(headline: str, lines: Sequence[str], next_step: str) -> Mapping[str, object]:
    """The values of the `alert` template."""
    return {"headline": headline, "lines": list(lines), "next_step": next_step}


def calendar_line(line: ForecastSlot) -> Mapping[str, str]:
    """A slot of the calendar, as the emails to the owner show it."""
    return {"date": line.date.isoformat(), "title": line.title, "reason": line.reason}
