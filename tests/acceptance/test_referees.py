"""What others say of our letters and pages: SpamAssassin, html-validate, doiuse-email and axe, over all starter tips."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from newsletter.app import App
from newsletter.domain.lists import MailingList
from newsletter.domain.tips.tip import TipState
from newsletter.rendering.data import data_dir
from newsletter.settings import load_settings
from tests.support.needs import require_program, require_referees
from tests.support.samples import SITE, every_email
from tests.support.web import KEY, WebHarness, add_tip, open_web_harness

CLIENTS = (
    "gmail.desktop-webmail,gmail.ios,gmail.android,outlook.windows,outlook.macos,apple-mail.*,yahoo.desktop-webmail"
)
GRACEFUL = {
    "`@media` is not supported by `outlook.windows`": "which has no phones and shows the letter by day",
    "`border-radius` is not supported by `outlook.windows`": "which shows buttons with corners",
    "`word-break` is not supported by `yahoo.desktop-webmail`": "where the address below a button has room enough",
}
"""What we use although somebody does not know it, and what they see instead."""


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The letter of every starter tip, with an archive beside it."""
    place = tmp_path_factory.mktemp("letters")
    environ = {
        "DATABASE_URL": f"sqlite:///{place}/newsletter.db", "SECRET_KEY": KEY, "OWNER": "reader@mail.example.net",
        "FROM": "Tip of the Week <tips@news.example.org>", "BASE_URL": "https://news.example.org",
        "REPLY_TO": "editor@news.example.org", "POSTAL_ADDRESS": "12 Harbor Street, Springfield",
    }  # fmt: skip
    app = App(load_settings({f"NEWSLETTER_{name}": value for name, value in environ.items()}))
    app.database.upgrade()
    app.tips.import_files([data_dir() / "seeds"], queue=True)
    with app.store.write() as tx:
        cards = tx.tips.cards()
        for card in cards[:4]:
            tx.tips.set_state(card.id, TipState.SENT, sent_on=date(2024, 3, 5))
    found = {card.key: app.preview.message(card.key) for card in cards}
    assert {f.message for letter in found.values() for f in app.preview.check(letter) if f.level != "ok"} == set()
    app.close()
    return found


