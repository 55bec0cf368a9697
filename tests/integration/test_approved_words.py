"""An approval is for the words of the email: other words wait for another approval, and the owner is told why."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from newsletter.domain.calendar.overrides import CHANGED
from newsletter.domain.delivery.issue import IssueState
from newsletter.domain.errors import Refused
from newsletter.rendering.data import data_dir
from newsletter.testing import MemorySender
from newsletter.web import make_web
from newsletter.web.server import WebServer
from tests.support.library import SLOT, TUESDAY, add_subscribers, add_tip
from tests.support.publishing import AppHarness, open_app_harness, owner_emails, text_of

WAITS = "the email has changed since you approved it, so it is waiting for your approval again"


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """The owner's template of the text part."""
    path = tmp_path / "own" / "email" / "issue" / "body.txt"
    path.parent.mkdir(parents=True)
    ours = (data_dir() / "templates" / "email" / "issue" / "body.txt").read_text()
    path.write_text(ours.replace("{{ body_text }}", "Hello!\n\n{{ body_text }}"))
    return path


@pytest.fixture
def harness(tmp_path: Path, own: Path) -> Iterator[AppHarness]:
    """An issue for tomorrow that needs an approval, and templates of the owner's."""
    directory = str(own.parents[2])
    with open_app_harness(tmp_path, MemorySender(), approval="required", templates=directory) as harness:
        add_subscribers(harness.files, 2)
        for number in range(3):
            add_tip(harness.files, f"Tip {number}")
        harness.fake_clock.now = TUESDAY - timedelta(hours=20)
        yield harness


@contextmanager
def reopened(tmp_path: Path, **settings: str) -> Iterator[AppHarness]:
    """The same newsletter with other settings, a minute before the slot."""
    with open_app_harness(tmp_path, MemorySender(), approval="required", **settings) as harness:
        harness.fake_clock.now = TUESDAY - timedelta(minutes=1)
        yield harness


def reword(own: Path, old: str = "Hello!", new: str = "Good morning!") -> None:
    own.write_text(own.read_text().replace(old, new))


def approve_link(harness: AppHarness) -> tuple[str, str]:
    """The path of the link in the only preview, and the words of that email on one line."""
    (preview,) = [mail for mail in owner_emails(harness) if "Preview" in str(mail["Subject"])]
    found = re.search(r"https://tips\.example(/owner/approve\.\S+)", text_of(preview))
    assert found
    return found[1], " ".join(text_of(preview).split())


def post(harness: AppHarness, path: str) -> str:
    server = WebServer(make_web(harness), "127.0.0.1", 0)
    server.start()
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", trust_env=False) as client:
        page = client.post(path).text
    server.stop()
    return page


def test_a_template_that_changes_after_the_approval_waits_for_another_one(harness: AppHarness, own: Path) -> None:
    link, before = approve_link(harness)
    post(harness, link)
    approved = harness.issues.next().waits
    reword(own)
    looked = harness.issues.next().waits, harness.calendar.waiting(harness.calendar.forecast(2))[SLOT]
    with harness.store.read() as tx:
        assert tx.calendar.overrides()[SLOT].words != CHANGED, "to look changes nothing"
    harness.fake_clock.now = TUESDAY
    held = harness.issues.publish_due()
    assert held
    (again, after), waits = approve_link(harness), harness.calendar.last_slot().words
    nothing_yet = harness.issues.publish_due()
    by_the_old_link = post(harness, link)
    still = harness.issues.publish_due()
    post(harness, again)
    issue = harness.issues.publish_due()

    assert (approved, looked) == ("", (WAITS, WAITS))
    assert (held.state, held.tip_key) == (IssueState.PLANNED, None)
    assert "Hello!" in before
    assert "Good morning!" in after
    assert WAITS[1:] in after
    assert WAITS in waits
    assert (nothing_yet, still) == (None, None)
    assert "The email has changed since that preview was sent" in by_the_old_link
    assert issue
    assert (issue.state, issue.tip_key) == (IssueState.SENDING, "tip-0")


def test_a_template_that_changes_after_the_preview_is_previewed_again_before_it_is_approved(
    harness: AppHarness, own: Path
) -> None:
    link, _ = approve_link(harness)
    reword(own)
    page = post(harness, link)
    again, after = approve_link(harness)
    waits = harness.issues.next().waits
    post(harness, again)

    assert "A new preview is on its way to you" in page
    assert "Good morning!" in after
    assert (waits, harness.issues.next().waits) == ("it is waiting for your approval", "")


