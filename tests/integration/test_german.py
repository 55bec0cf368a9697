"""Everything that readers and the owner of a German newsletter see, looked through for words of another language."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest

from newsletter.app.subscribers import ATTACK
from newsletter.domain.tips.tip import TipState, TipText, identity
from newsletter.testing import MemorySender, answer
from newsletter.web.owner_links import Owner
from newsletter.web.pages import Pages
from tests.support.languages import ENGLISH
from tests.support.library import TUESDAY, add_readers
from tests.support.publishing import Newsroom, mails, open_newsroom, told
from tests.support.web import Front, add_tip, open_front

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
def front(tmp_path: Path) -> Iterator[Front]:
    with open_front(tmp_path, reply_to="red@tips.example", **SETTINGS, **LINKS) as front:
        for at in range(25):
            ran_on, more = date(2025, 4, 29) - timedelta(weeks=at), {"categories": ("Hören",), "tags": ("Ruhe",)}
            add_tip(front.app, f"Tipp Nummer {at}", ran_on, body=TEXT, takeaway="Einmal.", **more)
        yield front


def test_no_page_of_a_german_newsletter_has_english_in_it(front: Front) -> None:
    front.http.post("/subscribe", data={"email": ANNA})
    confirm = front.confirm_path(ANNA)
    pages = {confirm: front.http.get(confirm).text, "confirmed": front.http.post(confirm).text}
    pages |= {path: front.http.post(path, data={"email": "anna"}).text for path in ("/subscribe", "/link")}
    leave, preferences = front.leave_path(ANNA), front.preferences_path(ANNA)
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
        pages[path] = front.http.get(path).text
    for change in (
        {"action": "pause", "weeks": "4"},
        {"action": "pace", "pace": "monthly"},
        {"action": "x"},
        {"action": "erase"},
    ):
        pages[f"preferences {change}"] = front.http.post(preferences, data=change).text
    pages |= {
        "left": front.http.post(leave).text,
        "why": front.http.post(f"{leave}/why", data={"reason": "other"}).text,
    }
    pages["stale"] = front.http.get(confirm).text
    assert {path: found for path, page in pages.items() if (found := english_in(page))} == {}
    assert len(pages) >= 27


def test_no_mail_to_a_german_reader_has_english_in_it(front: Front) -> None:
    front.http.post("/subscribe", data={"email": ANNA})
    front.app.flush_notices()
    front.clock.forward(days=4)
    front.app.housekeeping()
    front.app.flush_notices()
    front.http.post(front.confirm_path(ANNA))
    front.http.post("/link", data={"email": ANNA})
    front.http.post(front.preferences_path(ANNA), data={"action": "address", "email": "neu@host.example"})
    front.app.flush_notices()
    front.http.post(front.leave_path(ANNA))
    front.app.flush_notices()
    found = front.mails()
    assert {str(mail["Subject"]): english for mail in found if (english := english_in(whole(mail)))} == {}
    assert len(found) == 6


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Newsroom]:
    with open_newsroom(tmp_path, MemorySender(), **SETTINGS, **LINKS) as room:
        add_readers(room.files, 2)
        for at in range(6):
            text = TipText(f"Tipp Nummer {at}", f"{TEXT} {at}", takeaway="Einmal.")
            with room.store.write() as tx:
                tx.tips.add(text, identity(text.title, None), f"tipp-{at}", TipState.FRESH, TUESDAY)
        room.hand.now = TUESDAY - timedelta(hours=20)
        yield room


def test_no_mail_to_a_german_owner_has_english_in_it(room: Newsroom) -> None:
    add = TipText("Halloween", f"TODO: {TEXT}")
    with room.store.write() as tx:
        tx.tips.add(add, identity("Halloween", None), "halloween", TipState.FRESH, TUESDAY)
    found = told(room)
    room.hand.now = TUESDAY
    room.publish_due()
    memory = room.memory({"reader2@a.example": [answer("rcpt", "550 5.1.1 unbekannt")]})
    room.round()
    letters, found = mails(memory.letters), found + told(room)
    room.hand.now = TUESDAY + timedelta(days=7, hours=1)
    found += told(room)
    for at in range(6):
        room.retire_tip(f"tipp-{at}")
    room.retire_tip("halloween")
    room.hand.now = TUESDAY + timedelta(days=13, hours=4)
    found += told(room)
    with room.store.write() as tx:
        tx.notices.add("alarm", room.site.owner, ATTACK, room.hand.now)
    room.tell_owner("Issue 3 is paused", ["3 policy refusals in a row, the last: 550 nein"], "newsletter doctor")
    found += told(room)

    assert {str(mail["Subject"]): english for mail in (*letters, *found) if (english := english_in(whole(mail)))} == {}
    subjects = " ".join(str(mail["Subject"]) for mail in found)
    for words in ("5. März 2024: Tipp Nummer 0", "Nr. 1: 1 von 2 verschickt", "Stelle", "ging kein Brief", "frischer"):
        assert words in subjects
    assert "Zum Mitnehmen" in whole(letters[0])
    assert "Holen Sie sich Ihren eigenen" in whole(letters[0])


def test_the_pages_behind_the_owners_links_are_german(room: Newsroom) -> None:
    preview = next(mail for mail in told(room) if "Vorschau" in whole(mail))
    owner = Owner(room, Pages(room.site, room.schedule, None))
    for link in sorted(set(re.findall(r"/owner/([\w.-]+)", whole(preview)))):
        for page in (owner.ask(link), owner.act(link, b"")):
            assert english_in(bytes(page.body).decode()) == []