@pytest.fixture(scope="module")
def pages_of_letters(letters: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Their HTML parts as files."""
    place = tmp_path_factory.mktemp("html")
    for key, letter in letters.items():
        part = message_from_bytes(letter, policy=default).get_body(("html",))
        assert part
        (place / f"{key}.html").write_text(str(part.get_content()), encoding="utf-8")
    return sorted(place.iterdir())


@pytest.fixture(scope="module")
def pages_of_mails(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """One of every other mail, and what a right-to-left reader gets."""
    place = tmp_path_factory.mktemp("mails")
    for kind, mail in every_email().items():
        (place / f"{kind}.html").write_text(mail.html, encoding="utf-8")
    (place / "mirrored.html").write_text(every_email(replace(SITE, language="ar"))["issue"].html, encoding="utf-8")
    return sorted(place.iterdir())


@pytest.fixture(scope="module")
def web_harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebHarness]:
    """An archive of the starter tips."""
    with open_web_harness(tmp_path_factory.mktemp("front"), reply_to="editor@tips.example") as web_harness:
        web_harness.app.tips.import_files([data_dir() / "seeds"], queue=True)
        with web_harness.app.store.write() as tx:
            for at, card in enumerate(tx.tips.cards()):
                ran_on = date(2025, 4, 29) - timedelta(weeks=at)
                tx.tips.set_state(card.id, TipState.SENT, sent_on=ran_on)
        yield web_harness


@pytest.fixture(scope="module")
def three_lists(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebHarness]:
    """Three lists: one with a long title and without a description, and one with a color of its own."""
    with open_web_harness(tmp_path_factory.mktemp("lists")) as harness:
        own = {"title": "Business Advice", "color": "#8a1538", "schedule": "first thu 09:00"}
        harness.app.lists.add(MailingList(0, "advice", 0, own, "How to run a small firm, in plain words."))
        harness.app.lists.add(MailingList(0, "notes", 0, {"title": "Notes on leading a small hotel by the sea"}))
        for key in ("tips", "advice", "notes"):
            add_tip(
                harness.app.of_list(key), f"A tip of {key}", date(2025, 4, 29), categories=("Money",), tags=("people",)
            )
        yield harness


@pytest.fixture(scope="module")
def addresses(web_harness: WebHarness, three_lists: WebHarness) -> list[str]:
    """One address of each kind of page, with one list and with several."""
    paths = re.findall(r"<loc>https://tips\.example(/[^<]*)</loc>", web_harness.http.get("/sitemap.xml").text)
    kinds = {path.split("/")[1]: path for path in paths}
    only = [*sorted(kinds.values()), "/archive/page/2", "/search?q=wait", "/search?q=nothingatall", "/nothing"]
    several = ["/", "/lists/advice", "/lists/notes", "/lists/advice/archive", "/tips/a-tip-of-advice"]
    sites = ((web_harness, only), (three_lists, several))
    return [str(site.http.base_url.join(path)) for site, found in sites for path in found]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = require_program("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


def run(*command: str | Path, cwd: Path) -> str:
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300, check=False).stdout  # noqa: S603


def test_no_letter_looks_like_spam(letters: dict[str, bytes], tmp_path: Path) -> None:
    program = require_program("spamassassin")
    box = tmp_path / "box"
    box.write_bytes(
        b"".join(b"From x Tue Jun  3 12:00:00 2025\n" + raw.replace(b"\r\n", b"\n") + b"\n" for raw in letters.values())
    )
    judged = run(program, "--local", "--mbox", box, cwd=tmp_path)
    scores = [float(score) for score in re.findall(r"^X-Spam-Status: \w+, score=(-?[\d.]+)", judged, re.MULTILINE)]
    assert len(scores) == len(letters)
    assert max(scores) <= 1.0


def test_every_mail_is_valid_html(pages_of_letters: list[Path], pages_of_mails: list[Path]) -> None:
    referees = require_referees()
    require_program("npm")
    config = referees / "letter.json"
    program = referees / "node_modules/.bin/html-validate"
    assert (
        run(program, "--config", config, "--formatter", "text", *pages_of_letters, *pages_of_mails, cwd=referees) == ""
    )


def test_no_mail_needs_what_a_mail_program_lacks(pages_of_letters: list[Path], pages_of_mails: list[Path]) -> None:
    referees, files = require_referees(), [*pages_of_letters, *pages_of_mails]
    found = json.loads(run("node", referees / "doiuse.mjs", CLIENTS, *files, cwd=referees))
    assert len(found) == len(files)
    assert {error for errors in found.values() for error in errors} <= set(GRACEFUL)


def test_every_public_page_is_valid_html(web_harness: WebHarness, addresses: list[str], tmp_path: Path) -> None:
    referees = require_referees()
    files = []
    for at, address in enumerate(addresses):
        files.append(tmp_path / f"{at}.html")
        files[-1].write_text(web_harness.http.get(address).text, encoding="utf-8")
    program = referees / "node_modules/.bin/html-validate"
    found = run(program, "--config", referees / "page.json", "--formatter", "text", *files, cwd=referees)
    assert found == "", addresses


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_letters_and_pages(
    addresses: list[str],
    pages_of_letters: list[Path],
    pages_of_mails: list[Path],
    browser: Browser,
    scheme: str,
) -> None:
    axe = (require_referees() / "node_modules/axe-core/axe.min.js").read_text(encoding="utf-8")
    context = browser.new_context(color_scheme="dark" if scheme == "dark" else "light", bypass_csp=True)
    page = context.new_page()
    found = {}
    files = [*pages_of_letters[::6], *pages_of_mails]
    for url in [*(file.as_uri() for file in files), *addresses]:
        page.goto(url)
        page.evaluate(f"{axe};0")
        for violation in page.evaluate("axe.run().then(found => found.violations)"):
            found[violation["id"]] = (url, violation["nodes"][0]["html"])
    context.close()
    assert found == {}
