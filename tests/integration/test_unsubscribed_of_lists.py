"""After a backup is restored, the files that say who unsubscribed since, when there are several lists."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from newsletter.actions.unsubscribed_files import UnsubscribedFile, UnsubscribedFiles
from newsletter.domain.lists import issue_id
from newsletter.keys import fresh_key
from newsletter.mail.tokens import Purpose
from newsletter.mail.verp import base36
from tests.support.several_lists import ANNA, join, statuses, three_lists
from tests.support.web import WebHarness


@pytest.fixture
def three(tmp_path: Path) -> Iterator[WebHarness]:
    with three_lists(tmp_path) as harness:
        join(harness, "tips", "advice")
        join(harness, "advice", address="ben@host.example")
        yield harness


def unsubscribe(site: WebHarness, file: Path) -> UnsubscribedFile:
    app = site.app
    return UnsubscribedFiles(app.store, lambda: app.signer, fresh_key, app.clock).unsubscribe(file)


def test_an_address_in_the_file_ends_every_list(three: WebHarness, tmp_path: Path) -> None:
    file = tmp_path / "gone.csv"
    file.write_text(f"email\n{ANNA}\nben@host.example\n", encoding="utf-8")
    done = unsubscribe(three, file)

    assert set(statuses(three).values()) == {"unsubscribed"}
    assert set(statuses(three, "ben@host.example").values()) == {"unsubscribed"}
    assert done.unsubscribed == 2


def test_a_link_in_the_log_of_the_web_server_ends_its_list(three: WebHarness, tmp_path: Path) -> None:
    token = three.app.signer.sign(Purpose.UNSUBSCRIBE, three.subscriber(ANNA).key, base36(issue_id(2, 1)))
    file = tmp_path / "access.log"
    file.write_text(f'192.0.2.1 - - "POST /u/{token} HTTP/1.1" 200 12\n', encoding="utf-8")
    done = unsubscribe(three, file)

    assert statuses(three) == {"tips": "confirmed", "advice": "unsubscribed"}
    assert done.unsubscribed == 1
