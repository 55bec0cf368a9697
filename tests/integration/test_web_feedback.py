"""The feedback links of an email: the page asks, its button counts, and only the answer is stored."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from newsletter.mail.tokens import Purpose
from tests.support.web import WebHarness, add_tip, links_in, open_web_harness, text_of

ANNA, BOB = "anna@host.example", "bob@host.example"
TUESDAY = datetime(2025, 5, 6, 12, 1, tzinfo=UTC)  # 08:01 in New York


@pytest.fixture
def web_harness(tmp_path: Path) -> Iterator[WebHarness]:
    """A newsletter whose first issue was sent to two subscribers."""
    with open_web_harness(tmp_path) as web_harness:
        add_tip(web_harness.app, "Say the name", None)
        for address in (ANNA, BOB):
            web_harness.http.post("/subscribe", data={"email": address})
            web_harness.http.post(web_harness.confirm_path(address))
        web_harness.clock.now = TUESDAY
        web_harness.app.issues.send()
        yield web_harness


def link(web_harness: WebHarness, address: str, answer: str) -> str:
    (email,) = [
        email for email in web_harness.emails() if email["To"] == address and "Say the name" in email["Subject"]
    ]
    (url,) = [url for url in links_in(text_of(email)) if url.endswith(f"/{answer}")]
    return urlsplit(url).path


def votes(web_harness: WebHarness) -> tuple[int, int]:
    with web_harness.app.store.read() as tx:
        found = tx.tips.votes(tx.tips.get("say-the-name").card.id)
    return found.useful, found.not_useful


def test_the_page_counts_nothing_and_the_button_counts_once(web_harness: WebHarness) -> None:
    for answer in ("yes", "no"):
        assert web_harness.http.get(link(web_harness, ANNA, answer)).status_code == 200
    assert votes(web_harness) == (0, 0)
    for _ in range(3):
        assert web_harness.http.post(link(web_harness, ANNA, "yes")).status_code == 200
    web_harness.http.post(link(web_harness, BOB, "no"))
    assert votes(web_harness) == (1, 1)


def test_a_subscriber_can_change_their_answer(web_harness: WebHarness) -> None:
    web_harness.http.post(link(web_harness, ANNA, "yes"))
    page = web_harness.http.post(link(web_harness, ANNA, "no")).text
    assert votes(web_harness) == (0, 1)
    assert 'action="yes"' in page


def test_the_page_is_not_cached_or_indexed_and_other_tokens_are_refused(web_harness: WebHarness) -> None:
    answer = web_harness.http.get(link(web_harness, ANNA, "yes"))
    assert answer.headers["cache-control"] == "no-store"
    other = web_harness.app.signer.sign(Purpose.UNSUBSCRIBE, web_harness.subscriber(ANNA).key, "1")
    unknown = web_harness.app.signer.sign(Purpose.USEFUL, web_harness.subscriber(ANNA).key, "zz")
    nobody = web_harness.app.signer.sign(Purpose.USEFUL, "nobody", "1")
    for token in (other, unknown, nobody, "bad"):
        assert web_harness.http.post(f"/useful/{token}/yes").status_code == 400
    assert web_harness.http.post(link(web_harness, ANNA, "yes").replace("/yes", "/perhaps")).status_code == 404
    assert votes(web_harness) == (0, 0)
