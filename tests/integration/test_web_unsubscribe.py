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
from tests.support.web import WebHarness, add_tip, links_in, open_web_harness, text_of

ANNA = "anna@host.example"


@pytest.fixture
def web_harness(tmp_path: Path) -> Iterator[WebHarness]:
    with open_web_harness(tmp_path, trusted_proxies="127.0.0.1") as web_harness:
        web_harness.http.post(
            "/subscribe", data={"email": ANNA, "name": "Anna"}, headers={"X-Forwarded-For": "203.0.113.77"}
        )
        yield web_harness


def consents(web_harness: WebHarness, address: str = ANNA) -> list[str]:
    with web_harness.app.store.read() as tx:
        return [entry.what for entry in tx.subscribers.consents(web_harness.reader(address).id)]


def reasons(web_harness: WebHarness) -> list[tuple[str, int]]:
    with web_harness.app.store.read() as tx:
        return [(loss.reason, loss.number) for loss in tx.unsubscribes.by_reason()]


def subjects(web_harness: WebHarness) -> list[str]:
    web_harness.app.transactional.send()
    return [mail["Subject"].partition(":")[0] for mail in web_harness.emails()]


# -- why -------------------------------------------------------------------------------------------


def test_the_question_comes_after_leaving_and_never_before(web_harness: WebHarness) -> None:
    web_harness.http.post(web_harness.confirm_path(ANNA))
    path = web_harness.unsubscribe_path(ANNA)
    assert "/why" not in web_harness.http.get(path).text
    page = web_harness.http.post(path, data={"List-Unsubscribe": "One-Click"}).text
    assert set(re.findall(r'name="reason" value="([a-z_]+)"', page)) == set(Reason)
    assert 'name="words"' in page
    assert not re.search(r'name="quarterly"[^>]*checked', page)
    assert reasons(web_harness) == [("", 1)]


def test_an_answer_counts_for_the_letter_that_caused_it(web_harness: WebHarness) -> None:
    key = add_tip(web_harness.app, "Say the name", date(2025, 4, 29))
    with web_harness.app.store.write() as tx:
        issue = tx.issues.plan(date(2025, 5, 6), web_harness.clock(), web_harness.clock())
        tx.issues.bind(issue.number, tx.tips.get(key).card.id)
    web_harness.http.post(web_harness.confirm_path(ANNA))
    path = f"/u/{web_harness.app.signer.sign(Purpose.UNSUBSCRIBE, web_harness.reader(ANNA).key, '1')}"
    web_harness.http.post(path)
    answer = web_harness.http.post(f"{path}/why", data={"reason": "too_often", "words": "Once\x00 a month\nwould do"})
    assert (answer.status_code, "Thank you for letting us know" in answer.text) == (200, True)
    assert web_harness.http.post(f"{path}/why", data={"reason": "boredom"}).status_code == 422
    assert reasons(web_harness) == [("too_often", 1)]
    with web_harness.app.store.read() as tx:
        assert [(loss.issue, loss.tip, loss.number) for loss in tx.unsubscribes.by_tip(5)] == [(1, "say-the-name", 1)]
        assert [words for _, _, words in tx.unsubscribes.words(5)] == ["Once a month would do"]


def test_who_has_not_left_cannot_say_why_and_is_asked_whether_to_leave(web_harness: WebHarness) -> None:
    web_harness.http.post(web_harness.confirm_path(ANNA))
    before = web_harness.rows()
    answer = web_harness.http.post(f"{web_harness.unsubscribe_path(ANNA)}/why", data={"reason": "other"})
    assert "Yes, unsubscribe me" in answer.text
    assert web_harness.rows() == before


def test_one_tip_in_three_months_is_a_consent_of_its_own_and_can_be_taken_back(web_harness: WebHarness) -> None:
    web_harness.http.post(web_harness.confirm_path(ANNA))
    web_harness.http.post(web_harness.unsubscribe_path(ANNA))
    why = f"{web_harness.unsubscribe_path(ANNA)}/why"
    web_harness.http.post(why, data={"season": "save"})
    assert "quarterly" not in consents(web_harness)
    for _ in range(2):
        assert re.search(
            r'name="quarterly"[^>]*checked',
            web_harness.http.post(why, data={"season": "save", "quarterly": "yes"}).text,
        )
    assert web_harness.reader(ANNA).quarterly_at == web_harness.clock()
    web_harness.http.post(why, data={"season": "save"})
    assert web_harness.reader(ANNA).quarterly_at is None
    assert consents(web_harness) == ["signup", "confirm", "leave", "quarterly", "no-quarterly"]
    assert web_harness.reader(ANNA).status is Status.UNSUBSCRIBED


