"""A whole newsletter in this process, for tests: a real store, real emails, a manual clock, and any sender."""

from __future__ import annotations

import email
import email.policy
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import cast

from newsletter.actions.adopt import Adoption
from newsletter.actions.delivery.batch import BatchResult
from newsletter.app import App
from newsletter.domain.delivery.issue import IssueFacts
from newsletter.domain.delivery.outcome import Outcome
from newsletter.domain.subscribers.subscriber import DeliveryFacts
from newsletter.ports.sending import Sender
from newsletter.settings import load_settings
from newsletter.store.deliveries import SqliteLedger
from newsletter.store.transactions import SqlStore
from newsletter.testing import Answer, MemorySender, SentEmail
from tests.support.library import TUESDAY, add_subscribers, add_tip

OWNER = "owner@tips.example"


class FakeClock:
    """A clock that moves when a test says so."""

    def __init__(self, now: datetime = TUESDAY) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **duration: float) -> None:
        self.now += timedelta(**duration)


class HookedSender(MemorySender):
    """A memory sender that calls a test's function after the email with a given number (1 is the first)."""

    def __init__(self, after: Mapping[int, Callable[[], object]], *, connections: int = 1) -> None:
        super().__init__(connections=connections)
        self._after = after

    def take(self, email: SentEmail) -> Outcome:
        outcome = super().take(email)
        self._after.get(len(self.tried), lambda: None)()
        return outcome


@dataclass
class AppHarness(App):
    """sender_override: the sender of this test; without one, the one from the settings."""

    fake_clock: FakeClock = field(default_factory=FakeClock)
    sender_override: Sender | None = None

    def sender(self) -> Sender:
        return self.sender_override or super().sender()

    def memory(
        self, script: Mapping[str, Iterable[Answer]] | None = None, *, connections: int = 1, refuses_sessions: int = 0
    ) -> MemorySender:
        """Use a new memory sender from now on; script: replies by address, after which everything is accepted."""
        sender = MemorySender(script or {}, connections=connections, refuses_sessions=refuses_sessions)
        self.sender_override = sender
        return sender

    def start(self, subscribers: int = 3) -> int:
        """Add subscribers reader1@a.example and so on and a tip, and freeze Tuesday's issue; its number."""
        add_tip(self.files, "Say the name")
        add_subscribers(self.files, subscribers)
        issue = self.issues.publish_due()
        assert issue
        return issue.number

    @property
    def adoption(self) -> Adoption:
        return self.database.adoption(self.rules_of_lists, lambda: self.signer)

    @property
    def files(self) -> SqlStore:
        return cast("SqlStore", self.store)

    def round(self, number: int = 1) -> BatchResult:
        """One batch by a sender that holds the lock for this batch only."""
        with self.store.sending("test", self.clock()) as lock:
            return self.delivery.deliver(lock, number)

    def send_due(self) -> IssueFacts | None:
        """Freeze what is due and send everything that is open; the issue that was frozen."""
        issue = self.issues.publish_due()
        for number in self.issues.unfinished():
            self.round(number)
        return issue

    def issue(self, number: int = 1) -> IssueFacts:
        with self.store.read() as tx:
            return tx.issues.get(number)

    def counts(self, number: int = 1) -> dict[str, int]:
        return {state: count for state, count in self.issue(number).counts.items() if count}

    def row(self, address: str, number: int = 1) -> DeliveryFacts:
        with self.store.read() as tx:
            return next(row for row in tx.issues.deliveries(number) if row.address == address)

    def suppressed(self) -> list[str]:
        with self.store.read() as tx:
            return sorted(entry.address_key for entry in tx.suppressions.each())

    def broken(self) -> list[str]:
        with self.store.read() as tx:
            return tx.issues.broken_invariants()


@contextmanager
def open_app_harness(directory: Path, sender_override: Sender | None = None, **settings: str) -> Iterator[AppHarness]:
    """A new newsletter in `directory`; settings by their names without NEWSLETTER_, in lower case."""
    environ = {
        "NEWSLETTER_DATABASE_URL": f"sqlite:///{directory}/newsletter.db",
        "NEWSLETTER_SENDER_URL": f"maildir://{directory}/mail",
        "NEWSLETTER_SECRET_KEY": "a-key-that-only-tests-have-0123456789",
        "NEWSLETTER_FROM": "Anna Beispiel <tips@tips.example>",
        "NEWSLETTER_OWNER": OWNER,
        "NEWSLETTER_BASE_URL": "https://tips.example",
        **{f"NEWSLETTER_{name.upper()}": value for name, value in settings.items()},
    }
    clock = FakeClock()
    harness = AppHarness(load_settings(environ), clock, fake_clock=clock, sender_override=sender_override)
    harness.database.upgrade()
    try:
        yield harness
    finally:
        harness.close()


def parse_emails(emails: Sequence[SentEmail]) -> list[EmailMessage]:
    """Parse sent emails, so that tests can read their headers."""
    return [email.message_from_bytes(sent.message, policy=email.policy.default) for sent in emails]


def owner_emails(harness: AppHarness) -> list[EmailMessage]:
    """Queue and send the owner's emails; everything sent since the last call, which must all be to the owner."""
    harness.owner.notify()
    memory = harness.memory()
    harness.transactional.send()
    assert all(sent.envelope.recipient == OWNER for sent in memory.emails)
    return parse_emails(memory.emails)


def recipients(emails: Sequence[SentEmail]) -> list[str]:
    return sorted(sent.envelope.recipient for sent in emails)


def text_of(mail: EmailMessage) -> str:
    """The plain text part."""
    part = mail.get_body(("plain",))
    assert part
    return str(part.get_content())


def subscriber_addresses(number: int) -> list[str]:
    """The addresses that `AppHarness.start` made."""
    return sorted(f"reader{n}@a.example" for n in range(1, number + 1))


def custom_template_dir(directory: Path, first_line: str) -> Path:
    """A directory with an owner's template of the text part."""
    issue = directory / "own" / "email" / "issue"
    issue.mkdir(parents=True)
    (issue / "body.txt").write_text(first_line + "\n\n{{ body_text }}\n\n{{ unsubscribe_url }}\n")
    return directory / "own"


def connection_of(ledger: object) -> sqlite3.Connection:
    """The ledger's own connection, to make it fail."""
    assert isinstance(ledger, SqliteLedger)
    return ledger._db


def unlock(other: sqlite3.Connection) -> None:
    """End a write transaction, if one is open."""
    if other.in_transaction:
        other.execute("ROLLBACK")


def set_busy_timeout(ledger: object, milliseconds: int) -> None:
    """Set how long the ledger waits for another process that writes."""
    assert isinstance(ledger, SqliteLedger)
    ledger.busy_for = milliseconds / 1000
