"""How fast letters may go: sliding windows over what went already; reads no clock and sends nothing."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

NO_LIMIT = 1 << 30


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` letters in any `window`; `per_domain`: counted apart for each recipient domain."""

    count: int
    window: timedelta
    per_domain: bool = False


class RateLimiter:
    """What the rates allow now. Seeded from the ledger, so that a restart forgets nothing.

    Times are aware. `took` counts a letter at its claim: what comes back unsent has used its turn.
    longest: how far back the past matters; zero without any rate.
    """

    def __init__(self, rates: Sequence[Rate]) -> None:
        self._windows = [(rate, deque[datetime]()) for rate in rates if not rate.per_domain]
        self._domain_rates = [rate for rate in rates if rate.per_domain]
        self.longest_window = max((rate.window for rate in rates), default=timedelta())
        self._domains: dict[str, list[tuple[Rate, deque[datetime]]]] = defaultdict(
            lambda: [(rate, deque()) for rate in self._domain_rates]
        )

    def seed(self, past: Iterable[tuple[datetime, str]]) -> None:
        """(when, recipient domain) of letters that went before, oldest first."""
        for at, domain in past:
            self.record_claim(at, domain)

    def record_claim(self, at: datetime, domain: str) -> None:
        """One letter was claimed."""
        for _, times in self._windows:
            times.append(at)
        if self._domain_rates:
            for _, times in self._domains[domain]:
                times.append(at)

    def allowed(self, now: datetime) -> int:
        """How many letters may be claimed now, recipients aside."""
        room = NO_LIMIT
        for rate, times in self._windows:
            _forget(times, now - rate.window)
            room = min(room, rate.count - len(times))
        return max(0, room)

    def wait_for(self, now: datetime) -> timedelta:
        """How long until one more is allowed; zero when it is now."""
        return max((_until_room(rate, times, now) for rate, times in self._windows), default=timedelta())

    def domain_wait(self, domain: str, now: datetime) -> timedelta:
        """How long a letter to this domain has to wait; zero: it may go. A wait takes the place it waits for."""
        if not self._domain_rates:
            return timedelta()
        windows = self._domains[domain]
        wait = max(_until_room(rate, times, now) for rate, times in windows)
        if wait:
            for _, times in windows:
                times.append(now + wait)
        return wait


def _forget(times: deque[datetime], before: datetime) -> None:
    while times and times[0] <= before:
        times.popleft()


def _until_room(rate: Rate, times: deque[datetime], now: datetime) -> timedelta:
    _forget(times, now - rate.window)
    if len(times) < rate.count:
        return timedelta()
    return times[-rate.count] + rate.window - now
