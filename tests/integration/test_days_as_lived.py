"""Days are those of the newsletter's zone, and a welcome email says and counts what is true."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest

from newsletter.actions.subscribers.confirm import confirm_token
from newsletter.domain.calendar.quarterly import Quarter
from newsletter.domain.tips.tip import TipRules, TipState, TipText, identity
from newsletter.mail.tokens import Purpose
from newsletter.testing import MemorySender
from tests.support.library import SLOT, TUESDAY, add_subscribers, add_tip
from tests.support.publishing import AppHarness, open_app_harness, parse_emails, text_of

WEEK = timedelta(days=7)
EVENING = datetime(2024, 3, 2, 1, 30, tzinfo=UTC)  # Friday, March 1, 20:30 in New York


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[AppHarness]:
    """Four tips, two subscribers, and the evening of the Friday before the slot."""
    with open_app_harness(tmp_path, MemorySender(), rerun_after="3 weeks", rerun_to="unseen") as harness:
        for number in range(4):
            add_tip(harness.files, f"Tip number {number}")
        add_subscribers(harness.files, 2)
        harness.fake_clock.now = EVENING
        yield harness


def welcome(harness: AppHarness, address: str = "ada@a.example") -> EmailMessage:
    """Sign up and confirm; the welcome email."""
    harness.signup.subscribe(address, "Ada", form="page/1", origin="192.0.2.1", proven=True)
    with harness.store.read() as tx:
        found = next(one for one in tx.subscribers.each() if one.address == address)
    token = confirm_token(harness.signer, found.key, int(found.signup_at.timestamp()))
    memory = harness.memory()
    harness.confirm_links.confirm(token)
    harness.transactional.send()
    return parse_emails(memory.emails)[-1]


def words(email: EmailMessage) -> str:
    return " ".join(text_of(email).split())


def test_the_welcome_names_the_next_issue_as_the_calendar_has_it(harness: AppHarness) -> None:
    first = words(welcome(harness, "a@a.example"))
    harness.calendar.skip(SLOT)
    skipped = words(welcome(harness, "b@a.example"))
    harness.calendar.clear_override(SLOT)
    harness.issues.send(early=True)
    early = words(welcome(harness, "c@a.example"))
    harness.tips.pin("tip-number-2", date(2024, 3, 7), datetime(2024, 3, 7, 15, tzinfo=UTC))
    extra = words(welcome(harness, "d@a.example"))

    assert "Your first tip arrives on March 5, 2024" in first
    assert "Your first tip arrives on March 12, 2024" in skipped
    assert "Your first tip arrives on March 12, 2024" in early
    assert "Your first tip arrives on March 7, 2024" in extra
    assert "you confirmed your subscription: a@a.example, March 1, 2024" in first


def test_a_welcome_promises_only_what_it_brings_and_no_tip_twice(harness: AppHarness) -> None:
    before = words(welcome(harness, "a@a.example"))
    harness.fake_clock.now = TUESDAY
    harness.issues.send()
    after = words(welcome(harness, "b@a.example"))
    harness.subscribers.unsubscribe("a@a.example")
    back = words(welcome(harness, "a@a.example"))

    assert "Don’t want to wait?" not in before
    assert "Don’t want to wait? Here is the latest tip: Tip number 0" in after
    assert "Don’t want to wait?" not in back  # that issue was theirs, too


def test_a_tip_that_came_with_the_welcome_counts_as_received(harness: AppHarness) -> None:
    harness.fake_clock.now = TUESDAY
    harness.issues.send()
    welcome(harness, "ada@a.example")
    for week in range(1, 4):
        harness.fake_clock.now = TUESDAY + week * WEEK
        harness.issues.send()
    harness.fake_clock.now = TUESDAY + 4 * WEEK
    issue = harness.issues.send()
    assert issue

    assert issue.tip_key == "tip-number-0"
    assert harness.row("ada@a.example", issue.number).reason == "had_it"


def test_a_welcome_can_be_unsubscribed_from_with_one_click(harness: AppHarness) -> None:
    email = welcome(harness)
    token = str(email["List-Unsubscribe"]).strip("<>").rpartition("/")[2]

    assert email["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert harness.signer.open(Purpose.UNSUBSCRIBE, token)


def test_consent_is_dated_in_the_newsletters_zone(harness: AppHarness) -> None:
    welcome(harness)
    harness.subscribers.pause("ada@a.example", 4)
    with harness.store.read() as tx:
        found = next(one for one in tx.subscribers.each() if one.address == "ada@a.example")
    data = harness.preferences.data(harness.signer.sign(Purpose.PREFERENCES, found.key))

    assert data["confirmed_at"] == "2024-03-01T20:30:00-05:00"
    assert [entry["at"][:10] for entry in data["consent"]] == ["2024-03-01"] * 3
    assert data["consent"][-1]["proof"] == "until 2024-03-29, command"
    assert json.dumps(data)


@pytest.mark.parametrize("text", ["March 20, 2024", "20 March", "2024-03-20", "3/20/2024"])
def test_a_pause_takes_a_date_as_people_write_it(harness: AppHarness, text: str) -> None:
    welcome(harness)
    with harness.store.read() as tx:
        found = next(one for one in tx.subscribers.each() if one.address == "ada@a.example")
    changed = harness.preferences.pause_until(harness.signer.sign(Purpose.PREFERENCES, found.key), text)

    assert changed
    assert changed.paused_until == datetime(2024, 3, 20, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    ("rules", "chosen"),
    [(TipRules(season="US Thanksgiving"), "plain"), (TipRules(months="November"), "plain"), (TipRules(), "loved")],
)
def test_the_quarterly_email_is_never_out_of_season(tmp_path: Path, rules: TipRules, chosen: str) -> None:
    with open_app_harness(tmp_path, MemorySender()) as harness:
        for key, text in (
            ("loved", TipText("A loved tip", "Say it.", rules=rules)),
            ("plain", TipText("A plain tip", "Do it.")),
        ):
            with harness.store.write() as tx:
                tx.tips.add(text, identity(text.title, None), key, TipState.FRESH, TUESDAY)
                issue = tx.issues.plan(None, TUESDAY, TUESDAY, day=date(2024, 3, 5 if key == "loved" else 12))
                tx.issues.bind(issue.number, tx.tips.get(key).card.id)
        connection = sqlite3.connect(tmp_path / "newsletter.db")
        connection.execute("UPDATE issue SET state = 'done'")
        connection.execute(
            "INSERT INTO vote (tip_id, subscriber_id, useful) SELECT id, 1, 1 FROM tip WHERE key = 'loved'"
        )
        connection.commit()
        connection.close()
        harness.fake_clock.now = datetime(2024, 4, 1, 12, tzinfo=UTC)
        coming = harness.issues.next_quarterly()

    assert coming.quarter == Quarter(2024, 2)
    assert coming.tip
    assert coming.tip.key == chosen
