"""The part of `newsletter doctor` about sending: the mail server, the last issue, what is stuck, the keys of links."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from newsletter.actions.check import Check, error, fine, hint, warning
from newsletter.actions.issues.health import health_of
from newsletter.actions.trouble import Blocked, missing_key
from newsletter.domain.delivery.issue import IN_PROGRESS
from newsletter.domain.english import plural
from newsletter.domain.tips.season_rule import in_words
from newsletter.mail.tokens import Signer
from newsletter.ports.sending import RelayCheck
from newsletter.ports.store import Tx


def relay_checks(found: Sequence[RelayCheck]) -> Iterator[Check]:
    """One result per mail server. While one of them works, emails leave, so the others are only warnings."""
    works = any(not relay.problem for relay in found)
    for relay in found:
        if relay.problem and (works or relay.is_temporary):
            yield warning("relay", relay.problem, relay.fix)
        elif relay.problem:
            yield error("relay", relay.problem, relay.fix)
        elif not relay.is_real:
            fix = "Set NEWSLETTER_SENDER_URL to a mail server"
            yield hint("relay", f"{relay.name} {', '.join(relay.done)}", fix)
        else:
            yield fine("relay", f"{relay.name}: {', '.join(relay.done)}")


def stuck_checks(blocked: Sequence[Blocked]) -> Iterator[Check]:
    """What should have left and cannot."""
    for found in blocked:
        yield error("stuck", found.message, f"Run: {found.fix}")
    if not blocked:
        yield fine("stuck", "nothing that should have been sent is waiting")


def last_issue(tx: Tx) -> Iterator[Check]:
    """What went wrong with the newest issue, with the most frequent reply of the mail server."""
    for facts in tx.issues.recent(1):
        counts = tx.issues.get(facts.number).counts
        failed, rejected = counts.get("failed", 0), counts.get("rejected", 0)
        wrong = [f"{failed} failed"] * bool(failed) + [f"{rejected} rejected"] * bool(rejected)
        replies = "".join(f"; {number} × {reply}" for reply, number in tx.issues.replies(facts.number, 2))
        message = f"{facts.name}: {' and '.join(wrong)} of {plural(facts.audience, 'email')}{replies}"
        health = health_of(tx, facts.number) if rejected and facts.state not in IN_PROGRESS else None
        if health and health.doubtful:
            yield warning("last_issue", f"{message}. {' '.join(health.lines)}", health.next_step)
        elif failed:
            yield warning("last_issue", message, f"Send them again: newsletter issues retry-failed {facts.argument}")
        elif rejected:
            yield hint(
                "last_issue", message, f"See who: newsletter issues deliveries {facts.argument} --state rejected"
            )
        else:
            yield fine("last_issue", f"{facts.name}: no email failed")


def key_check(tx: Tx, signer: Signer, now: datetime) -> Check:
    """Do the links in emails of the last year still work?"""
    until = missing_key(tx, signer, now)
    if until is None:
        return fine("keys", "the links in emails that were sent still work")
    message = f"links in emails sent until {in_words(until.date())} do not work: the key that signed them is missing"
    fix = "Add the earlier key to NEWSLETTER_SECRET_KEY, after a comma; your backup has it"
    return error("keys", message, fix)
