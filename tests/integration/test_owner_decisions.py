"""What the owner decides about a tip holds for the text that was shown, and every decision can be taken back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path

import httpx
import pytest

from newsletter.domain.calendar.overrides import Override
from newsletter.testing import MemorySender
from newsletter.web import make_web
from newsletter.web.server import WebServer
from tests.support.library import SLOT, TUESDAY, add_subscribers, add_tip
from tests.support.publishing import AppHarness, open_app_harness, owner_emails, parse_emails, text_of

BODY = "Say the name of the person you talk to, once and early, and mean it. " * 6
EDITED = f"---\ntitle: Tip number 0\n---\n\nAsk for the name first. {BODY}"


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[AppHarness]:
    """An issue for tomorrow that needs an approval."""
    with open_app_harness(tmp_path, MemorySender(), approval="required") as harness:
        add_subscribers(harness.files, 2)
        for number in range(12):
            add_tip(harness.files, f"Tip number {number}", body=f"{BODY} {number}")
        harness.fake_clock.now = TUESDAY - timedelta(hours=20)
        yield harness


@pytest.fixture
def visit(harness: AppHarness) -> Iterator[httpx.Client]:
    with _pages(harness) as client:
        yield client


@contextmanager
def _pages(harness: AppHarness) -> Iterator[httpx.Client]:
    server = WebServer(make_web(harness), "127.0.0.1", 0)
    server.start()
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", trust_env=False) as client:
        yield client
    server.stop()


def links(email: EmailMessage) -> dict[str, str]:
    found = re.findall(r"https://tips\.example(/owner/(\w+)\.\S+)", text_of(email))
    return {action: path for path, action in found}


def previews(harness: AppHarness) -> list[EmailMessage]:
    return [email for email in owner_emails(harness) if "Preview" in str(email["Subject"])]


def plan(page: str) -> list[str]:
    """What a page says about the slots, in order."""
    return re.findall(r"<dd>([^<]*?) <span", page)


def test_an_edited_tip_loses_its_approval_and_is_previewed_again(harness: AppHarness, visit: httpx.Client) -> None:
    old = previews(harness)[0]
    visit.post(links(old)["approve"])
    approved = harness.issues.next().waits
    harness.tips.edit("tip-number-0", EDITED)
    waits, again = harness.issues.next().waits, previews(harness)
    by_the_old_link = visit.post(links(old)["approve"]).text
    still_waits = harness.issues.next().waits
    visit.post(links(again[0])["approve"])

    assert (approved, waits) == ("", "it is waiting for your approval")
    assert [str(email["Subject"]) for email in (old, *again)] == ["Preview: waits for you – Tip number 0"] * 2
    assert "Ask for the name first" in text_of(again[0])
    assert "The plan has changed since that email was sent" in by_the_old_link
    assert (still_waits, harness.issues.next().waits) == ("it is waiting for your approval", "")
    assert previews(harness) == []


def test_another_rule_for_reruns_is_no_other_text(harness: AppHarness, visit: httpx.Client) -> None:
    visit.post(links(previews(harness)[0])["approve"])
    harness.tips.rerun("tip-number-0", "never")

    assert harness.issues.next().waits == ""
    assert previews(harness) == []


@pytest.mark.parametrize("action", ["skip", "hold", "approve", "swap"])
def test_the_page_after_a_click_shows_the_plan_as_it_is_and_takes_the_decision_back(
    harness: AppHarness, visit: httpx.Client, action: str
) -> None:
    found = links(previews(harness)[0])
    before = plan(visit.get(found["hold"]).text)
    done = visit.post(found[action]).text
    plans = {
        "skip": ["No issue", "Tip number 0", "Tip number 1", "Tip number 2"],
        "swap": ["Tip number 1", "Tip number 0", "Tip number 2", "Tip number 3"],
    }
    undo = re.search(r'action="([^"]*)"\s*>\s*<button class="quiet" type="submit">Undo<', done)
    assert undo
    visit.post(undo[1])

    assert before == [f"Tip number {number}" for number in range(4)]
    assert plan(done) == plans.get(action, before)
    assert plan(visit.get(found["hold"]).text) == before
    with harness.store.read() as tx:
        assert SLOT not in tx.calendar.overrides()


def test_a_skipped_week_offers_only_what_is_possible(harness: AppHarness, visit: httpx.Client) -> None:
    page = visit.post(links(previews(harness)[0])["skip"]).text
    offered = re.findall(r'<a class="button quiet" href="/owner/(\w+)\.', page)
    answers = [
        visit.post(path).status_code for path in re.findall(r'<a class="button quiet" href="(/owner/[^"]*)"', page)
    ]

    assert offered == ["approve", "hold"]
    assert answers == [200, 200]


def test_an_issue_on_hold_says_so_in_the_calendar(harness: AppHarness) -> None:
    harness.calendar.approve(SLOT)
    harness.calendar.hold(SLOT + timedelta(days=7), "the lawyer reads it")
    waits = harness.calendar.waiting(harness.calendar.forecast(3))

    assert waits == {
        SLOT + timedelta(days=7): "you put it on hold: the lawyer reads it",
        SLOT + timedelta(days=14): "it is waiting for your approval",
    }


@pytest.mark.parametrize("hours", [1, 30])
def test_the_owner_is_told_that_the_first_issue_was_not_approved(harness: AppHarness, hours: int) -> None:
    harness.fake_clock.now = TUESDAY + timedelta(hours=hours)
    harness.issues.publish_due()
    subjects = [str(email["Subject"]) for email in owner_emails(harness)]

    assert any("March 5, 2024" in subject for subject in subjects)
    assert not harness.calendar.last_slot().ok


def test_a_link_only_shows_what_it_would_do(harness: AppHarness, visit: httpx.Client) -> None:
    found = links(previews(harness)[0])
    visit.post(found["hold"])
    page = visit.get(found["skip"].replace("/skip.", "/undo.")).status_code
    with harness.store.read() as tx:
        kind = tx.calendar.overrides()[SLOT].kind

    assert (page, kind) == (400, Override.HOLD)


def test_every_owner_gets_each_email_once(tmp_path: Path) -> None:
    owners = "Ada <ada@tips.example>, bob@tips.example"
    with open_app_harness(tmp_path, MemorySender(), owner=owners) as harness:
        add_subscribers(harness.files, 2)
        add_tip(harness.files)
        harness.fake_clock.now = TUESDAY - timedelta(hours=20)
        memory = harness.memory()
        for _ in range(2):
            harness.owner.notify()
            harness.transactional.send()
        harness.owner.alert("The issue could not be sent", ["The relay is gone."], "Fix that")
        harness.transactional.send()
        sent = [
            (email.envelope.recipient, str(mail["Subject"]))
            for email, mail in zip(memory.emails, parse_emails(memory.emails), strict=True)
        ]

    both = {"ada@tips.example", "bob@tips.example"}
    for subject in {subject for _, subject in sent}:
        assert sorted(to for to, other in sent if other == subject) == sorted(both), subject
    assert len({subject for _, subject in sent}) >= 3


def test_an_alert_names_the_tip_and_the_date_in_its_commands(harness: AppHarness) -> None:
    add_tip(harness.files, "Merry Christmas", body=f"TODO: {BODY}")
    harness.tips.move("merry-christmas", first=True)
    alerts = {str(email["Subject"]): " ".join(text_of(email).split()) for email in owner_emails(harness)}
    text = next(text for subject, text in alerts.items() if "cannot be sent" in subject)

    assert "newsletter tips edit merry-christmas" in text
    assert not re.search(r"\bKEY\b|\?\.|\.\.", text)
