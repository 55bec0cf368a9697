"""Unsubscribe over real HTTP: the reason, one tip every three months, the email with the resubscribe link; and maintenance."""

import re
from collections.abc import Iterator
from datetime import date
from email.message import EmailMessage
from pathlib import Path

import pytest

from newsletter.domain.subscribers.imported import ImportRequest
from newsletter.domain.subscribers.subscription import Reason, Status
from newsletter.mail.tokens import Purpose
from newsletter.store.consent import network_of
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
        return [entry.what for entry in tx.subscribers.consents(web_harness.subscriber(address).id)]


def reasons(web_harness: WebHarness) -> list[tuple[str, int]]:
    with web_harness.app.store.read() as tx:
        return [(count.reason, count.number) for count in tx.unsubscribes.by_reason()]


def subjects(web_harness: WebHarness) -> list[str]:
    web_harness.app.transactional.send()
    return [email["Subject"].partition(":")[0] for email in web_harness.emails()]


# -- the reason -------------------------------------------------------------------------------------------


def test_the_reason_is_asked_only_after_unsubscribing(web_harness: WebHarness) -> None:
    web_harness.http.post(web_harness.confirm_path(ANNA))
    path = web_harness.unsubscribe_path(ANNA)
    assert "/why" not in web_harness.http.get(path).text
    page = web_harness.http.post(path, data={"List-Unsubscribe": "One-Click"}).text
    assert set(re.findall(r'name="reason" value="([a-z_]+)"', page)) == set(Reason)
    assert 'name="words"' in page
    assert not re.search(r'name="quarterly"[^>]*checked', page)
    assert reasons(web_harness) == [("", 1)]


def test_a_reason_counts_for_the_issue_that_caused_it(web_harness: WebHarness) -> None:
    key = add_tip(web_harness.app, "Say the name", date(2025, 4, 29))
    with web_harness.app.store.write() as tx:
        issue = tx.issues.plan(date(2025, 5, 6), web_harness.clock(), web_harness.clock())
        tx.issues.bind(issue.number, tx.tips.get(key).card.id)
    web_harness.http.post(web_harness.confirm_path(ANNA))
    path = f"/u/{web_harness.app.signer.sign(Purpose.UNSUBSCRIBE, web_harness.subscriber(ANNA).key, '1')}"
    web_harness.http.post(path)
    answer = web_harness.http.post(f"{path}/why", data={"reason": "too_often", "words": "Once\x00 a month\nwould do"})
    assert (answer.status_code, "Thank you for letting us know" in answer.text) == (200, True)
    assert web_harness.http.post(f"{path}/why", data={"reason": "boredom"}).status_code == 422
    assert reasons(web_harness) == [("too_often", 1)]
    with web_harness.app.store.read() as tx:
        assert [(count.issue, count.tip, count.number) for count in tx.unsubscribes.by_tip(5)] == [
            (1, "say-the-name", 1)
        ]
        assert [words for _, _, words in tx.unsubscribes.words(5)] == ["Once a month would do"]


def test_a_reason_before_unsubscribing_shows_the_button_and_changes_nothing(web_harness: WebHarness) -> None:
    web_harness.http.post(web_harness.confirm_path(ANNA))
    before = web_harness.rows()
    answer = web_harness.http.post(f"{web_harness.unsubscribe_path(ANNA)}/why", data={"reason": "other"})
    assert "Yes, unsubscribe me" in answer.text
    assert web_harness.rows() == before


def test_one_tip_every_three_months_is_a_separate_consent_that_can_be_withdrawn(web_harness: WebHarness) -> None:
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
    assert web_harness.subscriber(ANNA).quarterly_at == web_harness.clock()
    web_harness.http.post(why, data={"season": "save"})
    assert web_harness.subscriber(ANNA).quarterly_at is None
    assert consents(web_harness) == ["signup", "confirm", "leave", "quarterly", "no-quarterly"]
    assert web_harness.subscriber(ANNA).status is Status.UNSUBSCRIBED


