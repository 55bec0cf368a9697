"""What the pages say: one truth about reminders and dates, and a way to everything they offer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from newsletter.domain.subscribers.subscription import Status
from tests.support.web import WebHarness, add_tip, open_web_harness, text_of

ANNA = "anna@host.example"
REMINDED = re.compile(r"remind you once( at most)?,? and then (we )?delete your address")


@pytest.fixture
def web_harness(tmp_path: Path) -> Iterator[WebHarness]:
    with open_web_harness(tmp_path, title="Tip of the Week") as web_harness:
        web_harness.http.post("/subscribe", data={"email": ANNA})
        yield web_harness


def test_the_form_the_pages_and_the_email_tell_the_same_about_an_unconfirmed_sign_up(web_harness: WebHarness) -> None:
    web_harness.app.transactional.send()
    (email,) = web_harness.emails()
    pages = [web_harness.http.get(path).text for path in ("/", "/subscribe/sent", web_harness.confirm_path(ANNA))]
    for text in (*pages, " ".join(text_of(email).split())):
        assert REMINDED.search(text)


def test_pages_name_the_day_of_the_next_issue_as_the_calendar_has_it(web_harness: WebHarness) -> None:
    app, confirm = web_harness.app, web_harness.confirm_path(ANNA)
    app.calendar.skip(date(2025, 5, 6))
    assert "On Tuesday, May 13, 2025" in web_harness.http.get("/").text
    assert "May 13, 2025" in web_harness.http.get("/archive").text
    assert "The first one comes on May 13, 2025." in web_harness.http.get(confirm).text
    web_harness.clock.now = web_harness.clock.now.replace(day=13, hour=11, minute=59)  # 7:59 in New York
    assert "on May 13, 2025" in web_harness.http.post(confirm).text
    web_harness.clock.forward(minutes=1)
    for path in (confirm, web_harness.preferences_path(ANNA)):
        assert "The next tip comes" in web_harness.http.get(path).text
        assert "on May 20, 2025" in web_harness.http.get(path).text


SCHEDULES = [
    ("tue 08:00", "en", "every Tuesday"),
    ("tue,thu 08:00", "en", "every Tuesday and Thursday"),
    ("first tue 08:00", "en", "on the first Tuesday of the month"),
    ("every 2 weeks tue,thu 08:00 from 2025-05-06", "en", "every other Tuesday and Thursday"),
    ("tue 08:00", "de", "jeden Dienstag"),
    ("first,third tue 08:00", "de", "am ersten und dritten Dienstag im Monat"),
    ("every 2 weeks thu 08:00 from 2025-05-08", "de", "jeden zweiten Donnerstag"),
]


@pytest.mark.parametrize(("schedule", "language", "when"), SCHEDULES)
def test_pages_and_the_welcome_email_say_what_the_schedule_is(
    tmp_path: Path, schedule: str, language: str, when: str
) -> None:
    with open_web_harness(tmp_path, schedule=schedule, language=language) as web_harness:
        web_harness.http.post("/subscribe", data={"email": ANNA})
        tip = add_tip(web_harness.app, "Say the name", date(2025, 4, 1))
        confirm = web_harness.confirm_path(ANNA)
        texts = [web_harness.http.get(path).text for path in ("/", "/signup/embed", f"/tips/{tip}", confirm)]
        web_harness.http.post(confirm)
        texts += [web_harness.http.get(web_harness.preferences_path(ANNA)).text]
        web_harness.app.transactional.send()
        welcome = " ".join(text_of(web_harness.emails()[-1]).split())

    assert [when in text for text in texts[:-1]] == [True] * 4
    assert when[1:] in texts[-1]  # with a capital letter
    assert ("Once a month, on a Tuesday" in texts[-1] or "Every week" in texts[-1]) == (when == "every Tuesday")
    assert f" one {when}. Each is" in welcome or f" danach {when} einer. Jeder ist" in welcome


def test_pages_and_the_welcome_email_name_the_same_day(web_harness: WebHarness) -> None:
    web_harness.app.transactional.send()
    add_tip(web_harness.app, "Say the name", None)
    web_harness.app.calendar.skip(date(2025, 5, 6))
    page = web_harness.http.post(web_harness.confirm_path(ANNA)).text
    web_harness.app.transactional.send()
    assert "on May 13, 2025" in page
    assert "on May 13, 2025" in " ".join(text_of(web_harness.emails()[-1]).split())


def test_the_page_that_asks_whether_to_unsubscribe_offers_less_with_one_click(web_harness: WebHarness) -> None:
    web_harness.http.post(web_harness.confirm_path(ANNA))
    page = web_harness.http.get(web_harness.unsubscribe_path(ANNA)).text
    (preferences,) = set(re.findall(r'action="(/p/[^"]+)"', page))
    assert f'href="{preferences}"' in page
    assert "Pause for 4 weeks" in page
    web_harness.http.post(preferences, data={"action": "pause", "weeks": "4"})
    assert web_harness.subscriber(ANNA).status is Status.PAUSED
    assert "Pause for 4 weeks" not in web_harness.http.get(web_harness.unsubscribe_path(ANNA)).text


def test_the_quarterly_choice_is_confirmed_in_words(web_harness: WebHarness) -> None:
    web_harness.http.post(web_harness.confirm_path(ANNA))
    link = web_harness.unsubscribe_path(ANNA)
    web_harness.http.post(link)
    page = web_harness.http.post(f"{link}/why", data={"season": "save", "quarterly": "yes"}).text
    assert "Once every three months, we will send you the best one." in page
    assert "We won’t send you any more tips" not in page
    page = web_harness.http.post(f"{link}/why", data={"season": "save"}).text
    assert "We won’t send you any more tips" in page


def test_nothing_is_erased_before_the_second_step(web_harness: WebHarness) -> None:
    web_harness.http.post(web_harness.confirm_path(ANNA))
    own = web_harness.preferences_path(ANNA)
    answer = web_harness.http.post(own, data={"action": "erase"})
    assert "Delete your data?" in answer.text
    assert 'name="sure" value="yes"' in answer.text
    assert web_harness.subscriber(ANNA).status is Status.CONFIRMED
    assert f'href="{own}"' in answer.text
    assert "has been deleted" in web_harness.http.post(own, data={"action": "erase", "sure": "yes"}).text


def test_a_category_that_is_named_like_the_newsletter_is_no_filter(web_harness: WebHarness) -> None:
    add_tip(web_harness.app, "Say the name", date(2025, 4, 29), categories=("Tip of the week", "Phone"))
    for path in ("/archive", "/tips/say-the-name"):
        page = web_harness.http.get(path).text
        assert 'href="/categories/phone"' in page
        assert 'href="/categories/tip-of-the-week"' not in page
    assert web_harness.http.get("/categories/tip-of-the-week").status_code == 200


@pytest.mark.parametrize(
    ("teaser", "shown"),
    [
        ("Most people stop listening when", "Most people stop listening when …"),
        ("Most people stop listening,", "Most people stop listening …"),
        ("Most people stop listening…", "Most people stop listening…"),
        ("“Most people stop listening.”", "“Most people stop listening.”"),
    ],
)
def test_a_teaser_that_stops_in_a_sentence_has_an_ellipsis(web_harness: WebHarness, teaser: str, shown: str) -> None:
    add_tip(web_harness.app, "Say the name", date(2025, 4, 29), teaser=teaser)
    assert f"<p>{shown}</p>" in web_harness.http.get("/archive").text


@pytest.mark.parametrize(("votes", "words"), [(["yes"], "The one person who voted"), (["yes", "no"], "1 of 2 people")])
def test_one_vote_is_told_in_the_singular(web_harness: WebHarness, votes: list[str], words: str) -> None:
    key = add_tip(web_harness.app, "Say the name", date(2025, 4, 29))
    for number, vote in enumerate(votes):
        address = f"reader{number}@host.example"
        web_harness.app.subscribers.add(address, confirmed_source="test")
        with web_harness.app.store.write() as tx:
            tx.tips.vote(tx.tips.get(key).card.id, web_harness.subscriber(address).id, useful=vote == "yes")
    assert words in web_harness.http.get(f"/tips/{key}").text


def test_invisible_characters_around_a_name_are_removed(web_harness: WebHarness) -> None:
    web_harness.http.post("/subscribe", data={"email": "\u200bbob@host.example\ufeff", "name": "\u2060Zoë\u200b"})
    assert web_harness.subscriber("bob@host.example").name == "Zoë"
    web_harness.http.post("/subscribe", data={"email": "eve@host.example", "name": "\u200b\ufeff"})
    assert web_harness.subscriber("eve@host.example").name == ""