def test_an_issue_that_is_compiled_after_a_crash_is_compared_again(harness: AppHarness, own: Path) -> None:
    harness.calendar.approve(SLOT)
    harness.fake_clock.now = TUESDAY
    publisher = harness.publisher
    with harness.store.write() as tx:
        issue = tx.issues.plan(SLOT, TUESDAY, TUESDAY)
    prepared = publisher._choose(issue, TUESDAY)
    reword(own)
    publisher.finish_preparing(TUESDAY)
    waiting = harness.issue()
    harness.calendar.approve(SLOT)
    publisher.finish_preparing(TUESDAY)

    assert prepared.state is waiting.state is IssueState.PREPARING
    assert harness.issue().state is IssueState.SENDING


@pytest.mark.parametrize(
    ("setting", "waits"),
    [
        ({"title": "A new title"}, WAITS),
        ({"from": "Bea Beispiel <tips@tips.example>"}, WAITS),
        ({"postal_address": "1 Main Street"}, WAITS),
        ({"reply_to": "bea@tips.example"}, WAITS),
        ({"color": "#7a1f1f"}, ""),
        ({"secret_key": "another-key-that-only-tests-have-01"}, ""),
        ({"first_issue": "40"}, ""),
    ],
)
def test_a_setting_that_is_in_the_email_counts_like_its_words(
    tmp_path: Path, setting: dict[str, str], waits: str
) -> None:
    with reopened(tmp_path) as harness:
        add_subscribers(harness.files, 2)
        add_tip(harness.files)
        harness.calendar.approve(SLOT)
    with reopened(tmp_path, **setting) as harness:
        assert harness.issues.next().waits == waits


@pytest.mark.parametrize(
    ("old", "new", "waits"),
    [
        ("</body>", "<p>Buy my book.</p></body>", WAITS),
        ("</head>", "<style>p { color: #7a1f1f }</style></head>", ""),
    ],
)
def test_the_words_of_the_html_part_count_and_its_looks_do_not(
    harness: AppHarness, own: Path, old: str, new: str, waits: str
) -> None:
    html = own.with_name("body.html")
    html.write_text("<html><head></head><body>{{ body_html }}{{ unsubscribe_url }}</body></html>")
    harness.calendar.approve(SLOT)
    reword(html, old, new)

    assert harness.issues.next().waits == waits


def test_what_changes_by_itself_until_the_slot_voids_no_approval(tmp_path: Path) -> None:
    with reopened(tmp_path) as harness:
        add_subscribers(harness.files, 2)
        for title in ("One", "Two"):
            add_tip(harness.files, title)
        harness.calendar.approve(SLOT)
        harness.issues.send(extra_tip="two")  # the number of the next issue, and a tip to link to
        with harness.store.write() as tx:
            tx.tips.change_key(tx.tips.get("one").card.id, "uno")
        harness.fake_clock.now = TUESDAY
        issue = harness.issues.publish_due()

    assert issue
    assert (issue.number, issue.tip_key, issue.state) == (2, "uno", IssueState.SENDING)


def test_words_that_change_back_do_not_approve_what_the_owner_was_told_is_waiting(
    harness: AppHarness, own: Path
) -> None:
    harness.calendar.approve(SLOT)
    reword(own)
    approve_link(harness)
    reword(own, "Good morning!", "Hello!")

    assert harness.issues.next().waits == WAITS


def test_an_approval_by_an_older_version_is_for_the_tip(harness: AppHarness, own: Path, tmp_path: Path) -> None:
    harness.calendar.approve(SLOT)
    with closing(sqlite3.connect(tmp_path / "newsletter.db")) as db, db:
        db.execute("UPDATE slot_wish SET words = ''")
    reword(own)

    assert harness.issues.next().waits == ""


def test_broken_templates_cannot_be_approved(harness: AppHarness, own: Path) -> None:
    harness.calendar.approve(SLOT)
    reword(own, "Hello!", "{{ no_such_thing }}")
    with pytest.raises(Refused, match="no email to approve"):
        harness.calendar.approve(SLOT)
    with harness.store.read() as tx:
        before = tx.calendar.overrides()[SLOT]
    assert before == replace(before, about="tip-0"), "and the earlier approval stays as it is"