def test_after_thirty_days_the_reason_stays_without_the_name(web_harness: WebHarness) -> None:
    web_harness.http.post(web_harness.confirm_path(ANNA))
    web_harness.http.post(web_harness.unsubscribe_path(ANNA))
    web_harness.http.post(f"{web_harness.unsubscribe_path(ANNA)}/why", data={"reason": "no_time"})
    web_harness.clock.forward(days=30)
    assert web_harness.app.maintenance.run()["anonymized"] == 1
    assert reasons(web_harness) == [("no_time", 1)]
    web_harness.http.post(f"{web_harness.unsubscribe_path(ANNA)}/why", data={"reason": "other"})
    assert reasons(web_harness) == [("no_time", 1)]


# -- the unsubscribe email and resubscribing ----------------------------------------------------------------


def confirm(web_harness: WebHarness, address: str = ANNA) -> None:
    web_harness.http.post(web_harness.confirm_path(address))
    web_harness.app.transactional.send()


def unsubscribe_emails(web_harness: WebHarness) -> list[EmailMessage]:
    web_harness.app.transactional.send()
    return [email for email in web_harness.emails() if email["Subject"].startswith("You have unsubscribed from")]


def resubscribe_path(email: EmailMessage) -> str:
    (link,) = (link for link in links_in(text_of(email)) if "/back/" in link)
    return link.removeprefix("https://tips.example")


def test_unsubscribing_on_the_page_sends_one_email_whose_link_starts_a_new_double_opt_in(
    web_harness: WebHarness,
) -> None:
    confirm(web_harness)
    for _ in range(2):
        web_harness.http.post(web_harness.unsubscribe_path(ANNA))
    (email,) = unsubscribe_emails(web_harness)
    path, before = resubscribe_path(email), web_harness.rows()
    page = web_harness.http.get(path)
    assert (page.status_code, page.headers["cache-control"], web_harness.rows()) == (200, "no-store", before)
    assert (ANNA in page.text, "a***@host.example" in page.text) == (False, True)
    assert web_harness.http.post(path).status_code == 200
    assert subjects(web_harness)[-1] == "Please confirm"
    assert web_harness.subscriber(ANNA).status is Status.PENDING
    web_harness.http.post(web_harness.confirm_path(ANNA))
    assert web_harness.subscriber(ANNA).status is Status.CONFIRMED
    assert [what for what in consents(web_harness) if what in {"signup", "confirm", "leave"}] == [
        *("signup", "confirm", "leave", "signup", "confirm")
    ]
    assert len(unsubscribe_emails(web_harness)) == 1


@pytest.mark.parametrize(
    ("unsubscribe_email", "channel", "emails"),
    [("page", "one-click", 0), ("always", "one-click", 1), ("page", "preferences", 1), ("never", "preferences", 0)],
)
def test_a_setting_decides_after_which_unsubscribes_an_email_is_sent(
    tmp_path: Path, unsubscribe_email: str, channel: str, emails: int
) -> None:
    with open_web_harness(tmp_path, unsubscribe_email=unsubscribe_email) as web_harness:
        web_harness.http.post("/subscribe", data={"email": ANNA})
        confirm(web_harness)
        if channel == "one-click":
            web_harness.http.post(web_harness.unsubscribe_path(ANNA), data={"List-Unsubscribe": "One-Click"})
        else:
            web_harness.http.post(web_harness.preferences_path(ANNA), data={"action": "leave"})
        assert web_harness.subscriber(ANNA).status is Status.UNSUBSCRIBED
        assert len(unsubscribe_emails(web_harness)) == emails


