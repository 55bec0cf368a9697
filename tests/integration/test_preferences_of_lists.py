"""The preferences page of a subscriber with several lists: each has its own, and one page shows them all."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from newsletter.domain.subscribers.subscription import Frequency
from tests.support.several_lists import ANNA, consents, join, sent, statuses, three_lists
from tests.support.web import WebHarness


@pytest.fixture
def three(tmp_path: Path) -> Iterator[WebHarness]:
    with three_lists(tmp_path) as harness:
        join(harness, "tips")
        yield harness


def change(site: WebHarness, expected: int = 200, **fields: str) -> str:
    answer = site.http.post(site.preferences_path(ANNA), data=fields)
    assert answer.status_code == expected, answer.text
    return answer.text


def page(site: WebHarness) -> str:
    before = site.rows()
    answer = site.http.get(site.preferences_path(ANNA))
    assert (answer.status_code, site.rows()) == (200, before)
    return answer.text


def test_the_page_shows_each_list_that_they_have_or_may_join(three: WebHarness) -> None:
    shown = page(three)

    assert "Business Advice" in shown
    assert 'aria-label="Subscribe to Business Advice"' in shown
    assert 'aria-label="Unsubscribe from Tip of the Week"' in shown
    assert "Board" not in shown


def test_with_one_list_the_page_does_not_speak_of_lists(three: WebHarness) -> None:
    three.app.lists.retire("advice")
    shown = page(three)

    assert 'name="list"' not in shown
    assert "All newsletters" not in shown


def test_one_click_joins_another_list_and_is_kept_as_consent(three: WebHarness) -> None:
    shown = change(three, action="join", list="advice")

    assert "Business Advice: You’re subscribed. A welcome email is on its way." in shown
    assert statuses(three) == {"tips": "confirmed", "advice": "confirmed"}
    last = consents(three)[-1]
    assert (last.list_id, last.what, last.proof) == (2, "confirm", "preferences")
    ((sender, subject, _),) = sent(three)
    assert (sender, subject) == ("Ben Advisor <advice@tips.example>", "Welcome to Business Advice")


def test_a_list_that_is_not_public_cannot_be_joined(three: WebHarness) -> None:
    change(three, 422, action="join", list="board")
    change(three, 422, action="join", list="unknown")
    for action in ("leave", "pause", "pace"):  # none of them tells whether there is such a list
        asked = {key: change(three, 422, action=action, list=key, weeks="4", pace="monthly") for key in ("board", "no")}
        assert asked["board"] == asked["no"]
    assert statuses(three) == {"tips": "confirmed"}


def test_whoever_has_unsubscribed_from_everything_cannot_join_with_one_click(three: WebHarness) -> None:
    change(three, action="leave", list="all")
    change(three, 422, action="join", list="advice")
    assert statuses(three) == {"tips": "unsubscribed"}


def test_each_list_has_its_own_pause_and_frequency(three: WebHarness) -> None:
    change(three, action="join", list="advice")
    change(three, action="pause", weeks="4", list="advice")
    assert statuses(three) == {"tips": "confirmed", "advice": "paused"}
    change(three, action="resume", list="advice")
    change(three, action="pace", pace="monthly", list="advice")
    with three.app.store.read() as tx:
        found = {one.list_id: one for one in tx.subscribers.subscriptions(three.subscriber(ANNA).id)}
    assert (found[1].pace, found[2].pace) == (Frequency.WEEKLY, Frequency.MONTHLY)
    change(three, action="leave", list="advice")
    assert statuses(three) == {"tips": "confirmed", "advice": "unsubscribed"}


def test_all_lists_are_paused_and_ended_together(three: WebHarness) -> None:
    change(three, action="join", list="advice")
    change(three, action="pause", until="2025-06-01", weeks="until", list="all")
    assert statuses(three) == {"tips": "paused", "advice": "paused"}
    assert "You get no emails until June 1, 2025." in page(three)
    change(three, action="leave", list="all")
    assert statuses(three) == {"tips": "unsubscribed", "advice": "unsubscribed"}


def test_at_most_one_email_a_day_is_their_choice(three: WebHarness) -> None:
    assert "checked>" not in page(three).partition('id="one-a-day"')[2].partition("<label")[0]
    change(three, action="one-a-day", one_a_day="yes")
    assert three.subscriber(ANNA).one_a_day
    assert consents(three)[-1].what == "one-a-day"
    change(three, action="one-a-day")
    assert not three.subscriber(ANNA).one_a_day


def test_a_subscriber_of_another_list_only_can_move_and_gets_the_link(three: WebHarness) -> None:
    change(three, action="join", list="advice")
    change(three, action="leave", list="tips")
    sent(three)
    change(three, action="address", email="new@host.example")
    three.http.post("/link", data={"email": ANNA})

    emails = sent(three)
    assert sorted(subject for _, subject, _ in emails) == [
        "Confirm your new address: Tip of the Week",
        "Manage your subscription: Business Advice",
    ]
    link = next(text for _, subject, text in emails if "Confirm your new" in subject)
    path = next(word.removeprefix("https://tips.example") for word in link.split() if "/move/" in word)
    assert three.http.post(path).status_code == 200
    assert statuses(three, "new@host.example") == {"tips": "unsubscribed", "advice": "confirmed"}


def test_the_page_of_an_unconfirmed_subscriber_offers_no_list_to_join(three: WebHarness) -> None:
    three.clock.now = datetime(2025, 5, 2, 9, 30, tzinfo=UTC) + timedelta(hours=1)
    three.http.post("/subscribe", data={"email": "ben@host.example", "list": "advice"})
    answer = three.http.get(three.preferences_path("ben@host.example"))

    assert 'value="join"' not in answer.text
    assert "Waiting for you to click the button in our email" in answer.text


def test_the_data_of_a_subscriber_has_every_subscription(three: WebHarness) -> None:
    change(three, action="join", list="advice")
    found = three.http.get(f"{three.preferences_path(ANNA)}/data.json").json()

    assert [(one["list"], one["status"]) for one in found["subscriptions"]] == [
        ("tips", "confirmed"),
        ("advice", "confirmed"),
    ]
    assert found["consent"][-1]["list"] == "advice"