def test_after_thirty_days_the_reason_stays_and_the_person_is_gone_from_it(web_harness: WebHarness) -> None:
    web_harness.http.post(web_harness.confirm_path(ANNA))
    web_harness.http.post(web_harness.unsubscribe_path(ANNA))
    web_harness.http.post(f"{web_harness.unsubscribe_path(ANNA)}/why", data={"reason": "no_time"})
    web_harness.clock.forward(days=30)
    assert web_harness.app.maintenance.run()["farewells"] == 1
    assert reasons(web_harness) == [("no_time", 1)]
    web_harness.http.post(f"{web_harness.unsubscribe_path(ANNA)}/why", data={"reason": "other"})
    assert reasons(web_harness) == [("no_time", 1)]


# -- the last mail, and the way back ----------------------------------------------------------------


def on_the_list(web_harness: WebHarness, address: str = ANNA) -> None:
    web_harness.http.post(web_harness.confirm_path(address))
    web_harness.app.transactional.send()


def goodbyes(web_harness: WebHarness) -> list[EmailMessage]:
    web_harness.app.transactional.send()
    return [mail for mail in web_harness.emails() if mail["Subject"].startswith("You have unsubscribed from")]


def back_path(mail: EmailMessage) -> str:
    (link,) = (link for link in links_in(text_of(mail)) if "/back/" in link)
    return link.removeprefix("https://tips.example")


def test_who_leaves_by_the_page_gets_one_last_mail_that_leads_back_through_a_new_confirmation(
    web_harness: WebHarness,
) -> None:
    on_the_list(web_harness)
    for _ in range(2):
        web_harness.http.post(web_harness.unsubscribe_path(ANNA))
    (goodbye,) = goodbyes(web_harness)
    path, before = back_path(goodbye), web_harness.rows()
    page = web_harness.http.get(path)
    assert (page.status_code, page.headers["cache-control"], web_harness.rows()) == (200, "no-store", before)
    assert (ANNA in page.text, "a***@host.example" in page.text) == (False, True)
    assert web_harness.http.post(path).status_code == 200
    assert subjects(web_harness)[-1] == "Please confirm"
    assert web_harness.reader(ANNA).status is Status.PENDING
    web_harness.http.post(web_harness.confirm_path(ANNA))
    assert web_harness.reader(ANNA).status is Status.CONFIRMED
    assert [what for what in consents(web_harness) if what in {"signup", "confirm", "leave"}] == [
        *("signup", "confirm", "leave", "signup", "confirm")
    ]
    assert len(goodbyes(web_harness)) == 1


@pytest.mark.parametrize(
    ("farewell", "door", "emails"),
    [("page", "one-click", 0), ("always", "one-click", 1), ("page", "preferences", 1), ("never", "preferences", 0)],
)
def test_a_setting_says_after_which_leaves_the_last_mail_goes(
    tmp_path: Path, farewell: str, door: str, emails: int
) -> None:
    with open_web_harness(tmp_path, unsubscribe_email=farewell) as web_harness:
        web_harness.http.post("/subscribe", data={"email": ANNA})
        on_the_list(web_harness)
        if door == "one-click":
            web_harness.http.post(web_harness.unsubscribe_path(ANNA), data={"List-Unsubscribe": "One-Click"})
        else:
            web_harness.http.post(web_harness.preferences_path(ANNA), data={"action": "leave"})
        assert web_harness.reader(ANNA).status is Status.UNSUBSCRIBED
        assert len(goodbyes(web_harness)) == emails


