"""Rate limits: sliding windows over the emails that were claimed already."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

NO_LIMIT = 1 << 30


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` emails in any `window`; `per_domain`: for each recipient domain separately."""

    count: int
    window: timedelta
    per_domain: bool = False


class RateLimiter:
    """What the rates allow now. Seed it from the ledger, so that a restart forgets nothing.

    Times are aware. `record_claim` counts an email when it is claimed, even if it is requeued unsent.
    longest_window: how far back the past matters; zero without any rate.
    """

    def __init__(self, rates: Sequence[Rate]) -> None:
        self._windows = [(rate, deque[datetime]()) for rate in rates if not rate.per_domain]
        self._domain_rates = [rate for rate in rates if rate.per_domain]
        self.longest_window = max((rate.window for rate in rates), default=timedelta())
        self._domains: dict[str, list[tuple[Rate, deque[datetime]]]] = defaultdict(
            lambda: [(rate, deque()) for rate in self._domain_rates]
        )

    def seed(self, past: Iterable[tuple[datetime, str]]) -> None:
        """Count emails that were claimed before: (when, recipient domain), oldest first."""
        for at, domain in past:
            self.record_claim(at, domain)

    def record_claim(self, at: datetime, domain: str) -> None:
        """Count one email that is claimed now."""
        for _, times in self._windows:
            times.append(at)
        if self._domain_rates:
            for _, times in self._domains[domain]:
                times.append(at)

    def allowed(self, now: datetime) -> int:
        """How many emails may be claimed now by the rates that are not per domain."""
        allowed = NO_LIMIT
        for rate, times in self._windows:
            _drop_old(times, now - rate.window)
            allowed = min(allowed, rate.count - len(times))
        return max(0, allowed)

    def wait_for(self, now: datetime) -> timedelta:
        """How long until one more is allowed; zero if it is allowed now."""
        return max((_time_until_allowed(rate, times, now) for rate, times in self._windows), default=timedelta())

    def domain_wait(self, domain: str, now: datetime) -> timedelta:
        """How long an email to this domain has to wait; zero: it may be sent now.

        A wait reserves its place in the window, so the next email to this domain waits longer.
        """
        if not self._domain_rates:
            return timedelta()
        windows = self._domains[domain]
        wait = max(_time_until_allowed(rate, times, now) for rate, times in windows)
        if wait:
            for _, times in windows:
                times.append(now + wait)
        return wait


def _drop_old(times: deque[datetime], before: datetime) -> None:
    while times and times[0] <= before:
        times.popleft()


def _time_until_allowed(rate: Rate, times: deque[datetime], now: datetime) -> timedelta:
    _drop_old(times, now - rate.window)
    if len(times) < rate.count:
        return timedelta()
    return times[-rate.count] + rate.window - now
