"""A subscriber with several lists over real HTTP and real emails: sign up, confirm, and unsubscribe."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from newsletter.actions.subscribers.confirm import confirm_token
from newsletter.domain.errors import Refused
from newsletter.domain.lists import MailingList, issue_id
from newsletter.mail.tokens import Purpose
from newsletter.mail.verp import base36
from tests.support.several_lists import ANNA, consents, join, path_in, sent, sign_up, statuses, three_lists
from tests.support.web import WebHarness

JSON = {"Accept": "application/json"}


@pytest.fixture
def three(tmp_path: Path) -> Iterator[WebHarness]:
    with three_lists(tmp_path) as harness:
        yield harness


# -- sign up ---------------------------------------------------------------------------------------


def test_one_email_and_one_button_confirm_several_lists(three: WebHarness) -> None:
    assert sign_up(three, ["advice", "tips"], name="Evil Words") == 303
    ((sender, subject, text),) = sent(three)

    assert sender == "Anna Beispiel <tips@tips.example>"
    assert subject == "Please confirm: Tip of the Week and Business Advice"
    assert "Tip of the Week and Business Advice" in " ".join(text.split())
    assert "Please confirm that you want to receive them." in " ".join(text.split())
    assert "Evil" not in text
    assert statuses(three) == {"tips": "pending", "advice": "pending"}

    page = three.http.get(path_in(text, "/confirm/")).text
    assert "Business Advice: every Thursday" in page
    assert three.http.post(path_in(text, "/confirm/")).status_code == 200
    assert statuses(three) == {"tips": "confirmed", "advice": "confirmed"}
    ((_, subject, welcome),) = sent(three)
    assert subject == "Welcome to Tip of the Week and Business Advice"
    assert "You’re subscribed to Tip of the Week and Business Advice." in " ".join(welcome.split())
    assert [one.list_id for one in consents(three)] == [1, 2, 1, 2]


def test_emails_of_another_list_are_its_own(three: WebHarness) -> None:
    assert sign_up(three, "advice") == 303
    ((sender, subject, text),) = sent(three)

    assert (sender, subject) == ("Ben Advisor <advice@tips.example>", "Please confirm: Business Advice")
    three.http.post(path_in(text, "/confirm/"))
    assert statuses(three) == {"advice": "confirmed"}
    ((sender, subject, _),) = sent(three)
    assert (sender, subject) == ("Ben Advisor <advice@tips.example>", "Welcome to Business Advice")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, {"tips"}),
        ({"list": "advice"}, {"advice"}),
        ({"lists": "advice, tips"}, {"tips", "advice"}),
        ({"list": ["tips", "advice"]}, {"tips", "advice"}),
    ],
)
def test_a_sign_up_says_its_lists_in_json_and_in_forms(
    three: WebHarness, fields: dict[str, object], expected: set[str]
) -> None:
    assert three.http.post("/subscribe", json={"email": ANNA, **fields}, headers=JSON).status_code == 202
    assert three.http.post("/subscribe", data={"email": "ben@host.example", **fields}).status_code == 303

    assert set(statuses(three)) == set(statuses(three, "ben@host.example")) == expected


@pytest.mark.parametrize("lists", ["board", "unknown", "tips,unknown", ""])
def test_a_list_that_is_not_offered_is_named_and_nothing_is_saved(three: WebHarness, lists: str) -> None:
    three.app.lists.retire("advice")
    answer = three.http.post("/subscribe", json={"email": ANNA, "list": lists}, headers=JSON)

    assert answer.status_code == 422
    assert answer.json()["fix"] in {"Choose from: tips", "Choose at least one"}
    assert sign_up(three, lists) == 422
    assert statuses(three) == {}


def test_who_is_subscribed_elsewhere_has_to_confirm_a_further_list(three: WebHarness) -> None:
    join(three, "tips")
    first = three.http.post("/subscribe", data={"email": ANNA, "list": "advice"})
    other = three.http.post("/subscribe", data={"email": "new@host.example", "list": "advice"})

    assert (first.status_code, first.headers["location"]) == (other.status_code, other.headers["location"])
    assert statuses(three) == {"tips": "confirmed", "advice": "pending"}
    assert any("/confirm/" in text for _, _, text in sent(three))
    three.clock.forward(days=3, hours=1)
    three.app.maintenance.run()
    reminder = next(text for _, subject, text in sent(three) if "Still interested in Business Advice" in subject)
    assert path_in(reminder, "/confirm/")
    assert statuses(three)["tips"] == "confirmed"


def test_one_reminder_is_about_all_lists_of_a_sign_up(three: WebHarness) -> None:
    sign_up(three, ["tips", "advice"])
    sent(three)
    three.clock.forward(days=3, hours=1)

    assert three.app.maintenance.run()["reminded"] == 1
    ((_, subject, text),) = sent(three)
    assert subject == "Still interested in Tip of the Week and Business Advice?"
    three.http.post(path_in(text, "/confirm/"))
    assert statuses(three) == {"tips": "confirmed", "advice": "confirmed"}


def test_the_emails_to_a_mailbox_count_over_all_lists(three: WebHarness) -> None:
    for _ in range(4):
        sign_up(three, "tips")
        sign_up(three, "advice")
        three.clock.forward(days=1, minutes=1)

    assert len(sent(three)) <= 4
    assert len(three.emails()) <= 4


def test_an_old_confirm_link_is_for_the_first_list(three: WebHarness) -> None:
    sign_up(three, "tips advice")
    person = three.subscriber(ANNA)
    token = confirm_token(three.app.signer, person.key, int(person.signup_at.timestamp()))
    assert token.count(".") == 2

    three.http.post(f"/confirm/{token}")
    assert statuses(three) == {"tips": "confirmed", "advice": "pending"}


# -- unsubscribe -----------------------------------------------------------------------------------


def unsubscribe_path(site: WebHarness, *fields: str) -> str:
    return f"/u/{site.app.signer.sign(Purpose.UNSUBSCRIBE, site.subscriber(ANNA).key, *fields)}"


def test_one_click_ends_exactly_the_list_of_the_issue(three: WebHarness) -> None:
    join(three, "tips", "advice")
    path = unsubscribe_path(three, base36(issue_id(2, 3)))
    answer = three.http.post(path, data={"List-Unsubscribe": "One-Click"})

    assert statuses(three) == {"tips": "confirmed", "advice": "unsubscribed"}
    assert "We won’t send you Business Advice anymore." in answer.text
    assert consents(three)[-1].proof == "issue 3, one-click"
    ((sender, subject, text),) = sent(three)
    assert (sender, subject) == ("Ben Advisor <advice@tips.example>", "You have unsubscribed from Business Advice")
    assert "You are still subscribed to Tip of the Week." in text
    back = path_in(text, "/back/")
    assert "subscribed to Business Advice again" in three.http.get(back).text
    assert three.http.post(back).status_code == 200
    assert statuses(three) == {"tips": "confirmed", "advice": "pending"}


def test_the_page_after_it_has_a_button_for_each_other_list_and_one_for_all(three: WebHarness) -> None:
    join(three, "tips", "advice")
    before = three.rows()
    page = three.http.get(unsubscribe_path(three)).text
    assert "Unsubscribe from Tip of the Week?" in page
    assert three.rows() == before

    page = three.http.post(unsubscribe_path(three)).text
    (other,) = re.findall(r'action="(/u/[^"/]+)"><button class="quiet" type="submit" aria-label="Unsub', page)
    assert statuses(three) == {"tips": "unsubscribed", "advice": "confirmed"}
    three.http.post(other)
    assert statuses(three) == {"tips": "unsubscribed", "advice": "unsubscribed"}


def test_unsubscribing_from_everything_ends_every_list(three: WebHarness) -> None:
    join(three, "tips", "advice")
    three.http.post(unsubscribe_path(three, "0", "2"))
    page = three.http.post(unsubscribe_path(three, "0", "2"), data={"all": "yes"}).text

    assert statuses(three) == {"tips": "unsubscribed", "advice": "unsubscribed"}
    assert "You are still subscribed" not in page


def test_the_welcome_to_several_lists_unsubscribes_from_all_of_them(three: WebHarness) -> None:
    join(three, "advice")
    three.app.lists.add(MailingList(0, "more", 0, {"title": "More"}))
    sign_up(three, ["tips", "more"])
    three.http.post(path_in(sent(three)[0][2], "/confirm/"))
    path = path_in(sent(three)[0][2], "/u/")

    assert "stop sending Tip of the Week and More to" in three.http.get(path).text
    answer = three.http.post(path, data={"List-Unsubscribe": "One-Click"}).text
    assert "We won’t send you Tip of the Week and More anymore." in answer
    assert statuses(three) == {"tips": "unsubscribed", "advice": "confirmed", "more": "unsubscribed"}
    assert "already unsubscribed" in three.http.post(path).text


def test_an_email_confirms_the_end_of_the_last_lists_as_well(three: WebHarness) -> None:
    join(three, "tips", "advice")
    three.http.post(unsubscribe_path(three))
    sent(three)
    three.http.post(unsubscribe_path(three), data={"all": "yes"})
    ((_, subject, _),) = sent(three)
    assert subject == "You have unsubscribed from Business Advice"


def test_no_email_offers_to_come_back_to_a_list_that_is_retired(three: WebHarness) -> None:
    join(three, "tips", "advice")
    three.app.lists.retire("advice")
    three.http.post(unsubscribe_path(three, base36(issue_id(2, 3))))
    assert statuses(three) == {"tips": "confirmed", "advice": "unsubscribed"}
    assert sent(three) == []


def test_nothing_is_sent_to_a_list_that_is_retired(three: WebHarness) -> None:
    three.app.lists.retire("advice")
    for early, tip in ((False, None), (True, None), (False, "any")):
        with pytest.raises(Refused, match="the list advice is retired"):
            three.app.of_list("advice").issues.send(early=early, extra_tip=tip)


def test_a_form_with_a_list_that_has_ended_is_answered_with_all_that_there_are(three: WebHarness) -> None:
    answer = three.http.post("/subscribe", data={"email": ANNA, "list": "board"})
    assert answer.status_code == 422
    assert 'value="tips"' in answer.text
    assert 'value="advice"' in answer.text
    assert "board" not in answer.text.lower()


def test_a_link_without_an_issue_is_for_the_first_list(three: WebHarness) -> None:
    join(three, "tips", "advice")
    three.http.post(unsubscribe_path(three), data={"List-Unsubscribe": "One-Click"})

    assert statuses(three) == {"tips": "unsubscribed", "advice": "confirmed"}


def test_reasons_belong_to_the_list(three: WebHarness) -> None:
    join(three, "tips", "advice")
    path = unsubscribe_path(three, base36(issue_id(2, 3)))
    three.http.post(path)
    three.http.post(f"{path}/why", data={"reason": "no_time"})

    assert [one.reason for one in three.app.of_list("advice").subscribers.stats().by_reason] == ["no_time"]
    assert three.app.subscribers.stats().by_reason == []