def test_no_unsubscribe_email_for_pending_suppressed_or_owner_removed_subscribers(web_harness: WebHarness) -> None:
    web_harness.http.post(web_harness.unsubscribe_path(ANNA))
    web_harness.http.post("/subscribe", data={"email": "bounced@host.example"})
    confirm(web_harness, "bounced@host.example")
    web_harness.app.suppressions.add("bounced@host.example", "hard_bounce")
    web_harness.http.post(web_harness.unsubscribe_path("bounced@host.example"))
    web_harness.http.post("/subscribe", data={"email": "command@host.example"})
    confirm(web_harness, "command@host.example")
    web_harness.app.subscribers.unsubscribe("command@host.example")
    assert {web_harness.subscriber(who).status for who in (ANNA, "command@host.example")} == {Status.UNSUBSCRIBED}
    assert unsubscribe_emails(web_harness) == []


@pytest.mark.parametrize("then", ["suppressed", "erased", "back"])
def test_a_queued_unsubscribe_email_is_dropped_once_it_is_wrong(web_harness: WebHarness, then: str) -> None:
    confirm(web_harness)
    preferences = web_harness.preferences_path(ANNA)
    web_harness.http.post(web_harness.unsubscribe_path(ANNA))
    match then:
        case "suppressed":
            web_harness.app.suppressions.add(ANNA, "complaint")
        case "erased":
            web_harness.http.post(preferences, data={"action": "erase", "sure": "yes"})
        case "back":
            web_harness.http.post("/subscribe", data={"email": ANNA})
    assert unsubscribe_emails(web_harness) == []


def test_an_unsubscribe_email_is_resent_after_a_deferral_but_not_after_a_crash(web_harness: WebHarness) -> None:
    addresses = (ANNA, "berta@host.example")
    web_harness.http.post("/subscribe", data={"email": addresses[1]})
    for address in addresses:
        confirm(web_harness, address)
    for address in addresses:
        web_harness.http.post(web_harness.unsubscribe_path(address))
    with web_harness.app.store.write() as tx:
        crashed, slow = tx.transactional.due(web_harness.clock(), 2)
    with web_harness.app.store.write() as tx:
        tx.transactional.done(slow.id, "deferred", "451 4.7.1 later", web_harness.clock())
    web_harness.clock.forward(hours=1)
    assert [email["To"] for email in unsubscribe_emails(web_harness)] == [slow.address]
    assert crashed.address == ANNA


def test_a_resubscribe_link_fails_after_erasure_or_if_it_was_altered(web_harness: WebHarness) -> None:
    confirm(web_harness)
    web_harness.http.post(web_harness.unsubscribe_path(ANNA))
    path = resubscribe_path(unsubscribe_emails(web_harness)[0])
    web_harness.http.post(web_harness.preferences_path(ANNA), data={"action": "erase", "sure": "yes"})
    for link in (path, f"{path}x"):
        assert web_harness.http.get(link).status_code == 400
    assert web_harness.http.post(path).status_code == 400
    assert subjects(web_harness)[-1].startswith("You have unsubscribed from")


# -- maintenance ------------------------------------------------------------------------


def test_one_reminder_is_sent_after_three_days_and_confirms_like_the_first_email(web_harness: WebHarness) -> None:
    assert subjects(web_harness) == ["Please confirm"]
    web_harness.clock.forward(days=2, hours=23)
    assert web_harness.app.maintenance.run()["reminded"] == 0
    web_harness.clock.forward(hours=1)
    assert web_harness.app.maintenance.run()["reminded"] == 1
    assert web_harness.app.maintenance.run()["reminded"] == 0
    assert subjects(web_harness)[-1].startswith("Still interested in")
    assert "Anna" not in text_of(web_harness.emails()[-1])
    web_harness.http.post("/subscribe", data={"email": ANNA})
    assert len(subjects(web_harness)) == 2, "a reminder counts as today's email"
    web_harness.http.post(web_harness.confirm_path(ANNA))
    web_harness.clock.forward(days=30)
    assert web_harness.app.maintenance.run()["reminded"] == 0


