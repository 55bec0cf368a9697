"""After leaving, over real HTTP: why, one tip in three months, and what of it is kept for how long; the housekeeping."""

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from newsletter.domain.subscription import Reason, Status
from newsletter.mail.tokens import Purpose
from newsletter.store.upkeep import network_of
from tests.support.front import Front, add_tip, open_front, text_of

ANNA = "anna@host.example"


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Front]:
    with open_front(tmp_path, trusted_proxies="127.0.0.1") as front:
        front.http.post("/subscribe", data={"email": ANNA, "name": "Anna"}, headers={"X-Forwarded-For": "203.0.113.77"})
        yield front


def consents(front: Front, address: str = ANNA) -> list[str]:
    with front.app.store.read() as tx:
        return [entry.what for entry in tx.subscribers.consents(front.reader(address).id)]


def reasons(front: Front) -> list[tuple[str, int]]:
    with front.app.store.read() as tx:
        return [(loss.reason, loss.number) for loss in tx.farewells.by_reason()]


def subjects(front: Front) -> list[str]:
    front.app.flush_notices()
    return [mail["Subject"].partition(":")[0] for mail in front.mails()]


# -- why -------------------------------------------------------------------------------------------


def test_the_question_comes_after_leaving_and_never_before(front: Front) -> None:
    front.http.post(front.confirm_path(ANNA))
    path = front.leave_path(ANNA)
    assert "/why" not in front.http.get(path).text
    page = front.http.post(path, data={"List-Unsubscribe": "One-Click"}).text
    assert set(re.findall(r'name="reason" value="([a-z_]+)"', page)) == set(Reason)
    assert 'name="words"' in page
    assert not re.search(r'name="quarterly"[^>]*checked', page)
    assert reasons(front) == [("", 1)]


def test_an_answer_counts_for_the_letter_that_caused_it(front: Front) -> None:
    key = add_tip(front.app, "Say the name", date(2025, 4, 29))
    with front.app.store.write() as tx:
        issue = tx.issues.plan(date(2025, 5, 6), front.clock(), front.clock())
        tx.issues.bind(issue.number, tx.tips.get(key).card.id, front.clock())
    front.http.post(front.confirm_path(ANNA))
    path = f"/u/{front.app.signer.sign(Purpose.UNSUBSCRIBE, front.reader(ANNA).key, '1')}"
    front.http.post(path)
    answer = front.http.post(f"{path}/why", data={"reason": "too_often", "words": "Once\x00 a month\nwould do"})
    assert (answer.status_code, "Thank you for telling us" in answer.text) == (200, True)
    assert front.http.post(f"{path}/why", data={"reason": "boredom"}).status_code == 422
    assert reasons(front) == [("too_often", 1)]
    with front.app.store.read() as tx:
        assert [(loss.issue, loss.tip, loss.number) for loss in tx.farewells.by_tip(5)] == [(1, "say-the-name", 1)]
        assert [words for _, _, words in tx.farewells.words(5)] == ["Once a month would do"]


def test_who_has_not_left_cannot_say_why_and_is_asked_whether_to_leave(front: Front) -> None:
    front.http.post(front.confirm_path(ANNA))
    before = front.rows()
    answer = front.http.post(f"{front.leave_path(ANNA)}/why", data={"reason": "other"})
    assert "Yes, unsubscribe me" in answer.text
    assert front.rows() == before


def test_one_tip_in_three_months_is_a_consent_of_its_own_and_can_be_taken_back(front: Front) -> None:
    front.http.post(front.confirm_path(ANNA))
    front.http.post(front.leave_path(ANNA))
    why = f"{front.leave_path(ANNA)}/why"
    front.http.post(why, data={"season": "save"})
    assert "quarterly" not in consents(front)
    for _ in range(2):
        assert re.search(
            r'name="quarterly"[^>]*checked', front.http.post(why, data={"season": "save", "quarterly": "yes"}).text
        )
    assert front.reader(ANNA).quarterly_at == front.clock()
    front.http.post(why, data={"season": "save"})
    assert front.reader(ANNA).quarterly_at is None
    assert consents(front) == ["signup", "confirm", "leave", "quarterly", "no-quarterly"]
    assert front.reader(ANNA).status is Status.UNSUBSCRIBED


def test_after_thirty_days_the_reason_stays_and_the_person_is_gone_from_it(front: Front) -> None:
    front.http.post(front.confirm_path(ANNA))
    front.http.post(front.leave_path(ANNA))
    front.http.post(f"{front.leave_path(ANNA)}/why", data={"reason": "no_time"})
    front.clock.forward(days=30)
    assert front.app.housekeeping()["farewells"] == 1
    assert reasons(front) == [("no_time", 1)]
    front.http.post(f"{front.leave_path(ANNA)}/why", data={"reason": "other"})
    assert reasons(front) == [("no_time", 1)]


# -- what time brings about ------------------------------------------------------------------------