def test_nobody_gets_a_last_mail_who_got_no_letters_or_must_not_be_mailed(web_harness: WebHarness) -> None:
    web_harness.http.post(web_harness.unsubscribe_path(ANNA))
    web_harness.http.post("/subscribe", data={"email": "bounced@host.example"})
    on_the_list(web_harness, "bounced@host.example")
    web_harness.app.suppressions.add("bounced@host.example", "hard_bounce")
    web_harness.http.post(web_harness.unsubscribe_path("bounced@host.example"))
    web_harness.http.post("/subscribe", data={"email": "command@host.example"})
    on_the_list(web_harness, "command@host.example")
    web_harness.app.subscribers.unsubscribe("command@host.example")
    assert {web_harness.reader(who).status for who in (ANNA, "command@host.example")} == {Status.UNSUBSCRIBED}
    assert goodbyes(web_harness) == []


@pytest.mark.parametrize("then", ["suppressed", "erased", "back"])
def test_a_last_mail_that_waits_is_dropped_when_it_is_no_longer_right(web_harness: WebHarness, then: str) -> None:
    on_the_list(web_harness)
    leave, preferences = web_harness.unsubscribe_path(ANNA), web_harness.preferences_path(ANNA)
    web_harness.http.post(leave)
    match then:
        case "suppressed":
            web_harness.app.suppressions.add(ANNA, "complaint")
        case "erased":
            web_harness.http.post(preferences, data={"action": "erase", "sure": "yes"})
        case "back":
            web_harness.http.post("/subscribe", data={"email": ANNA})
    assert goodbyes(web_harness) == []


def test_a_last_mail_is_not_sent_again_after_a_crash_but_is_after_a_deferral(web_harness: WebHarness) -> None:
    addresses = (ANNA, "berta@host.example")
    web_harness.http.post("/subscribe", data={"email": addresses[1]})
    for address in addresses:
        on_the_list(web_harness, address)
    for address in addresses:
        web_harness.http.post(web_harness.unsubscribe_path(address))
    with web_harness.app.store.write() as tx:
        crashed, slow = tx.transactional.due(web_harness.clock(), 2)
    with web_harness.app.store.write() as tx:
        tx.transactional.done(slow.id, "deferred", "451 4.7.1 later", web_harness.clock())
    web_harness.clock.forward(hours=1)
    assert [mail["To"] for mail in goodbyes(web_harness)] == [slow.address]
    assert crashed.address == ANNA


def test_the_way_back_ends_with_an_erasure_and_leads_nowhere_when_it_was_changed(web_harness: WebHarness) -> None:
    on_the_list(web_harness)
    web_harness.http.post(web_harness.unsubscribe_path(ANNA))
    path = back_path(goodbyes(web_harness)[0])
    web_harness.http.post(web_harness.preferences_path(ANNA), data={"action": "erase", "sure": "yes"})
    for link in (path, f"{path}x"):
        assert web_harness.http.get(link).status_code == 400
    assert web_harness.http.post(path).status_code == 400
    assert subjects(web_harness)[-1].startswith("You have unsubscribed from")


# -- what time brings about ------------------------------------------------------------------------


def test_one_reminder_after_three_days_confirms_like_the_first_mail(web_harness: WebHarness) -> None:
    assert subjects(web_harness) == ["Please confirm"]
    web_harness.clock.forward(days=2, hours=23)
    assert web_harness.app.maintenance.run()["reminded"] == 0
    web_harness.clock.forward(hours=1)
    assert web_harness.app.maintenance.run()["reminded"] == 1
    assert web_harness.app.maintenance.run()["reminded"] == 0
    assert subjects(web_harness)[-1].startswith("Still interested in")
    assert "Anna" not in text_of(web_harness.emails()[-1])
    web_harness.http.post("/subscribe", data={"email": ANNA})
    assert len(subjects(web_harness)) == 2, "a reminder counts as today's mail"
    web_harness.http.post(web_harness.confirm_path(ANNA))
    web_harness.clock.forward(days=30)
    assert web_harness.app.maintenance.run()["reminded"] == 0


def test_an_unanswered_sign_up_expires_after_thirty_days_and_is_forgotten_a_day_later(web_harness: WebHarness) -> None:
    path = web_harness.confirm_path(ANNA)
    web_harness.clock.forward(days=30)
    assert web_harness.app.maintenance.run()["expired"] == 1
    assert (web_harness.reader(ANNA).status, web_harness.reader(ANNA).name) == (Status.EXPIRED, "")
    assert web_harness.http.get(path).status_code == 410
    web_harness.clock.forward(days=1)
    assert web_harness.app.maintenance.run()["forgotten"] == 1
    assert ANNA not in repr(web_harness.rows())
    assert web_harness.http.get(path).status_code == 400


