"""Send queued transactional emails: which are sent, dropped or retried."""

import re
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from newsletter.actions.subscribers.subscribe import subscribe
from newsletter.app import App
from newsletter.domain.delivery.outcome import Rejected
from newsletter.domain.errors import SenderError, TemplateError
from newsletter.domain.subscribers.address import parse_address
from newsletter.settings import load_settings
from newsletter.testing import MemorySender, answer
from tests.support.web import FRIDAY, FakeClock, links_in, parse_email, text_of

ANNA = "anna@host.example"


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    environ = {
        "NEWSLETTER_DATABASE_URL": f"sqlite:///{tmp_path}/newsletter.db",
        "NEWSLETTER_SECRET_KEY": "a-key-that-only-tests-have",
        "NEWSLETTER_FROM": "Anna Beispiel <tips@tips.example>",
        "NEWSLETTER_BASE_URL": "https://tips.example",
    }
    app = App(load_settings(environ), FakeClock())
    app.database.upgrade()
    yield app
    app.close()


def send_all(app: App, sender: MemorySender) -> int:
    return replace(app.transactional, sender=lambda: sender, stop=app.stop).send()


def forward(app: App, **duration: float) -> None:
    assert isinstance(app.clock, FakeClock)
    app.clock.forward(**duration)


def states(app: App) -> list[tuple[str, str]]:
    connection = sqlite3.connect(app.settings.database_url.removeprefix("sqlite:///"))
    try:
        return list(connection.execute("SELECT kind, state FROM notice ORDER BY id"))
    finally:
        connection.close()


def sign_up(app: App, address: str = ANNA, name: str = "Evil Words") -> None:
    app.signup.subscribe(address, name, form="page/1", origin="192.0.2.1")


def confirm_path(sender: MemorySender) -> str:
    (url,) = {link for link in links_in(text_of(parse_email(sender.emails[-1].message))) if "/confirm/" in link}
    return url.removeprefix("https://tips.example/confirm/")


def test_a_confirmation_email_has_its_link_and_nothing_else_the_visitor_typed(app: App) -> None:
    sender = MemorySender()
    sign_up(app)

    assert send_all(app, sender) == 1

    (email,) = sender.emails
    message = parse_email(email.message)
    assert (email.envelope.sender, email.envelope.recipient) == ("tips@tips.example", ANNA)
    assert (message["To"], message["Auto-Submitted"], message["List-Unsubscribe"]) == (ANNA, "auto-generated", None)
    assert b"Evil" not in email.message
    assert app.confirm_links.confirm(confirm_path(sender)).address == ANNA
    assert send_all(app, sender) == 1
    welcome = parse_email(sender.emails[-1].message)
    assert {part for part in ("/u/", "/p/") if part in text_of(welcome)} == {"/u/", "/p/"}
    assert states(app) == [("confirm", "sent"), ("welcome", "sent")]
    assert sender.open_sessions == 0


def test_nothing_is_sent_twice(app: App) -> None:
    sender = MemorySender()
    sign_up(app)
    send_all(app, sender)
    forward(app, days=1)
    assert send_all(app, sender) == 0


def test_no_session_is_opened_if_nothing_is_due(app: App) -> None:
    assert send_all(app, MemorySender(refuses_sessions=1)) == 0


def test_an_email_that_no_longer_applies_is_dropped(app: App) -> None:
    sender = MemorySender()
    sign_up(app)
    app.subscribers.unsubscribe(ANNA)
    sign_up(app, "bob@host.example")
    app.suppressions.add("bob@host.example")

    assert send_all(app, sender) == 0
    assert states(app) == [("confirm", "skipped"), ("confirm", "skipped")]
    assert sender.tried == []


def test_of_two_confirmation_emails_to_one_address_only_the_newer_is_sent(app: App) -> None:
    sender = MemorySender()
    sign_up(app)
    forward(app, hours=25)
    sign_up(app)
    assert send_all(app, sender) == 1
    assert states(app) == [("confirm", "skipped"), ("confirm", "sent")]
    app.confirm_links.confirm(confirm_path(sender))


def test_a_deferred_email_is_retried_with_the_same_message_id(app: App) -> None:
    sender = MemorySender([answer("rcpt", "451 4.3.0 later")])
    sign_up(app)

    assert send_all(app, sender) == 0
    assert send_all(app, sender) == 0, "not before its time"
    forward(app, minutes=2)
    assert send_all(app, sender) == 1

    first, second = (parse_email(email.message)["Message-ID"] for email in sender.tried)
    assert first == second
    assert re.fullmatch(r"<[a-z0-9]{16,}@tips\.example>", first)


