"""Tests of `{{ year }}` in a title: wherever the tip is shown, it has the year of its issue."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from newsletter.domain.tips.season_rule import parse_rule, title_on
from newsletter.domain.tips.tip import TipRules, TipState, TipText, identity
from tests.support.web import FRIDAY, WebHarness, add_tip, links_in, open_web_harness, text_of

NEW_YEAR = TipRules(season="the Tuesday on or before 1 January")
ANNA = "anna@host.example"


@pytest.fixture
def web_harness(tmp_path: Path) -> Iterator[WebHarness]:
    """A newsletter with a tip for New Year 2026, which was sent in December 2025, between two others with its tag."""
    with open_web_harness(tmp_path) as web_harness:
        add_tip(web_harness.app, "Before it", date(2025, 4, 1), tags=("calls",))
        text = TipText("Calls in {{ year }}", "Say it *once*.", tags=("calls",), rules=NEW_YEAR)
        with web_harness.app.store.write() as tx:
            tx.tips.add(text, identity(text.title, None), "calls", TipState.FRESH, FRIDAY)
        web_harness.http.post("/subscribe", data={"email": ANNA})
        web_harness.http.post(web_harness.confirm_path(ANNA))
        web_harness.clock.now = datetime(2025, 12, 30, 13, 1, tzinfo=UTC)
        web_harness.app.issues.send()
        add_tip(web_harness.app, "After it", date(2025, 12, 31), tags=("calls",))
        yield web_harness


def test_the_subject_of_the_email_has_the_year_of_its_season(web_harness: WebHarness) -> None:
    assert [email["Subject"] for email in web_harness.emails()][-1] == "Calls in 2026"


@pytest.mark.parametrize(
    "path",
    [
        "/", "/archive", "/tips/calls", "/tips/before-it", "/tips/after-it", "/tags/calls", "/search?q=calls",
        "/search?q=year", "/feed.xml", "/feed.json",
    ],
)  # fmt: skip
def test_every_page_that_shows_the_title_has_the_year(web_harness: WebHarness, path: str) -> None:
    page = web_harness.http.get(path).text.replace("<mark>", "").replace("</mark>", "")

    assert "Calls in 2026" in page
    assert "{{" not in page


def test_the_feedback_page_has_the_year(web_harness: WebHarness) -> None:
    (url,) = [url for url in links_in(text_of(web_harness.emails()[-1])) if url.endswith("/yes")]

    assert "Calls in 2026" in web_harness.http.get(urlsplit(url).path).text


def test_the_link_to_the_tip_in_another_issue_has_the_year(web_harness: WebHarness) -> None:
    with web_harness.app.store.read() as tx:
        archive_links = tx.archive.archive_links(tx.tips.get("after-it").card.id, date(2026, 2, 3))

    assert archive_links.related
    assert archive_links.related.title == "Calls in 2026"


def test_the_owner_sees_the_year_of_the_date_in_question(web_harness: WebHarness) -> None:
    assert web_harness.app.tips.why("calls").title == "Calls in 2027"
    assert web_harness.app.calendar.why(date(2025, 12, 30)).line.title == "Calls in 2026"
    assert web_harness.app.tips.pin("calls", date(2026, 2, 3)) == "Calls in 2026"
    assert web_harness.app.tips.title_today("calls") == "Calls in 2026"


def test_a_title_without_a_date_has_no_year() -> None:
    assert title_on("Calls in {{ year }}, and more", None, None) == "Calls in , and more"
    assert title_on("The {{year}} list", parse_rule("25 December"), None) == "The list"
    assert title_on("Braces } stay {", None, None) == "Braces } stay {"
