"""A welcome series: new subscribers of a list get its course first, with one confirmation, and then the list itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from newsletter.domain.errors import InputError, Refused
from newsletter.domain.lists import MailingList, Order
from newsletter.domain.subscribers.subscription import Verdict
from newsletter.domain.tips.tip import TipState, TipText, identity
from newsletter.testing import MemorySender
from tests.support.library import TUESDAY
from tests.support.publishing import AppHarness, open_app_harness, parse_emails, text_of

WEEK = timedelta(days=7)


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[AppHarness]:
    """A list whose new subscribers get two tips of `start` first."""
    with open_app_harness(tmp_path, MemorySender()) as harness:
        harness.lists.add(MailingList(0, "start", 0, own={"title": "First Steps"}, order=Order.COURSE, then="tips"))
        harness.lists.edit("tips", onboarding="start")
        for key, titles in (("start", ("One", "Two")), ("tips", ("Main", "More", "Most", "Last"))):
            with harness.of_list(key).store.write() as tx:
                for title in titles:
                    tx.tips.add(TipText(title, "Do it."), identity(title, None), title.lower(), TipState.FRESH, TUESDAY)
        harness.fake_clock.now = TUESDAY - timedelta(days=1)
        yield harness


def sign_up(harness: AppHarness, address: str = "ada@a.example") -> None:
    harness.signup.subscribe(address, "", form="page/1", origin="192.0.2.1")


def emails(harness: AppHarness) -> list[str]:
    """Send the transactional emails; their texts."""
    memory = harness.sender()
    assert isinstance(memory, MemorySender)
    before = len(memory.emails)
    harness.transactional.send()
    return [text_of(one) for one in parse_emails(memory.emails[before:])]


def confirm(harness: AppHarness, text: str) -> Verdict:
    link = re.search(r"/confirm/(\S+)", text)
    assert link
    return harness.confirm_links.confirm(link[1]).verdict


def tuesday(harness: AppHarness, week: int) -> list[str]:
    """Play a Tuesday and the day after it; the subjects that were sent."""
    harness.fake_clock.now = TUESDAY + week * WEEK
    memory = harness.sender()
    assert isinstance(memory, MemorySender)
    before = len(memory.emails)
    for app in harness.each_list():
        app.issues.publish_due()
        for issue in app.issues.unfinished():
            with app.store.sending("test", app.clock()) as lock:
                app.delivery.deliver(lock, issue)
    harness.fake_clock.forward(days=1, hours=2)
    harness.maintenance.run()
    return [str(one["Subject"]) for one in parse_emails(memory.emails[before:])]


def statuses(harness: AppHarness, address: str = "ada@a.example") -> dict[str, str]:
    found = {}
    for app in harness.each_list():
        with app.store.read() as tx:
            subscriber = tx.subscribers.by_address(address)
            found[app.list_key] = subscriber.status.value if subscriber else "unknown"
    return found


def test_a_new_subscriber_gets_the_series_and_then_the_list_with_one_confirmation(harness: AppHarness) -> None:
    sign_up(harness)
    (asked,) = emails(harness)
    assert "our welcome series “First Steps”, and after its last tip “Tip of the Week”." in " ".join(asked.split())
    assert confirm(harness, asked) is Verdict.DO
    assert statuses(harness) == {"tips": "none", "start": "confirmed"}
    (welcome,) = emails(harness)
    assert "After the last tip of “First Steps”, you get “Tip of the Week”" in " ".join(welcome.split())
    assert "March 5, 2024" in welcome

    assert [tuesday(harness, week) for week in range(4)] == [["One"], ["Two"], ["Main"], ["More"]]
    assert statuses(harness) == {"tips": "confirmed", "start": "none"}


def test_who_is_in_the_series_is_not_asked_again_and_the_link_still_says_so(harness: AppHarness) -> None:
    sign_up(harness)
    (asked,) = emails(harness)
    confirm(harness, asked)
    emails(harness)
    harness.fake_clock.forward(days=2)
    sign_up(harness)

    assert emails(harness) == []
    assert statuses(harness) == {"tips": "none", "start": "confirmed"}
    assert confirm(harness, asked) is Verdict.ALREADY


def test_who_unsubscribes_from_the_series_does_not_get_the_list_and_can_come_back(harness: AppHarness) -> None:
    sign_up(harness)
    confirm(harness, emails(harness)[0])
    tuesday(harness, 0)
    harness.of_list("start").subscribers.unsubscribe("ada@a.example")
    assert [tuesday(harness, week) for week in range(1, 3)] == [[], []]
    sign_up(harness)
    confirm(harness, emails(harness)[-1])

    assert [tuesday(harness, week) for week in range(3, 5)] == [["Two"], ["Main"]]


def test_a_former_subscriber_of_the_list_comes_back_to_it_directly(harness: AppHarness) -> None:
    harness.subscribers.add("ada@a.example", confirmed_source="a test")
    harness.subscribers.unsubscribe("ada@a.example")
    harness.fake_clock.forward(days=2)
    sign_up(harness)
    confirm(harness, emails(harness)[-1])

    assert statuses(harness) == {"tips": "confirmed", "start": "none"}


def test_a_series_that_does_not_lead_to_the_list_is_refused(harness: AppHarness) -> None:
    with pytest.raises(InputError, match="start does not lead to tips"):
        harness.lists.edit("start", then="")
    with pytest.raises(InputError, match="start does not lead to advice"):
        harness.lists.add(MailingList(0, "advice", 0, own={"title": "Advice"}, onboarding="start"))


def test_a_series_is_not_retired_while_somebody_waits_in_it_for_the_list(harness: AppHarness) -> None:
    sign_up(harness)
    confirm(harness, emails(harness)[0])
    harness.lists.edit("tips", onboarding="")
    with pytest.raises(Refused, match="1 subscriber of start would never get to tips"):
        harness.lists.retire("start")
    for week in range(3):
        tuesday(harness, week)

    assert statuses(harness) == {"tips": "confirmed", "start": "none"}
    assert harness.lists.retire("start").list.retired_at


def test_the_link_in_an_old_email_of_the_series_ends_the_list_that_they_have_moved_on_to(harness: AppHarness) -> None:
    sign_up(harness)
    confirm(harness, emails(harness)[0])
    tuesday(harness, 0)
    memory = harness.sender()
    assert isinstance(memory, MemorySender)
    link = re.search(r"/u/([^>\s]+)", str(parse_emails(memory.emails[-1:])[0]["List-Unsubscribe"]))
    assert link
    assert [tuesday(harness, week) for week in (1, 2)] == [["Two"], ["Main"]]

    assert harness.unsubscribe_links.view(link[1]).status == "confirmed"
    assert harness.unsubscribe_links.unsubscribe(link[1], how="one-click").verdict is Verdict.DO
    assert statuses(harness) == {"tips": "unsubscribed", "start": "none"}
    assert tuesday(harness, 3) == []
