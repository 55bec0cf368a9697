"""A complete newsletter behind a real web server on a free port, for tests; its emails go to a maildir."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import httpx

from newsletter.actions.subscribers.confirm import confirm_token
from newsletter.app import App
from newsletter.domain.subscribers.subscriber import Subscriber
from newsletter.domain.tips.tip import TipState, TipText, identity
from newsletter.mail.tokens import Purpose
from newsletter.mail.verp import base36
from newsletter.settings import load_settings
from newsletter.store.sqlite.database import sqlite_path
from newsletter.web import make_web
from newsletter.web.server import WebServer

FRIDAY = datetime(2025, 5, 2, 9, 30, tzinfo=UTC)
KEY = "a-key-that-only-tests-have-0123456789"


class FakeClock:
    """A clock that only moves when a test moves it."""

    def __init__(self) -> None:
        self.now = FRIDAY

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **duration: float) -> None:
        self.now += timedelta(**duration)


@dataclass
class WebHarness:
    """The app, its clock, its maildir, and an HTTP client that does not follow redirects."""

    app: App
    clock: FakeClock
    mail: Path
    http: httpx.Client

    def subscriber(self, address: str) -> Subscriber:
        with self.app.store.read() as tx:
            found = tx.subscribers.by_address(address)
        assert found, address
        return found

    def confirm_path(self, address: str) -> str:
        subscriber = self.subscriber(address)
        return f"/confirm/{confirm_token(self.app.signer, subscriber.key, int(subscriber.signup_at.timestamp()))}"

    def unsubscribe_path(self, address: str, issue: str = "a") -> str:
        return f"/u/{self.app.signer.sign(Purpose.UNSUBSCRIBE, self.subscriber(address).key, issue)}"

    def feedback_path(self, address: str, issue: int) -> str:
        return f"/useful/{self.app.signer.sign(Purpose.USEFUL, self.subscriber(address).key, base36(issue))}"

    def preferences_path(self, address: str) -> str:
        return f"/p/{self.app.signer.sign(Purpose.PREFERENCES, self.subscriber(address).key)}"

    def emails(self) -> list[EmailMessage]:
        """The emails that arrived, oldest first."""
        files = sorted(self.mail.glob("new/*"), key=lambda file: file.stat().st_mtime_ns)
        return [parse_email(file.read_bytes()) for file in files]

    def rows(self) -> dict[str, list[tuple[object, ...]]]:
        """Every row of every table."""
        path = sqlite_path(self.app.settings.database_url)
        connection = sqlite3.connect(path)
        try:
            tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            return {table: sorted(connection.execute(f"SELECT * FROM {table}"), key=repr) for table in tables}  # noqa: S608
        finally:
            connection.close()


def parse_email(data: bytes) -> EmailMessage:
    """Parse bytes into a message with parts."""
    return message_from_bytes(data, policy=policy.default)


def text_of(email: EmailMessage) -> str:
    """The plain text part."""
    part = email.get_body(("plain",))
    assert part
    return str(part.get_content())


def links_in(text: str) -> list[str]:
    """Every URL in a text or a page."""
    return re.findall(r"https?://[^\s\"'<>]+", text)


def add_tip(app: App, title: str, ran_on: date | None, *, body: str = "Say it *once*.", **more: object) -> str:
    """Add a complete tip, sent if it has a date; return its key."""
    key = re.sub(r"\W+", "-", title.lower())
    state = TipState.ARCHIVE if ran_on else TipState.FRESH
    with app.store.write() as tx:
        tx.tips.add(TipText(title, body, published_on=ran_on, **more), identity(title, ran_on), key, state, FRIDAY)  # type: ignore[arg-type]
    return key


@contextmanager
def open_web_harness(directory: Path, **settings: str) -> Iterator[WebHarness]:
    """A new newsletter in `directory`. settings: by their names in lower case, without NEWSLETTER_."""
    environ = {
        "NEWSLETTER_DATABASE_URL": f"sqlite:///{directory}/newsletter.db",
        "NEWSLETTER_SENDER_URL": f"maildir://{directory}/mail",
        "NEWSLETTER_SECRET_KEY": KEY,
        "NEWSLETTER_FROM": "Anna Beispiel <tips@tips.example>",
        "NEWSLETTER_BASE_URL": "https://tips.example",
        **{f"NEWSLETTER_{name.upper()}": value for name, value in settings.items()},
    }
    clock = FakeClock()
    app = App(load_settings(environ), clock)
    app.database.upgrade()
    server = WebServer(make_web(app), "127.0.0.1", 0, trusted_proxies=app.settings.trusted_proxies)
    server.start()
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", trust_env=False) as http:
            yield WebHarness(app, clock, directory / "mail", http)
    finally:
        server.stop()
        app.close()