def test_an_email_fails_after_two_days(app: App) -> None:
    sender = MemorySender([answer("rcpt", "451 4.3.0 later")] * 100)
    sign_up(app)
    for _ in range(60):
        send_all(app, sender)
        forward(app, hours=1)
    assert states(app) == [("confirm", "failed")]
    assert 40 < len(sender.tried) < 60


def test_an_unknown_mailbox_is_suppressed_when_a_later_email_is_refused_as_well(app: App) -> None:
    gone = answer("rcpt", "550 5.1.1 no such user")

    def is_suppressed() -> bool:
        with app.store.read() as tx:
            return tx.suppressions.get(ANNA) is not None

    sign_up(app)
    sign_up(app, "bob@host.example")
    assert send_all(app, MemorySender({ANNA: [gone]})) == 1
    assert states(app) == [("confirm", "rejected"), ("confirm", "sent")]
    assert not is_suppressed(), "it may be the relay's bad hour"

    forward(app, hours=25)
    sign_up(app)
    send_all(app, MemorySender([answer("rcpt", "552 5.2.2 mailbox full")]))
    assert not is_suppressed()
    forward(app, hours=25)
    sign_up(app)
    send_all(app, MemorySender([gone]))
    assert is_suppressed()


def test_a_relay_that_has_accepted_nothing_in_between_suppresses_nobody(app: App) -> None:
    for _ in range(3):
        sign_up(app)
        send_all(app, MemorySender([answer("rcpt", "550 5.1.1 no such user")]))
        forward(app, hours=25)
    with app.store.read() as tx:
        assert tx.suppressions.get(ANNA) is None


@pytest.mark.parametrize(
    ("reply", "state"), [("550 5.7.1 blocked", "deferred"), ("552 5.2.2 mailbox full", "rejected")]
)
def test_a_rejection_that_is_not_about_the_address_suppresses_nobody(app: App, reply: str, state: str) -> None:
    refusal = answer("rcpt", reply)
    assert isinstance(refusal, Rejected)
    sign_up(app)
    send_all(app, MemorySender([refusal]))
    assert states(app) == [("confirm", state)]
    with app.store.read() as tx:
        assert tx.suppressions.get(ANNA) is None


def test_a_bounced_email_to_the_owner_does_not_suppress_the_owner(app: App) -> None:
    app.owner.alert("Something", ["happened"], "Do this")
    send_all(app, MemorySender([answer("rcpt", "550 5.1.1 no such user")]))
    assert states(app) == [("alert", "rejected")]
    with app.store.read() as tx:
        assert list(tx.suppressions.each()) == []


def test_a_connection_error_stops_and_leaves_the_rest_for_the_next_call(app: App) -> None:
    sender = MemorySender(fail_at=[2])
    for name in ("anna", "bob", "eve"):
        sign_up(app, f"{name}@host.example")

    with pytest.raises(SenderError):
        send_all(app, sender)
    assert states(app) == [("confirm", "sent"), ("confirm", "deferred"), ("confirm", "pending")]
    assert sender.open_sessions == 0

    forward(app, minutes=2)
    assert send_all(app, sender) == 2


def test_a_broken_template_is_reported_and_delays_no_other_email(app: App, tmp_path: Path) -> None:
    with app.store.write() as tx:
        tx.transactional.add("no_such_mail", "owner@example.org", {}, FRIDAY - timedelta(minutes=1))
    sign_up(app)
    sender = MemorySender()

    with pytest.raises(TemplateError):
        send_all(app, sender)
    assert states(app) == [("no_such_mail", "deferred"), ("confirm", "sent")]


def test_a_stop_leaves_everything_in_the_queue(app: App) -> None:
    sign_up(app)
    app.stop = threading.Event()
    app.stop.set()
    assert send_all(app, MemorySender()) == 0
    assert states(app) == [("confirm", "pending")]


def test_an_address_with_an_umlaut_domain_is_sent_in_ascii(app: App) -> None:
    sender = MemorySender()
    sign_up(app, "anna@bücher.example")
    assert send_all(app, sender) == 1
    assert sender.emails[0].envelope.recipient == "anna@xn--bcher-kva.example"
    assert sender.emails[0].message.isascii()


def test_a_sign_up_and_its_email_are_one_transaction(app: App) -> None:
    key = "x" * 16
    with app.store.write() as tx:
        subscribe(tx, address=parse_address(ANNA), name="", form="f", origin="", key=key, now=FRIDAY)
    with pytest.raises(Exception, match="UNIQUE"), app.store.write() as tx:
        subscribe(tx, address=parse_address("bob@host.example"), name="", form="f", origin="", key=key, now=FRIDAY)
    with app.store.read() as tx:
        assert (tx.transactional.waiting(), tx.subscribers.by_address("bob@host.example")) == (1, None)
