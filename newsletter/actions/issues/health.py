"""Close an issue: judge its refusals, suppress the mailboxes that do not exist, and say what is doubtful.

The rules are in `domain.delivery.health`. Reading what came of a long issue takes a moment, so it is read before the
write transaction that finishes the issue; that one suppresses only what is still rejected.
"""

from __future__ import annotations

from dataclasses import dataclass

from newsletter.domain.delivery.circuit_breaker import RESUME_ADVICE
from newsletter.domain.delivery.health import Results, Verdict, judge
from newsletter.domain.english import ended, plural, sentence
from newsletter.domain.lists import issue_argument
from newsletter.ports.store import Store, Tx

ALARMING = 3
"""As many doubtful addresses are worth an alert of their own."""


@dataclass(frozen=True, slots=True)
class Health:
    """What came of an issue, and what follows for the mailboxes that do not exist. list_key: "" for the first list."""

    number: int
    results: Results
    verdict: Verdict
    list_key: str = ""

    @property
    def lines(self) -> list[str]:
        """What the owner should know, as sentences."""
        suppressed = sum(one.is_suppressed for one in self.verdict.suppress)
        found = [ended(sentence(why)) for why in self.verdict.why]
        if self.doubtful:
            found.append(
                f"{_addresses(self.doubtful)} refused as unknown and not suppressed: the next issue tries again."
            )
        if suppressed:
            found.append(f"{_addresses(suppressed)} found not to exist and suppressed.")
        return found

    @property
    def doubtful(self) -> int:
        """How many mailboxes are refused as unknown and not suppressed."""
        return sum(not one.is_suppressed for one in self.verdict.doubtful)

    @property
    def next_step(self) -> str:
        """What the owner can do about the doubtful ones."""
        issue = issue_argument(self.number, self.list_key)
        return (
            f"To send to them again, run newsletter issues retry-failed {issue}. "
            f"If they really do not exist, run newsletter suppressions add --issue {issue}"
        )


def _addresses(number: int) -> str:
    return f"{plural(number, 'address')} {'was' if number == 1 else 'were'}"


def health_of(tx: Tx, number: int) -> Health:
    """The health of an issue as it is now. Not in a write transaction: it may read every delivery."""
    results = tx.issues.results(number)
    return Health(number, results, judge(results), tx.lists.shown_key())


def health_at_the_end(store: Store, number: int) -> Health | None:
    """The health of an issue of which nothing is open; None if something is."""
    with store.read() as tx:
        return None if tx.issues.has_open(number) else health_of(tx, number)


def why_pause(tx: Tx, health: Health, *, trusts_mailboxes: bool) -> str:
    """Why the issue must not end like this; "" if it may.

    trusts_mailboxes: the owner has resumed it after a pause. It then ends, unless nothing at all arrived.
    """
    results = health.results
    if not results.little_arrived or (trusts_mailboxes and results.sent) or not tx.issues.rejected(health.number):
        return ""
    reply = next((reply.partition(" ")[2] for reply, _ in tx.issues.replies(health.number, 1)), "")
    return f"only {results.sent:,} of {plural(results.tried, 'email')} arrived; most others: {reply}. {RESUME_ADVICE}"