def test_a_sign_up_nobody_confirmed_does_not_open_the_way_back_for_an_import(
    web_harness: WebHarness, tmp_path: Path
) -> None:
    web_harness.http.post(web_harness.confirm_path(ANNA))
    web_harness.http.post(web_harness.unsubscribe_path(ANNA))
    web_harness.http.post("/subscribe", data={"email": ANNA})
    (tmp_path / "list.csv").write_text(f"email\n{ANNA}\n")
    assert web_harness.app.subscribers.import_file(tmp_path / "list.csv", confirmed_source="old list").left == 1
    web_harness.clock.forward(days=31)
    web_harness.app.maintenance.run()
    assert web_harness.reader(ANNA).status is Status.UNSUBSCRIBED
    assert web_harness.app.subscribers.import_file(tmp_path / "list.csv", confirmed_source="old list").left == 1


def test_an_origin_is_shortened_after_thirty_days(web_harness: WebHarness) -> None:
    web_harness.http.post(web_harness.confirm_path(ANNA))
    web_harness.clock.forward(days=30)
    assert web_harness.app.maintenance.run()["origins"] == 1
    assert web_harness.app.maintenance.run()["origins"] == 0
    with web_harness.app.store.read() as tx:
        assert tx.subscribers.consents(web_harness.reader(ANNA).id)[0].origin == "203.0.113.0/24"


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


def test_sent_mails_are_dropped_after_thirty_days(web_harness: WebHarness) -> None:
    web_harness.http.post(web_harness.confirm_path(ANNA))
    web_harness.app.transactional.send()
    web_harness.clock.forward(days=30, minutes=1)
    assert web_harness.app.maintenance.run()["mails"] == 2
    assert web_harness.rows()["notice"] == []


def test_the_welcome_brings_the_current_tip_and_the_day_of_the_first(web_harness: WebHarness) -> None:
    add_tip(web_harness.app, "The old one", date(2024, 4, 2))
    add_tip(
        web_harness.app, "Say the name", date(2025, 4, 29), body="Use the *name*, once and early.", takeaway="Once."
    )
    web_harness.http.post(web_harness.confirm_path(ANNA))
    web_harness.app.transactional.send()
    text = text_of(web_harness.emails()[-1])
    for words in (
        "Welcome, Anna",
        "May 6, 2025",
        "Say the name",
        "https://tips.example/tips/say-the-name",
        "once and early",
    ):
        assert words in " ".join(text.split()), words
    assert "The old one" not in text


# -- in another language ---------------------------------------------------------------------------


def test_pages_and_mails_speak_german(tmp_path: Path) -> None:
    with open_web_harness(tmp_path, language="de") as web_harness:
        add_tip(web_harness.app, "Den Namen sagen", date(2025, 4, 29))
        page = web_harness.http.get("/").text
        for words in ('<html lang="de" dir="ltr">', "Ihre E-Mail-Adresse", "Jeden Dienstag", "29. April 2025"):
            assert words in page
        web_harness.http.post("/subscribe", data={"email": ANNA, "name": "Anna"})
        assert "gültige E-Mail-Adresse" in web_harness.http.post("/subscribe", data={"email": "anna"}).text
        web_harness.app.transactional.send()
        assert "Willkommen" in web_harness.http.post(web_harness.confirm_path(ANNA)).text
        web_harness.app.transactional.send()
        confirm, welcome = web_harness.emails()
        assert confirm["Subject"].startswith("Bitte bestätigen")
        assert "Ihr erster Tipp kommt am 6. Mai 2025" in " ".join(text_of(welcome).split())
        assert (
            "Pause bis 30. Mai 2025"
            in web_harness.http.post(web_harness.preferences_path(ANNA), data={"action": "pause", "weeks": "4"}).text
        )
        assert "Verraten Sie uns den Grund?" in web_harness.http.post(web_harness.unsubscribe_path(ANNA)).text


def test_a_right_to_left_site_is_set_so(tmp_path: Path) -> None:
    with open_web_harness(tmp_path, language="ar") as web_harness:
        assert '<html lang="ar" dir="rtl">' in web_harness.http.get("/").text
