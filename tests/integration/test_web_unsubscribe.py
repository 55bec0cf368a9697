"""After leaving, over real HTTP: why, one tip in three months, the last mail, and what of it is kept for how long; the housekeeping."""

import re
from collections.abc import Iterator
from datetime import date
from email.message import EmailMessage
from pathlib import Path

import pytest

from newsletter.domain.subscribers.subscription import Reason, Status
from newsletter.mail.tokens import Purpose
from newsletter.store.maintenance import network_of
from tests.support.web import Front, add_tip, links_in, open_front, text_of

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
        tx.issues.bind(issue.number, tx.tips.get(key).card.id)
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


# -- the last mail, and the way back ----------------------------------------------------------------


def on_the_list(front: Front, address: str = ANNA) -> None:
    front.http.post(front.confirm_path(address))
    front.app.flush_notices()


def goodbyes(front: Front) -> list[EmailMessage]:
    front.app.flush_notices()
    return [mail for mail in front.mails() if mail["Subject"].startswith("You have left")]


def back_path(mail: EmailMessage) -> str:
    (link,) = (link for link in links_in(text_of(mail)) if "/back/" in link)
    return link.removeprefix("https://tips.example")


def test_who_leaves_by_the_page_gets_one_last_mail_that_leads_back_through_a_new_confirmation(front: Front) -> None:
    on_the_list(front)
    for _ in range(2):
        front.http.post(front.leave_path(ANNA))
    (goodbye,) = goodbyes(front)
    path, before = back_path(goodbye), front.rows()
    page = front.http.get(path)
    assert (page.status_code, page.headers["cache-control"], front.rows()) == (200, "no-store", before)
    assert (ANNA in page.text, "a***@host.example" in page.text) == (False, True)
    assert front.http.post(path).status_code == 200
    assert subjects(front)[-1] == "Please confirm"
    assert front.reader(ANNA).status is Status.PENDING
    front.http.post(front.confirm_path(ANNA))
    assert front.reader(ANNA).status is Status.CONFIRMED
    assert [what for what in consents(front) if what in {"signup", "confirm", "leave"}] == [
        *("signup", "confirm", "leave", "signup", "confirm")
    ]
    assert len(goodbyes(front)) == 1


@pytest.mark.parametrize(
    ("farewell", "door", "mails"),
    [("page", "one-click", 0), ("always", "one-click", 1), ("page", "preferences", 1), ("never", "preferences", 0)],
)
def test_a_setting_says_after_which_leaves_the_last_mail_goes(
    tmp_path: Path, farewell: str, door: str, mails: int
) -> None:
    with open_front(tmp_path, farewell=farewell) as front:
        front.http.post("/subscribe", data={"email": ANNA})
        on_the_list(front)
        if door == "one-click":
            front.http.post(front.leave_path(ANNA), data={"List-Unsubscribe": "One-Click"})
        else:
            front.http.post(front.preferences_path(ANNA), data={"action": "leave"})
        assert front.reader(ANNA).status is Status.UNSUBSCRIBED
        assert len(goodbyes(front)) == mails


def test_nobody_gets_a_last_mail_who_got_no_letters_or_must_not_be_mailed(front: Front) -> None:
    front.http.post(front.leave_path(ANNA))
    front.http.post("/subscribe", data={"email": "bounced@host.example"})
    on_the_list(front, "bounced@host.example")
    front.app.suppress("bounced@host.example", "hard_bounce")
    front.http.post(front.leave_path("bounced@host.example"))
    front.http.post("/subscribe", data={"email": "command@host.example"})
    on_the_list(front, "command@host.example")
    front.app.unsubscribe("command@host.example")
    assert {front.reader(who).status for who in (ANNA, "command@host.example")} == {Status.UNSUBSCRIBED}
    assert goodbyes(front) == []


@pytest.mark.parametrize("then", ["suppressed", "erased", "back"])
def test_a_last_mail_that_waits_is_dropped_when_it_is_no_longer_right(front: Front, then: str) -> None:
    on_the_list(front)
    leave, preferences = front.leave_path(ANNA), front.preferences_path(ANNA)
    front.http.post(leave)
    match then:
        case "suppressed":
            front.app.suppress(ANNA, "complaint")
        case "erased":
            front.http.post(preferences, data={"action": "erase", "sure": "yes"})
        case "back":
            front.http.post("/subscribe", data={"email": ANNA})
    assert goodbyes(front) == []


def test_a_last_mail_is_not_sent_again_after_a_crash_but_is_after_a_deferral(front: Front) -> None:
    addresses = (ANNA, "berta@host.example")
    front.http.post("/subscribe", data={"email": addresses[1]})
    for address in addresses:
        on_the_list(front, address)
    for address in addresses:
        front.http.post(front.leave_path(address))
    with front.app.store.write() as tx:
        crashed, slow = tx.notices.due(front.clock(), 2)
    with front.app.store.write() as tx:
        tx.notices.done(slow.id, "deferred", "451 4.7.1 later", front.clock())
    front.clock.forward(hours=1)
    assert [mail["To"] for mail in goodbyes(front)] == [slow.address]
    assert crashed.address == ANNA


def test_the_way_back_ends_with_an_erasure_and_leads_nowhere_when_it_was_changed(front: Front) -> None:
    on_the_list(front)
    front.http.post(front.leave_path(ANNA))
    path = back_path(goodbyes(front)[0])
    front.http.post(front.preferences_path(ANNA), data={"action": "erase", "sure": "yes"})
    for link in (path, f"{path}x"):
        assert front.http.get(link).status_code == 400
    assert front.http.post(path).status_code == 400
    assert subjects(front)[-1].startswith("You have left")


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
