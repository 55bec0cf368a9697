"""How much the front door trusts: budgets of unanswered mails, and the attack mode that closes it; counts no visitor."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

HOUR = timedelta(hours=1)
LONGEST_CLOSURE = timedelta(hours=24)


class SignupDecision(StrEnum):
    """What the door says to one sign-up."""

    OPEN = "open"
    CLOSES = "closes"  # this one was too many: the door closes now, and the owner is told once
    CLOSED = "closed"


@dataclass(slots=True)
class SignupLimit:
    """A budget of confirmation mails that nobody has answered yet: `limit` at once, and as many more each hour.

    A mail that is answered was wanted, and gives its place back. When the budget is spent, the lane is closed for an
    hour. When it was still being knocked at then, one mail may try whether all is well, and the next closure is twice as
    long. Not safe for threads.
    """

    limit: int
    budget: float = -1.0
    unanswered: float = 0.0
    seen_at: datetime | None = None
    closed_until: datetime | None = None
    closures: int = 0
    turned_away: int = 0

    def __post_init__(self) -> None:
        self.budget = self.limit if self.budget < 0 else self.budget

    def try_one(self, now: datetime) -> SignupDecision:
        """One more mail wants to leave; `now` is aware."""
        if self.closed_until and now < self.closed_until:
            self.turned_away += 1
            return SignupDecision.CLOSED
        if self.closed_until:
            self._reopen()
        self._decay(now)
        if self.unanswered + 1 <= self.budget:
            self.unanswered += 1
            return SignupDecision.OPEN
        self.closed_until = now + min(HOUR * 2**self.closures, LONGEST_CLOSURE)
        self.closures = min(self.closures + 1, 6)
        return SignupDecision.CLOSES

    def refund(self) -> None:
        """The mail did not leave after all."""
        self.unanswered = max(0.0, self.unanswered - 1)

    def answered(self) -> None:
        """Somebody pressed the button of such a mail: these are people."""
        self.refund()
        self.budget, self.closures = self.limit, 0

    def is_closed(self, now: datetime) -> bool:
        """Is the lane closed at this moment?"""
        return self.closed_until is not None and now < self.closed_until

    def _reopen(self) -> None:
        persistent = self.turned_away > self.limit
        self.budget = 1 if persistent else self.limit
        self.closures = self.closures if persistent else 0
        self.unanswered, self.turned_away, self.seen_at, self.closed_until = 0.0, 0, None, None

    def _decay(self, now: datetime) -> None:
        passed = max(timedelta(), now - self.seen_at) / HOUR if self.seen_at else 0.0
        self.unanswered = max(0.0, self.unanswered - passed * self.budget)
        self.seen_at = now
