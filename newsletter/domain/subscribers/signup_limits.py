"""The numbers of the sign-up limits, and the budget of unanswered confirmation emails that stops an attack."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from newsletter.domain.errors import Refused

HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(weeks=1)
LONGEST_SUSPENSION = timedelta(hours=24)

# "proven" sign-ups come from someone who loaded a form of ours, "unproven" ones from programs and other forms. When the
# form is abused, both have to be "solved" by a calculation in the browser, or "waited" for without scripts.
# Each has a budget of its own, so that an attack by programs does not stop real visitors.
BUDGETS = {"proven": 24, "unproven": 18, "solved": 30, "waited": 6}  # unanswered confirmation emails per hour
PER_ORIGIN = {"proven": 20, "unproven": 5, "solved": 20, "waited": 3}  # sign-ups per hour from one network
ASKED_FOR_PROOF = frozenset({"proven", "unproven"})
PROOF_FOR = timedelta(hours=6)  # how long a stream of false sign-ups makes the form ask for it, each time
MAX_NUMBER = (
    600_000  # of a challenge; half of them take 0.2 s on a laptop and 2 to 4 s on a phone (docs/performance.md)
)
CHALLENGE_AGE = timedelta(minutes=20)
WAIT_AGE = (timedelta(seconds=30), timedelta(hours=1))  # how long a visitor without scripts waits, at least and at most
UNANSWERED_PER_ORIGIN = 10  # unanswered confirmation emails per hour that one network may cause
UNANSWERED_PER_ORIGIN_AND_DOMAIN = 5  # and those to one domain, so that two networks cannot use up PER_DOMAIN
PER_MAILBOX = 4  # confirmation emails and reminders per week to one mailbox, whatever its tags, until one is answered
FEW_ORIGINS = 3  # if this few networks cause half of the unanswered emails, they are blocked, and nobody else
MANY_OF_ONE_ORIGIN = 4  # of an hour; a network with fewer is never blocked
STREAM = 40  # unanswered confirmation emails in 24 hours; if hardly any are answered, the owner is alerted
PER_DOMAIN = 15  # unanswered confirmation emails per hour to one domain
LINKS_PER_ORIGIN = 5  # requests for the personal link per hour from one network
REFUSAL_CACHED_FOR = timedelta(seconds=10)  # how long a used-up limit is trusted without asking the database
MAX_CACHED_REFUSALS = 10_000
FORM_AGE = (timedelta(seconds=2), timedelta(hours=24))  # how long a person may take between loading and sending a form


class TooMany(Refused):
    """Too many sign-ups, from one network or overall. The message is for the visitor."""


class NeedsProof(TooMany):
    """The form is abused, so this sign-up needs a calculation in the browser, or a wait."""


def is_stream(unanswered: int, answered: int) -> bool:
    """Do the sign-ups of a day look like false ones? Somebody who confirms a few of their own does not hide that."""
    if unanswered < STREAM:
        return False
    return answered < unanswered // (2 if unanswered >= 5 * STREAM else 4)


class SignupDecision(StrEnum):
    """What happens to one sign-up."""

    OPEN = "open"
    CLOSES = "closes"  # this one exceeds the budget: sign-ups are suspended now, and the owner is alerted once
    CLOSED = "closed"


@dataclass(slots=True)
class SignupLimit:
    """A budget of unanswered confirmation emails: `limit` immediately, and as many again each hour.

    An answered email gives its share of the budget back, since a real person wanted it. When the budget is used up,
    sign-ups are suspended for an hour. If visitors keep trying during that hour, only one email is sent afterward to
    test the situation, and the next suspension is twice as long. Not thread-safe.
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
        """Decide on one more email; `now` is aware."""
        if self.closed_until and now < self.closed_until:
            self.turned_away += 1
            return SignupDecision.CLOSED
        if self.closed_until:
            self._reopen()
        self._decay(now)
        if self.unanswered + 1 <= self.budget:
            self.unanswered += 1
            return SignupDecision.OPEN
        self.closed_until = now + min(HOUR * 2**self.closures, LONGEST_SUSPENSION)
        self.closures = min(self.closures + 1, 6)  # 2**5 hours are longer than the longest suspension already
        return SignupDecision.CLOSES

    def refund(self) -> None:
        """The email was not needed after all."""
        self.unanswered = max(0.0, self.unanswered - 1)

    def answered(self) -> None:
        """Someone confirmed a sign-up, so the visitors are real people: restore the budget."""
        self.refund()
        self.budget, self.closures = self.limit, 0

    def reopen_without(self, unanswered: int) -> None:
        """Take back a suspension, and these unanswered emails: their senders are blocked instead."""
        self.closed_until, self.closures = None, max(0, self.closures - 1)
        self.unanswered = max(0.0, self.unanswered - unanswered)

    def is_closed(self, now: datetime) -> bool:
        """Are sign-ups suspended at this moment?"""
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
