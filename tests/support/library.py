"""Small newsletters for tests: a real store in a file, with subscribers, tips and a frozen issue."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

from newsletter.domain.delivery.issue import IssueEvent
from newsletter.domain.subscribers.address import parse_address
from newsletter.domain.subscribers.subscriber import NewSubscriber
from newsletter.domain.subscribers.subscription import Status
from newsletter.domain.tips.tip import TipState, TipText, identity
from newsletter.store.sqlite.database import upgrade
from newsletter.store.transactions import SqlStore

TUESDAY = datetime(2024, 3, 5, 13, 0, tzinfo=UTC)  # 08:00 in New York
SLOT = date(2024, 3, 5)


def new_store(directory: Path) -> SqlStore:
    """An empty store in a new file; the caller closes it."""
    path = directory / "newsletter.db"
    upgrade(path)
    return SqlStore(path)


def add_subscriber(store: SqlStore, address: str, status: Status = Status.CONFIRMED, *, name: str = "") -> int:
    """Add a subscriber whose key is `k` and a number; returns the id."""
    with store.write() as tx:
        number = sum(tx.subscribers.count().values()) + 1
        new = NewSubscriber(parse_address(address), name, f"k{number:015d}", status, "test", signup_at=TUESDAY)
        return tx.subscribers.add(new, TUESDAY).id


def add_subscribers(store: SqlStore, number: int) -> list[int]:
    """Add reader1@a.example and so on, confirmed; returns their ids."""
    return [add_subscriber(store, f"reader{n}@a.example") for n in range(1, number + 1)]


def add_tip(store: SqlStore, title: str = "Say the name", **fields: object) -> str:
    """Add a fresh complete tip; returns its key."""
    key = str(fields.get("key", title.lower().replace(" ", "-")))
    text = TipText(title=title, body=str(fields.get("body", "Use the name *once*, early, and mean it.")))
    with store.write() as tx:
        tx.tips.add(text, identity(title, None), key, TipState.FRESH, TUESDAY)
    return key


def freeze_issue(store: SqlStore, compiled: bytes = b"{}", *, title: str = "Say the name") -> int:
    """Make an issue of SLOT in `sending` for everyone who is confirmed now; returns its number."""
    key = add_tip(store, title)
    with store.write() as tx:
        issue = tx.issues.plan(SLOT, TUESDAY, TUESDAY)
        tx.issues.change(issue.number, IssueEvent.PREPARE, TUESDAY)
        tx.issues.bind(issue.number, tx.tips.get(key).card.id)
        tx.issues.freeze(issue.number, title, compiled, TUESDAY)
    return issue.number
