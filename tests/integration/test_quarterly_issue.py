"""One best tip every three months: who gets it, once, with what link, and what it leaves as it was."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from newsletter.domain.delivery.issue import IssueFacts
from newsletter.domain.subscribers.subscription import Status
from tests.support.web import Front, add_tip, open_front, text_of

ANNA, BOB, CARL, DORA = (f"{name}@host.example" for name in ("anna", "bob", "carl", "dora"))
SPRING = datetime(2025, 5, 6, 12, 1, tzinfo=UTC)  # Tuesday, 08:01 in New York
SUMMER = datetime(2025, 7, 1, 12, 1, tzinfo=UTC)  # the first Tuesday of the third quarter
AUTUMN = datetime(2025, 10, 7, 12, 1, tzinfo=UTC)
PLAIN, LOVED = "a-plain-tip", "a-loved-tip"


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Front]:
    """Two letters in spring: who had the first one and loved it, and who left after the second; summer has come."""
    with open_front(tmp_path, owner="owner@tips.example") as front:
        for title in ("A loved tip", "A plain tip", "A summer tip", "An autumn tip"):
            add_tip(front.app, title, None)
        front.clock.now = SPRING
        for address in (ANNA, BOB):
            join(front, address)
        front.app.send()
        for address in (ANNA, BOB):
            assert front.http.post(f"{front.useful_path(address, 1)}/yes").status_code == 200
        front.clock.forward(days=1)
        for address in (CARL, DORA):
            join(front, address)
        front.clock.forward(days=6)
        front.app.send()
        for address in (CARL, DORA):
            leave_and_ask(front, address)
        front.clock.now = SUMMER
        yield front


def join(front: Front, address: str) -> None:
    front.app.add_subscriber(address, confirmed_source="a list")


def leave_and_ask(front: Front, address: str) -> None:
    path = front.leave_path(address)
    front.http.post(path)
    front.http.post(f"{path}/why", data={"season": "save", "quarterly": "yes"})
    assert front.reader(address).quarterly_at


def letters(front: Front) -> list[EmailMessage]:
    """Those of quarters."""
    return [mail for mail in front.mails() if "every three months" in text_of(mail) and "Precedence" in mail]


def quarter(front: Front, name: str = "2025-Q3") -> IssueFacts:
    with front.app.store.read() as tx:
        found = tx.issues.for_quarter(name)
        assert found
        return tx.issues.get(found.number)


def test_the_tip_most_found_useful_goes_to_those_who_left_and_asked_and_to_nobody_else(front: Front) -> None:
    front.app.send()

    mails = letters(front)
    assert sorted(mail["To"] for mail in mails) == [CARL, DORA]
    assert {mail["Subject"] for mail in mails} == {"A loved tip"}
    assert "You left, and asked for one best tip every three months" in text_of(mails[0])
    assert "because you signed up" not in text_of(mails[0])
    assert ":quarterly:" in mails[0]["Feedback-ID"]
    assert mails[0]["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert [mail["To"] for mail in front.mails() if mail["Subject"] == "A summer tip"] == [ANNA, BOB]


def test_it_goes_once_a_quarter_however_often_the_clock_rings(front: Front) -> None:
    for _ in range(3):
        front.app.send()
        front.clock.forward(days=7)
    assert len(letters(front)) == 2

    front.clock.now = AUTUMN
    front.app.send()
    assert len(letters(front)) == 4
    assert quarter(front, "2025-Q4").tip_key == "an-autumn-tip", "it ran last of those that nobody judged"
    with front.app.store.read() as tx:
        assert tx.issues.broken_invariants() == []


def test_for_the_calendar_nothing_has_happened(front: Front) -> None:
    def standing() -> list[object]:
        with front.app.store.read() as tx:
            card = tx.tips.get(LOVED).card
            return [card.state, card.last_sent_on, [plan.runs for plan in tx.calendar.plans() if plan.key == LOVED]]

    before = standing()
    front.app.send()
    assert standing() == before
    assert quarter(front).slot is None


def test_who_asked_too_late_waits_for_the_next_one(front: Front) -> None:
    front.clock.now = datetime(2025, 6, 20, tzinfo=UTC)
    leave_and_ask(front, BOB)
    front.clock.now = SUMMER
    front.app.send()
    assert BOB not in [mail["To"] for mail in letters(front)]

    front.clock.now = AUTUMN
    front.app.send()
    assert BOB in [mail["To"] for mail in letters(front)]


def test_who_has_had_the_tip_is_spared_it(front: Front) -> None:
    front.clock.now = datetime(2025, 5, 20, tzinfo=UTC)
    leave_and_ask(front, ANNA)  # she had it in spring
    front.clock.now = SUMMER
    front.app.send()
    assert sorted(mail["To"] for mail in letters(front)) == [CARL, DORA]


def test_between_freezing_and_sending_everybody_may_still_change_their_mind(front: Front) -> None:
    addresses = [f"reader{number}@host.example" for number in range(5)]
    front.clock.now = datetime(2025, 5, 20, tzinfo=UTC)
    for address in addresses:
        join(front, address)
        leave_and_ask(front, address)
    back, bounced, gone, over, stays = addresses
    front.clock.now = SUMMER
    front.app.publish_due()
    front.http.post("/subscribe", data={"email": back})
    front.http.post(front.confirm_path(back))
    front.app.suppress(bounced)
    front.app.erase(gone)
    front.http.post(f"{front.leave_path(over)}/why", data={"season": "save"})
    front.app.send()

    assert sorted(mail["To"] for mail in letters(front)) == sorted([CARL, DORA, stays])
    assert quarter(front).skipped_for == {"subscribed": 1, "suppressed": 1, "erased": 1, "unsubscribed": 1}


def test_its_link_ends_that_consent_and_says_so_first(front: Front) -> None:
    front.app.send()
    (mail,) = [mail for mail in letters(front) if mail["To"] == CARL]
    path = urlsplit(mail["List-Unsubscribe"].split(">")[0].strip("<")).path
    page = front.http.get(path)
    assert "the tip every three months no longer goes to" in page.text
    assert front.reader(CARL).quarterly_at

    for already in (False, True):
        answer = front.http.post(path, data={"List-Unsubscribe": "One-Click"})
        assert (answer.status_code, "You had left already" in answer.text) == (200, already)
    assert front.reader(CARL).quarterly_at is None
    with front.app.store.read() as tx:
        entries = [(entry.what, entry.proof) for entry in tx.subscribers.consents(front.reader(CARL).id)]
    assert entries[-1] == ("no-quarterly", f"issue {quarter(front).number}, one-click")
    assert front.reader(DORA).quarterly_at

    front.clock.now = AUTUMN
    front.app.send()
    assert [mail["To"] for mail in letters(front)[2:]] == [DORA]


def test_a_weekly_letter_s_link_pressed_once_more_leaves_that_consent_alone(front: Front) -> None:
    with front.app.store.read() as tx:
        number = tx.issues.last_number()
    assert number == 2
    front.http.post(front.leave_path(CARL, issue="2"), data={"List-Unsubscribe": "One-Click"})
    assert front.reader(CARL).quarterly_at


def test_who_came_back_leaves_the_weekly_letter_by_the_old_link_of_the_quarter(front: Front) -> None:
    front.app.send()
    front.http.post("/subscribe", data={"email": CARL})
    front.http.post(front.confirm_path(CARL))
    path = front.leave_path(CARL, issue=str(quarter(front).number))
    assert "no further letter goes to" in front.http.get(path).text

    front.http.post(path)
    assert front.reader(CARL).status is Status.UNSUBSCRIBED


def test_what_is_found_a_month_too_late_is_left_out(front: Front) -> None:
    front.clock.forward(days=31)
    front.app.send()
    assert letters(front) == []
    assert str(front.app.coming_quarter().quarter) == "2025-Q4"


def test_a_crash_between_the_choice_and_the_letter_is_made_good(front: Front) -> None:
    with front.app.store.write() as tx:
        tip_id = tx.tips.get(PLAIN).card.id
        tx.issues.plan_quarter("2025-Q3", tip_id, SUMMER, SUMMER)
    front.app.send()
    assert quarter(front).tip_key == PLAIN
    assert quarter(front).state.value == "done"


def test_the_owner_sees_it_coming_and_gets_a_report(front: Front) -> None:
    front.clock.now = datetime(2025, 6, 25, tzinfo=UTC)
    coming = front.app.coming_quarter()
    assert (str(coming.quarter), coming.tip and coming.tip.key, coming.audience, coming.asked) == (
        "2025-Q3",
        LOVED,
        2,
        2,
    )

    front.clock.now = SUMMER
    front.app.send()
    front.clock.forward(minutes=2)
    front.app.owner_round()
    front.app.flush_notices()
    reports = [text_of(mail) for mail in front.mails() if mail["To"] == "owner@tips.example"]
    (report,) = [text for text in reports if "the letter of 2025-Q3" in " ".join(text.split())]
    assert "Sent            2 of 2" in report


def test_nobody_asked_so_nothing_is_written(tmp_path: Path) -> None:
    with open_front(tmp_path) as front:
        add_tip(front.app, "A plain tip", None)
        join(front, ANNA)
        front.clock.now = SPRING
        front.app.send()
        front.clock.now = SUMMER
        front.app.send()
        with front.app.store.read() as tx:
            assert tx.issues.for_quarter("2025-Q3") is None
