"""What keeps emails from leaving: recorded while sending, and shown by `newsletter doctor` and /readyz.

An alert about a mail server that is down cannot be sent through that mail server, so this is where monitoring learns it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from newsletter.actions.calendar.plan import Rules, last_slot
from newsletter.actions.unsent import in_words, unsent_emails
from newsletter.domain.delivery.issue import PAUSED_BY_HAND, IssueFacts
from newsletter.domain.english import plural
from newsletter.mail.tokens import Signer
from newsletter.ports.clock import Clock
from newsletter.ports.store import Store, Tx

BLOCKED_AFTER = timedelta(minutes=10)
"""Trouble that lasts less long is normal: mail servers restart."""
OVER_AFTER = timedelta(hours=1)
"""Trouble that was not seen again for this long is over; a daemon in trouble tries again every 15 minutes."""
KEY_NEEDED = timedelta(days=400)
"""How long the key of an email must be kept: people unsubscribe from last year's emails."""
_LAST, _SINCE, _KEY = "trouble", "trouble_since", "signing_key"


@dataclass(frozen=True, slots=True)
class Blocked:
    """Something that cannot leave, as a clause, and what to do about it."""

    message: str
    fix: str


@dataclass(frozen=True, slots=True)
class ListInUse:
    """What is needed to look at one list that is not retired. problem: why it cannot be used, as a clause, or ""."""

    key: str
    store: Store
    rules: Rules
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Records why a list cannot be sent, and finds what cannot leave. lists: all that are not retired."""

    store: Store
    clock: Clock
    lists: Callable[[], Sequence[ListInUse]]

    def record(self, why: str) -> None:
        """Sending failed again."""
        now = self.clock()
        with self.store.write() as tx:
            tx.calendar.clear_notified(_LAST)
            tx.calendar.mark_notified(_LAST, why, now)
            tx.calendar.mark_notified(_SINCE, "sending", now)

    def clear(self) -> None:
        """Sending works."""
        with self.store.write() as tx:
            tx.calendar.clear_notified(_LAST)
            tx.calendar.clear_notified(_SINCE)

    def blocked(self) -> list[Blocked]:
        """Everything that should have left by now and cannot."""
        if why := self.store.hold_reason():
            return [Blocked(f"nothing is sent from this database: {why}", "newsletter db adopt")]
        is_sending, now = self.store.holder() is not None, self.clock()
        found = [blocked for one in self.lists() for blocked in _blocked_in(one, now, is_sending=is_sending)]
        with self.store.read() as tx:
            unsent = unsent_emails(tx, now)
        late = (one for one in unsent if one.is_waiting and now - one.oldest >= BLOCKED_AFTER)
        return [*found, *(Blocked(in_words(one), "newsletter doctor") for one in late)]


def _blocked_in(one: ListInUse, now: datetime, *, is_sending: bool) -> Iterator[Blocked]:
    """What cannot leave of one list, and a slot that has passed in silence."""
    if one.problem:
        yield Blocked(f"the list {one.key} cannot be used: {one.problem}", "newsletter doctor")
        return
    with one.store.read() as tx:
        last = last_slot(tx, one.rules, now)
        found = list(find_blocked(tx, now, is_sending=is_sending))
    yield from found
    words = f"{one.rules.list_key}: {last.words}" if one.rules.list_key else last.words
    if not last.explained:
        yield Blocked(words, "newsletter doctor")
    elif not last.ok and last.state is None:
        yield Blocked(words, f"newsletter calendar approve {last.slot}{one.rules.option}")


def find_blocked(tx: Tx, now: datetime, *, is_sending: bool) -> Iterator[Blocked]:
    """What is due and cannot leave a database that may send. is_sending: some process holds the sending lock."""
    for issue in tx.issues.paused():
        if issue.pause_reason != PAUSED_BY_HAND:
            yield Blocked(f"{issue.name} is paused: {issue.pause_reason}", f"newsletter issues resume {issue.argument}")
    for issue in tx.issues.recent(1):
        if held := tx.issues.get(issue.number).counts.get("held", 0):
            # Never `--held` by itself: that is another copy, which only the owner may want.
            fix = f"newsletter issues deliveries {issue.argument} --state held"
            words = f"{plural(held, 'email')} of {issue.name} may have arrived, and wait for your decision"
            yield Blocked(words, fix)
    begun = [issue for issue in tx.issues.open() if issue.due_at <= now and not _waits_for_another_day(tx, issue, now)]
    if begun and (trouble := current_trouble(tx, now)):
        yield Blocked(f"{begun[0].name} cannot be sent: {trouble}", "newsletter doctor")
    elif begun and not is_sending and now - (begun[0].started_at or begun[0].due_at) >= BLOCKED_AFTER:
        yield Blocked(f"{begun[0].name} is not finished, and nothing is sending it", "newsletter run")


def _waits_for_another_day(tx: Tx, issue: IssueFacts, now: datetime) -> bool:
    waits = tx.issues.waits(issue.number)
    return waits is not None and waits.until > now and tx.issues.only_waits(issue.number)


def current_trouble(tx: Tx, now: datetime) -> str:
    """Why sending has failed for a while and still does, or ""."""
    last, since = tx.calendar.notified(_LAST), tx.calendar.notified(_SINCE)
    return next(
        (
            why
            for why, at in last.items()
            if now - at <= OVER_AFTER and any(now - began >= BLOCKED_AFTER for began in since.values())
        ),
        "",
    )


# -- keys of links ------------------------------------------------------------------------------------


def record_key(tx: Tx, signer: Signer, now: datetime) -> None:
    """Remember which key signs the links of emails that are sent now, by its fingerprint."""
    key = signer.fingerprints()[0]
    tx.calendar.clear_notified(_KEY, only=key)
    tx.calendar.mark_notified(_KEY, key, now)


def missing_key(tx: Tx, signer: Signer, now: datetime) -> datetime | None:
    """When links were last signed with a key that is no longer in the settings; None if all of them still work."""
    known = signer.fingerprints()
    missing = [at for key, at in tx.calendar.notified(_KEY).items() if key not in known and now - at <= KEY_NEEDED]
    return max(missing, default=None)