def test_an_unconfirmed_sign_up_expires_after_thirty_days_and_is_deleted_a_day_later(web_harness: WebHarness) -> None:
    path = web_harness.confirm_path(ANNA)
    web_harness.clock.forward(days=30)
    assert web_harness.app.maintenance.run()["expired"] == 1
    assert (web_harness.subscriber(ANNA).status, web_harness.subscriber(ANNA).name) == (Status.EXPIRED, "")
    assert web_harness.http.get(path).status_code == 410
    web_harness.clock.forward(days=1)
    assert web_harness.app.maintenance.run()["deleted"] == 1
    assert ANNA not in repr(web_harness.rows())
    assert web_harness.http.get(path).status_code == 400


def test_an_unconfirmed_sign_up_does_not_let_an_import_resubscribe_the_address(
    web_harness: WebHarness, tmp_path: Path
) -> None:
    web_harness.http.post(web_harness.confirm_path(ANNA))
    web_harness.http.post(web_harness.unsubscribe_path(ANNA))
    web_harness.http.post("/subscribe", data={"email": ANNA})
    (tmp_path / "list.csv").write_text(f"email\n{ANNA}\n")
    assert (
        web_harness.app.subscribers.import_file(tmp_path / "list.csv", ImportRequest(confirmed_source="old list")).left
        == 1
    )
    web_harness.clock.forward(days=31)
    web_harness.app.maintenance.run()
    assert web_harness.subscriber(ANNA).status is Status.UNSUBSCRIBED
    assert (
        web_harness.app.subscribers.import_file(tmp_path / "list.csv", ImportRequest(confirmed_source="old list")).left
        == 1
    )


def test_an_ip_address_is_shortened_to_its_network_after_thirty_days(web_harness: WebHarness) -> None:
    web_harness.http.post(web_harness.confirm_path(ANNA))
    web_harness.clock.forward(days=30)
    assert web_harness.app.maintenance.run()["origins"] == 1
    assert web_harness.app.maintenance.run()["origins"] == 0
    with web_harness.app.store.read() as tx:
        assert tx.subscribers.consents(web_harness.subscriber(ANNA).id)[0].origin == "203.0.113.0/24"


@pytest.mark.parametrize(
    ("origin", "network"),
    [
        ("198.51.100.7", "198.51.100.0/24"),
        ("2001:db8:1:2::3", "2001:db8:1::/48"),
        ("x", ""),
        ("fe80::1%eth0", "fe80::/48"),
    ],
)
def test_the_network_of_an_ip_address(origin: str, network: str) -> None:
    assert network_of(origin) == network


def test_sent_transactional_emails_are_deleted_after_thirty_days(web_harness: WebHarness) -> None:
    web_harness.http.post(web_harness.confirm_path(ANNA))
    web_harness.app.transactional.send()
    web_harness.clock.forward(days=30, minutes=1)
    assert web_harness.app.maintenance.run()["emails"] == 2
    assert web_harness.rows()["notice"] == []


def test_the_welcome_email_has_the_current_tip_and_the_date_of_the_first_issue(web_harness: WebHarness) -> None:
    add_tip(web_harness.app, "The old one", date(2024, 4, 2))
    add_tip(
        web_harness.app, "Say the name", date(2025, 4, 29), body="Use the *name*, once and early.", takeaway="Once."
    )
    add_tip(web_harness.app, "Ask again", None)
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


def test_pages_and_emails_are_translated_to_german(tmp_path: Path) -> None:
    with open_web_harness(tmp_path, language="de") as web_harness:
        add_tip(web_harness.app, "Den Namen sagen", date(2025, 4, 29))
        add_tip(web_harness.app, "Nachfragen", None)
        page = web_harness.http.get("/").text
        for words in ('<html lang="de" dir="ltr">', "Ihre E-Mail-Adresse", "jeden Dienstag", "29. April 2025"):
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


def test_a_site_in_arabic_is_set_right_to_left(tmp_path: Path) -> None:
    with open_web_harness(tmp_path, language="ar") as web_harness:
        assert '<html lang="ar" dir="rtl">' in web_harness.http.get("/").text