def test_one_reminder_after_three_days_confirms_like_the_first_mail(front: Front) -> None:
    assert subjects(front) == ["Please confirm"]
    front.clock.forward(days=2, hours=23)
    assert front.app.housekeeping()["reminded"] == 0
    front.clock.forward(hours=1)
    assert front.app.housekeeping()["reminded"] == 1
    assert front.app.housekeeping()["reminded"] == 0
    assert subjects(front)[-1].startswith("Still wanted?")
    assert "Anna" not in text_of(front.mails()[-1])
    front.http.post("/subscribe", data={"email": ANNA})
    assert len(subjects(front)) == 2, "a reminder counts as today's mail"
    front.http.post(front.confirm_path(ANNA))
    front.clock.forward(days=30)
    assert front.app.housekeeping()["reminded"] == 0


def test_an_unanswered_sign_up_expires_after_thirty_days_and_is_forgotten_a_day_later(front: Front) -> None:
    path = front.confirm_path(ANNA)
    front.clock.forward(days=30)
    assert front.app.housekeeping()["expired"] == 1
    assert (front.reader(ANNA).status, front.reader(ANNA).name) == (Status.EXPIRED, "")
    assert front.http.get(path).status_code == 410
    front.clock.forward(days=1)
    assert front.app.housekeeping()["forgotten"] == 1
    assert ANNA not in repr(front.rows())
    assert front.http.get(path).status_code == 400


def test_a_sign_up_nobody_confirmed_does_not_open_the_way_back_for_an_import(front: Front, tmp_path: Path) -> None:
    front.http.post(front.confirm_path(ANNA))
    front.http.post(front.leave_path(ANNA))
    front.http.post("/subscribe", data={"email": ANNA})
    (tmp_path / "list.csv").write_text(f"email\n{ANNA}\n")
    assert front.app.import_subscribers(tmp_path / "list.csv", confirmed_source="old list").left == 1
    front.clock.forward(days=31)
    front.app.housekeeping()
    assert front.reader(ANNA).status is Status.UNSUBSCRIBED
    assert front.app.import_subscribers(tmp_path / "list.csv", confirmed_source="old list").left == 1


def test_an_origin_is_shortened_after_thirty_days(front: Front) -> None:
    front.http.post(front.confirm_path(ANNA))
    front.clock.forward(days=30)
    assert front.app.housekeeping()["origins"] == 1
    assert front.app.housekeeping()["origins"] == 0
    with front.app.store.read() as tx:
        assert tx.subscribers.consents(front.reader(ANNA).id)[0].origin == "203.0.113.0/24"


@pytest.mark.parametrize(
    ("origin", "network"),
    [
        ("198.51.100.7", "198.51.100.0/24"),
        ("2001:db8:1:2::3", "2001:db8:1::/48"),
        ("x", ""),
        ("fe80::1%eth0", "fe80::/48"),
    ],
)
def test_a_network_is_what_is_left_of_an_origin(origin: str, network: str) -> None:
    assert network_of(origin) == network


def test_sent_mails_are_dropped_after_thirty_days(front: Front) -> None:
    front.http.post(front.confirm_path(ANNA))
    front.app.flush_notices()
    front.clock.forward(days=30, minutes=1)
    assert front.app.housekeeping()["mails"] == 2
    assert front.rows()["notice"] == []


def test_the_welcome_brings_the_current_tip_and_the_day_of_the_first(front: Front) -> None:
    add_tip(front.app, "The old one", date(2024, 4, 2))
    add_tip(front.app, "Say the name", date(2025, 4, 29), body="Use the *name*, once and early.", takeaway="Once.")
    front.http.post(front.confirm_path(ANNA))
    front.app.flush_notices()
    text = text_of(front.mails()[-1])
    for words in (
        "Welcome, Anna",
        "6 May 2025",
        "Say the name",
        "https://tips.example/tips/say-the-name",
        "once and early",
    ):
        assert words in " ".join(text.split()), words
    assert "The old one" not in text


# -- in another language ---------------------------------------------------------------------------


def test_pages_and_mails_speak_german(tmp_path: Path) -> None:
    with open_front(tmp_path, language="de") as front:
        add_tip(front.app, "Den Namen sagen", date(2025, 4, 29))
        page = front.http.get("/").text
        for words in ('<html lang="de" dir="ltr">', "Ihre E-Mail-Adresse", "Jeden Dienstag", "29. April 2025"):
            assert words in page
        front.http.post("/subscribe", data={"email": ANNA, "name": "Anna"})
        assert "vollständige E-Mail-Adresse" in front.http.post("/subscribe", data={"email": "anna"}).text
        front.app.flush_notices()
        assert "Willkommen" in front.http.post(front.confirm_path(ANNA)).text
        front.app.flush_notices()
        confirm, welcome = front.mails()
        assert confirm["Subject"].startswith("Bitte bestätigen")
        assert "Ihr erster Tipp kommt am 6. Mai 2025" in " ".join(text_of(welcome).split())
        assert (
            "macht Pause bis 30. Mai 2025"
            in front.http.post(front.preferences_path(ANNA), data={"action": "pause", "weeks": "4"}).text
        )
        assert "Eine Frage" in front.http.post(front.leave_path(ANNA)).text


def test_a_right_to_left_site_is_set_so(tmp_path: Path) -> None:
    with open_front(tmp_path, language="ar") as front:
        assert '<html lang="ar" dir="rtl">' in front.http.get("/").text
