"""Was this useful? Links in the letter ask, a button counts, and nothing but the answer is kept."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from newsletter.mail.tokens import Purpose
from tests.support.web import Front, add_tip, links_in, open_front, text_of

ANNA, BOB = "anna@host.example", "bob@host.example"
TUESDAY = datetime(2025, 5, 6, 12, 1, tzinfo=UTC)  # 08:01 in New York


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Front]:
    """A newsletter whose first letter went to two readers."""
    with open_front(tmp_path) as front:
        add_tip(front.app, "Say the name", None)
        for address in (ANNA, BOB):
            front.http.post("/subscribe", data={"email": address})
            front.http.post(front.confirm_path(address))
        front.clock.now = TUESDAY
        front.app.send()
        yield front


def link(front: Front, address: str, answer: str) -> str:
    (mail,) = [mail for mail in front.mails() if mail["To"] == address and "Say the name" in mail["Subject"]]
    (url,) = [url for url in links_in(text_of(mail)) if url.endswith(f"/{answer}")]
    return urlsplit(url).path


def votes(front: Front) -> tuple[int, int]:
    with front.app.store.read() as tx:
        found = tx.tips.votes(tx.tips.get("say-the-name").card.id)
    return found.useful, found.not_useful


def test_looking_counts_nothing_and_pressing_counts_once(front: Front) -> None:
    for answer in ("yes", "no"):
        assert front.http.get(link(front, ANNA, answer)).status_code == 200
    assert votes(front) == (0, 0)
    for _ in range(3):
        assert front.http.post(link(front, ANNA, "yes")).status_code == 200
    front.http.post(link(front, BOB, "no"))
    assert votes(front) == (1, 1)


def test_a_reader_may_change_their_mind(front: Front) -> None:
    front.http.post(link(front, ANNA, "yes"))
    page = front.http.post(link(front, ANNA, "no")).text
    assert votes(front) == (0, 1)
    assert 'action="yes"' in page


def test_the_page_is_neither_kept_nor_indexed_and_no_other_token_opens_it(front: Front) -> None:
    answer = front.http.get(link(front, ANNA, "yes"))
    assert answer.headers["cache-control"] == "no-store"
    other = front.app.signer.sign(Purpose.UNSUBSCRIBE, front.reader(ANNA).key, "1")
    unknown = front.app.signer.sign(Purpose.USEFUL, front.reader(ANNA).key, "zz")
    nobody = front.app.signer.sign(Purpose.USEFUL, "nobody", "1")
    for token in (other, unknown, nobody, "bad"):
        assert front.http.post(f"/useful/{token}/yes").status_code == 400
    assert front.http.post(link(front, ANNA, "yes").replace("/yes", "/perhaps")).status_code == 404
    assert votes(front) == (0, 0)
