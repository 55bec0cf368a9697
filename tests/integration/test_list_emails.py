"""An issue of a list is an email of that list: its headers, its links, and the pages behind them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from newsletter.domain.lists import MailingList
from tests.support.web import WebHarness, add_tip, links_in, open_web_harness, parse_email, text_of

ANNA = "anna@host.example"
THURSDAY = datetime(2025, 5, 8, 13, 1, tzinfo=UTC)  # 09:01 in New York
OWN = {"title": "Business Advice", "schedule": "thu 09:00", "from_": "Ben <advice@tips.example>"}


@pytest.fixture
def site(tmp_path: Path) -> Iterator[WebHarness]:
    """The first list, one that is public, and one that is not, each with an archive and a tip that comes next."""
    with open_web_harness(tmp_path, owner="owner@tips.example") as harness:
        harness.app.lists.add(MailingList(0, "advice", 0, OWN))
        harness.app.lists.add(MailingList(0, "board", 0, {"title": "Board"}, public=False))
        for key in ("tips", "advice", "board"):
            for title, day in (("old", date(2015, 5, 7)), ("related", date(2025, 4, 3)), ("next", None)):
                add_tip(harness.app.of_list(key), f"{key} {title}", day, categories=("Money",))
        yield harness


def next_email(site: WebHarness, key: str) -> EmailMessage:
    return parse_email(site.app.of_list(key).preview.message(f"{key}-next"))


def paths_in(email: EmailMessage) -> set[str]:
    return {urlsplit(url).path for url in links_in(text_of(email))}


def test_the_headers_of_an_issue_are_those_of_its_list(site: WebHarness) -> None:
    email = next_email(site, "advice")

    assert {name: email[name] for name in ("From", "List-ID", "List-Archive", "List-Subscribe")} == {
        "From": "Ben <advice@tips.example>",
        "List-ID": "Business Advice <advice.tips.example>",
        "List-Archive": "<https://tips.example/lists/advice/archive>",
        "List-Subscribe": "<https://tips.example/lists/advice>",
    }
    assert email["Feedback-ID"].split(":")[2] == "advice"
    assert next_email(site, "tips")["List-Archive"] == "<https://tips.example/archive>"


def test_the_links_in_an_issue_lead_to_its_list(site: WebHarness) -> None:
    paths = paths_in(next_email(site, "advice"))

    assert {"/tips/advice-related", "/tips/advice-old", "/lists/advice", "/tips/advice-next"} <= paths
    assert not {"/", "/archive", "/tips/tips-related"} & paths


def test_an_email_of_a_list_that_is_not_public_links_to_no_page(site: WebHarness) -> None:
    email = next_email(site, "board")

    assert not {"List-Archive", "List-Subscribe", "Archived-At"} & set(email.keys())
    assert email["List-ID"] == "Board <board.tips.example>"
    assert {re.sub(r"preview.*", "", path) for path in paths_in(email)} == {"/useful/", "/u/", "/p/"}


def test_the_feedback_page_is_of_the_list_and_names_its_tips(site: WebHarness) -> None:
    site.http.post("/subscribe", data={"email": ANNA, "list": "advice", "offered": "tips advice"})
    site.app.transactional.send()
    (confirm,) = [path for path in paths_in(site.emails()[-1]) if path.startswith("/confirm/")]
    site.http.post(confirm)
    site.clock.now = THURSDAY
    site.app.of_list("advice").issues.send()
    (issue,) = [email for email in site.emails() if email["List-ID"]]
    (yes,) = [path for path in paths_in(issue) if path.endswith("/yes")]
    page = site.http.post(yes).text

    assert issue["Subject"] == "advice next"
    assert "<span>Business Advice</span>" in page
    assert re.findall(r'href="/tips/([\w-]+)"', page) == ["advice-related", "advice-old"]
    assert site.http.get(urlsplit(str(issue["Archived-At"]).strip("<>")).path).status_code == 200
