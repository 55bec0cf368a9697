"""A crawler follows every link of every page and email with HEAD and GET, as a mail scanner does: no row changes."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from email.message import EmailMessage
from pathlib import Path

import httpx

from tests.support.web import WebHarness, add_tip, links_in, open_web_harness

ANNA, BOB, CARL, DORA = (f"{name}@host.example" for name in ("anna", "bob", "carl", "dora"))
MONDAY = datetime(2025, 5, 5, 13, tzinfo=UTC)
TUESDAY = datetime(2025, 5, 6, 12, 1, tzinfo=UTC)
SUMMER = datetime(2025, 7, 1, 12, 1, tzinfo=UTC)  # the first Tuesday of a quarter
PERSONAL = {"/confirm/", "/u/", "/back/", "/p/", "/move/", "/useful/", "/owner/"}  # pages behind a signed link
TEMPLATES = Path(__file__).resolve().parents[2] / "templates/email"


def links_of(email: EmailMessage) -> set[str]:
    """The paths of every link in both bodies and in the header."""
    bodies = [str(part.get_content()) for part in email.walk() if part.get_content_maintype() == "text"]
    found = {link for text in [*bodies, *map(str, email.values())] for link in links_in(text)}
    ours = {link.removeprefix("https://tips.example") for link in found if link.startswith("https://tips.example")}
    return {path.partition("#")[0] or "/" for path in ours}


def crawl(web_harness: WebHarness, start: set[str]) -> dict[str, httpx.Response]:
    """Follow every link with HEAD and GET; submit no form."""
    seen: dict[str, httpx.Response] = {}
    waiting = sorted(start)
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        head, seen[path] = web_harness.http.head(path), web_harness.http.get(path)
        assert (head.status_code, head.content) == (seen[path].status_code, b""), path
        waiting += [link.partition("#")[0] for link in re.findall(r'href="(/[^"]*)"', seen[path].text)]
    return seen


def crawl_all(web_harness: WebHarness) -> dict[str, httpx.Response]:
    """Follow everything that the pages and all emails so far link to; no row may change."""
    start = {"/", "/subscribe/sent", "/signup/embed", "/signup.js", "/healthz", "/readyz", "/openapi.json", "/feed.xml"}
    before = web_harness.rows()
    seen = crawl(web_harness, start.union(*map(links_of, web_harness.emails())))
    assert web_harness.rows() == before
    return seen


def submit(web_harness: WebHarness, path: str, **fields: str) -> None:
    assert web_harness.http.post(path, data=fields).status_code in {200, 303}, path


def send_one_of_every_email_before_an_issue(web_harness: WebHarness) -> None:
    for title in ("Say the name", "Say the price", "Say when", "Say why"):
        add_tip(web_harness.app, title, None)
    add_tip(web_harness.app, "Say it in April", date(2025, 4, 29))
    for address in (ANNA, BOB, CARL, DORA):
        submit(web_harness, "/subscribe", email=address)
    web_harness.app.transactional.send()
    for address in (ANNA, CARL, DORA):
        submit(web_harness, web_harness.confirm_path(address))
    submit(web_harness, "/link", email=CARL)
    submit(web_harness, web_harness.preferences_path(ANNA), action="address", email="anna@new.example")
    web_harness.app.transactional.send()
    web_harness.app.owner.alert("Something is wrong", ["A line."], "Fix it")
    web_harness.clock.now = MONDAY
    web_harness.app.owner.notify()
    web_harness.clock.forward(hours=1)
    web_harness.app.maintenance.run()
    web_harness.app.transactional.send()


def send_an_issue_and_its_report(web_harness: WebHarness) -> None:
    web_harness.clock.now = TUESDAY
    web_harness.app.issues.send()
    web_harness.clock.forward(minutes=2)
    web_harness.app.owner.notify()
    web_harness.app.transactional.send()


def kinds_sent(web_harness: WebHarness) -> set[str]:
    """The template folders of the emails so far."""
    with web_harness.app.store.read() as tx:
        issues = {"quarterly" if issue.quarter else "issue" for issue in tx.issues.each()}
    return issues | {str(row[1]) for row in web_harness.rows()["notice"] if row[4] == "sent"}


def with_a_button(seen: dict[str, httpx.Response]) -> set[str]:
    """The kinds of pages that have a form."""
    return {f"/{path.split('/')[1]}/" for path, page in seen.items() if 'method="post"' in page.text}


def test_following_every_link_of_every_page_and_email_changes_no_row(tmp_path: Path) -> None:
    with open_web_harness(tmp_path, owner="owner@tips.example") as web_harness:
        send_one_of_every_email_before_an_issue(web_harness)
        seen = crawl_all(web_harness)
        assert with_a_button(seen) >= PERSONAL - {"/back/", "/useful/"}
        submit(web_harness, web_harness.unsubscribe_path(DORA))
        submit(web_harness, f"{web_harness.unsubscribe_path(DORA)}/why", season="save", quarterly="yes")
        send_an_issue_and_its_report(web_harness)
        seen = crawl_all(web_harness)
        assert with_a_button(seen) >= PERSONAL - {"/owner/"}
        assert web_harness.subscriber(ANNA).address == ANNA, "nobody has moved"

        web_harness.clock.now = SUMMER
        web_harness.app.issues.send()
        seen = crawl_all(web_harness)
        assert web_harness.subscriber(DORA).quarterly_at, (
            "the page of the quarterly unsubscribe link was opened, but its form not submitted"
        )
        assert max(answer.status_code for answer in seen.values()) < 500
        assert kinds_sent(web_harness) == {folder.name for folder in TEMPLATES.iterdir() if folder.name != "_base"}
