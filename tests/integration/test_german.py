"""Everything that subscribers and the owner of a German newsletter see, looked through for words of another language."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest

from newsletter.actions.subscribers.signup_limits import ATTACK, STRONG_ATTACK, stream_alert
from newsletter.domain.tips.tip import TipState, TipText, identity
from newsletter.testing import MemorySender, answer
from newsletter.web.owner_links import OwnerLinks
from newsletter.web.pages import Pages
from tests.support.languages import ENGLISH
from tests.support.library import TUESDAY, add_subscribers
from tests.support.publishing import AppHarness, open_app_harness, owner_emails, parse_emails
from tests.support.web import WebHarness, add_tip, open_web_harness

ANNA = "anna@host.example"
TEXT = "Sagen Sie den Namen, einmal und früh. " * 12
SETTINGS = {"language": "de", "title": "Tipp der Woche", "from": "Anna <tipps@tips.example>"}
LINKS = {f"{name}_url": f"https://tips.example/{name}" for name in ("contact", "resources", "home")}


def english_in(text: str) -> list[str]:
    """Lines with English words in them, commands and addresses left aside."""
    shown = re.sub(r"<style.*?</style>|<[^>]*>|https?://\S+|newsletter [a-z]+(?: [a-z]+)?", " ", text, flags=re.DOTALL)
    return [line.strip() for line in shown.splitlines() if ENGLISH.search(line)]


def whole(mail: EmailMessage) -> str:
    """Subject and both parts."""
    parts = [part for kind in ("plain", "html") if (part := mail.get_body((kind,)))]
    return "\n".join([str(mail["Subject"]), *(str(part.get_content()) for part in parts)])


@pytest.fixture
def web_harness(tmp_path: Path) -> Iterator[WebHarness]:
    with open_web_harness(tmp_path, reply_to="red@tips.example", **SETTINGS, **LINKS) as web_harness:
        for at in range(25):
            ran_on, more = date(2025, 4, 29) - timedelta(weeks=at), {"categories": ("Hören",), "tags": ("Ruhe",)}
            add_tip(web_harness.app, f"Tipp Nummer {at}", ran_on, body=TEXT, takeaway="Einmal.", **more)
        yield web_harness


def test_no_page_of_a_german_newsletter_has_english_in_it(web_harness: WebHarness) -> None:
    web_harness.http.post("/subscribe", data={"email": ANNA})
    confirm = web_harness.confirm_path(ANNA)
    pages = {confirm: web_harness.http.get(confirm).text, "confirmed": web_harness.http.post(confirm).text}
    pages |= {path: web_harness.http.post(path, data={"email": "anna"}).text for path in ("/subscribe", "/link")}
    leave, preferences = web_harness.unsubscribe_path(ANNA), web_harness.preferences_path(ANNA)
    for path in (
        *(
            "/",
            "/archive",
            "/archive/page/2",
            "/archive/2025",
            "/categories/hoeren",
            "/tags/ruhe",
            "/tips/tipp-nummer-3",
        ),
        *("/search?q=namen", "/search?q=nichts", "/search", "/nothing", "/u/x", "/subscribe/sent", "/signup/embed"),
        *("/signup/embed/sent", "/link", leave, preferences, "/signup.js"),
    ):
        pages[path] = web_harness.http.get(path).text
    for change in (
        {"action": "pause", "weeks": "4"},
        {"action": "pace", "pace": "monthly"},
        {"action": "x"},
        {"action": "erase"},
    ):
        pages[f"preferences {change}"] = web_harness.http.post(preferences, data=change).text
    pages |= {
        "left": web_harness.http.post(leave).text,
        "why": web_harness.http.post(f"{leave}/why", data={"reason": "other"}).text,
    }
    pages["stale"] = web_harness.http.get(confirm).text
    assert {path: found for path, page in pages.items() if (found := english_in(page))} == {}
    assert len(pages) >= 27


def test_no_mail_to_a_german_reader_has_english_in_it(web_harness: WebHarness) -> None:
    web_harness.http.post("/subscribe", data={"email": ANNA})
    web_harness.app.transactional.send()
    web_harness.clock.forward(days=4)
    web_harness.app.maintenance.run()
    web_harness.app.transactional.send()
    web_harness.http.post(web_harness.confirm_path(ANNA))
    web_harness.http.post("/link", data={"email": ANNA})
    web_harness.http.post(web_harness.preferences_path(ANNA), data={"action": "address", "email": "neu@host.example"})
    web_harness.app.transactional.send()
    web_harness.http.post(web_harness.unsubscribe_path(ANNA))
    web_harness.app.transactional.send()
    found = web_harness.emails()
    assert {str(mail["Subject"]): english for mail in found if (english := english_in(whole(mail)))} == {}
    assert len(found) == 6


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[AppHarness]:
    with open_app_harness(tmp_path, MemorySender(), **SETTINGS, **LINKS) as harness:
        add_subscribers(harness.files, 2)
        for at in range(6):
            text = TipText(f"Tipp Nummer {at}", f"{TEXT} {at}", takeaway="Einmal.")
            with harness.store.write() as tx:
                tx.tips.add(text, identity(text.title, None), f"tipp-{at}", TipState.FRESH, TUESDAY)
        harness.fake_clock.now = TUESDAY - timedelta(hours=20)
        yield harness


def test_no_mail_to_a_german_owner_has_english_in_it(harness: AppHarness) -> None:
    add = TipText("Halloween", f"TODO: {TEXT}")
    with harness.store.write() as tx:
        tx.tips.add(add, identity("Halloween", None), "halloween", TipState.FRESH, TUESDAY)
    found = owner_emails(harness)
    harness.fake_clock.now = TUESDAY
    harness.issues.publish_due()
    memory = harness.memory({"reader2@a.example": [answer("rcpt", "550 5.1.1 unbekannt")]})
    harness.round()
    emails, found = parse_emails(memory.emails), found + owner_emails(harness)
    harness.fake_clock.now = TUESDAY + timedelta(days=7, hours=1)
    found += owner_emails(harness)
    for at in range(6):
        harness.tips.retire(f"tipp-{at}")
    harness.tips.retire("halloween")
    harness.fake_clock.now = TUESDAY + timedelta(days=13, hours=4)
    found += owner_emails(harness)
    with harness.store.write() as tx:
        for values in (ATTACK, STRONG_ATTACK, stream_alert(48)):
            tx.transactional.add("alert", harness.site.owner[0], values, harness.fake_clock.now)
    harness.owner.alert(
        "Issue 3 is paused", ["3 policy rejections in a row; the last one: 550 nein"], "newsletter doctor"
    )
    found += owner_emails(harness)

    assert {str(mail["Subject"]): english for mail in (*emails, *found) if (english := english_in(whole(mail)))} == {}
    subjects = " ".join(str(mail["Subject"]) for mail in found)
    for words in (
        "Vorschau: erscheint morgen – Tipp Nummer 0",
        "Nr. 1: 1 von 2 verschickt",
        "Stelle",
        "keine Ausgabe",
        "frischer",
    ):
        assert words in subjects
    assert "Zum Mitnehmen" in whole(emails[0])
    assert "Melden Sie sich kostenlos an" in whole(emails[0])


def test_the_pages_behind_the_owners_links_are_german(harness: AppHarness) -> None:
    preview = next(mail for mail in owner_emails(harness) if "Vorschau" in whole(mail))
    owner = OwnerLinks(harness, Pages(harness.site, harness.schedule, None))
    for link in sorted(set(re.findall(r"/owner/([\w.-]+)", whole(preview)))):
        for page in (owner.action_page(link), owner.act(link, b"")):
            assert english_in(bytes(page.body).decode()) == []
