"""Test emails are what a subscriber would get, envelope included, and their links change nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from newsletter.domain.errors import InputError, SenderError
from newsletter.testing import MemorySender, answer
from tests.support.publishing import AppHarness, open_app_harness, parse_emails, recipients
from tests.support.web import WebHarness, add_tip, links_in, open_web_harness, text_of

ANNA, BOB = "anna@host.example", "bob@host.example"


@pytest.fixture
def web_harness(tmp_path: Path) -> Iterator[WebHarness]:
    with open_web_harness(tmp_path) as web_harness:
        add_tip(web_harness.app, "Say the name", None)
        yield web_harness


def issue_and_test(harness: AppHarness) -> tuple[str, str]:
    """The envelope senders of an issue and of a test email."""
    memory = harness.memory()
    harness.start(1)
    harness.round()
    harness.preview.send_tests([ANNA], "say-the-name")
    first, second = memory.emails
    return first.envelope.sender, second.envelope.sender


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, ["tips@tips.example"] * 2),
        ({"bounce_domain": "b.example"}, ["b-1-1@b.example", "b-0-0@b.example"]),
        ({"envelope": "verp"}, ["tips+b-1-1@tips.example", "tips+b-0-0@tips.example"]),
        ({"envelope": "plain", "bounce_domain": "b.example"}, ["tips@tips.example"] * 2),
    ],
)
def test_a_test_email_has_the_envelope_of_an_issue(
    tmp_path: Path, settings: dict[str, str], expected: list[str]
) -> None:
    with open_app_harness(tmp_path, None, **settings) as harness:
        senders = issue_and_test(harness)
        assert harness.preview.envelope_sender == senders[1]

    without_seals = [
        (local[:-17] if "b-" in local else local) + "@" + domain
        for local, _, domain in (s.rpartition("@") for s in senders)
    ]
    assert without_seals == expected


def test_a_test_is_sent_to_each_address_and_marked(tmp_path: Path) -> None:
    with open_app_harness(tmp_path) as harness:
        harness.start(1)
        memory = harness.memory({BOB: [answer("rcpt", "550 5.1.1 no such user")]})
        results = harness.preview.send_tests([ANNA, BOB], "say-the-name")

    assert [(one.address, type(one.outcome).__name__) for one in results] == [(ANNA, "Sent"), (BOB, "Rejected")]
    assert recipients(memory.emails) == [ANNA]
    assert parse_emails(memory.emails)[0]["Subject"] == "[Test] Say the name"


def test_a_lost_connection_hides_no_test_that_was_sent(tmp_path: Path) -> None:
    with open_app_harness(tmp_path) as harness:
        harness.start(1)
        harness.sender_override = MemorySender(fail_at=[2])
        first, second = harness.preview.send_tests([ANNA, BOB], "say-the-name")
        assert (first.trouble, second.outcome) == ("", None)
        assert "fail" in second.trouble
        harness.sender_override = MemorySender(fail_at=[1])
        with pytest.raises(SenderError):
            harness.preview.send_tests([ANNA], "say-the-name")
        memory = harness.memory()
        with pytest.raises(InputError):
            harness.preview.send_tests([ANNA, "nobody"], "say-the-name")
        assert memory.tried == []


def test_every_link_of_a_test_email_opens_a_page_and_changes_nothing(web_harness: WebHarness) -> None:
    web_harness.app.preview.send_tests([ANNA])
    (email,) = web_harness.emails()
    before, base = web_harness.rows(), web_harness.app.site.base_url
    personal = [url for url in links_in(text_of(email)) if urlsplit(url).path.split("/")[1] in ("u", "p", "useful")]
    online = [url for url in links_in(text_of(email)) if "/tips/" in url]
    assert (len(personal), len(online) > 0) == (4, True)
    for url in personal + online:
        page = web_harness.http.get(url.removeprefix(base))
        assert (page.status_code, "This is a test" in page.text) == (200, True), url
    for url in personal:
        done = web_harness.http.post(url.removeprefix(base), data={"List-Unsubscribe": "One-Click"})
        assert (done.status_code, "This is a test" in done.text) == (200, True), url
    assert web_harness.rows() == before
