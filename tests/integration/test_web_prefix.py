"""A site below a path of its own domain, behind proxies that remove this path and behind proxies that keep it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from newsletter.domain.subscribers.subscription import Status
from tests.support.web import WebHarness, add_tip, open_web_harness

ANNA = "anna@host.example"


@pytest.fixture
def web_harness(tmp_path: Path) -> Iterator[WebHarness]:
    with open_web_harness(tmp_path, base_url="https://x.example/newsletter") as web_harness:
        add_tip(web_harness.app, "Say the name", date(2025, 4, 29))
        yield web_harness


@pytest.mark.parametrize("path", ["", "/", "/archive", "/tips/say-the-name", "/feed.xml", "/style.css", "/healthz"])
def test_every_address_answers_with_and_without_the_path_of_the_base_url(web_harness: WebHarness, path: str) -> None:
    kept, removed = web_harness.http.get(f"/newsletter{path}"), web_harness.http.get(path or "/")
    assert (kept.status_code, removed.status_code) == (200, 200)
    assert kept.headers["content-type"] == removed.headers["content-type"]


def test_a_sign_up_works_behind_a_proxy_that_keeps_the_path(web_harness: WebHarness) -> None:
    answer = web_harness.http.post("/newsletter/subscribe", data={"email": ANNA})
    assert (answer.status_code, answer.headers["location"]) == (303, "/newsletter/subscribe/sent")
    confirm = f"/newsletter{web_harness.confirm_path(ANNA)}"
    page = web_harness.http.get(confirm)
    assert (page.headers["cache-control"], page.headers["x-robots-tag"]) == ("no-store", "noindex, nofollow")
    assert 'href="/newsletter/archive"' in page.text
    assert web_harness.http.post(confirm).status_code == 200
    assert web_harness.subscriber(ANNA).status is Status.CONFIRMED


def test_only_whole_segments_are_the_prefix(web_harness: WebHarness) -> None:
    assert web_harness.http.get("/newsletterarchive").status_code == 404
    assert web_harness.http.get("/newsletter/newsletter/archive").status_code == 404


def test_a_prefix_that_is_an_address_of_ours_is_not_removed(tmp_path: Path) -> None:
    with open_web_harness(tmp_path, base_url="https://x.example/tips") as web_harness:
        add_tip(web_harness.app, "Archive", date(2025, 4, 29))
        assert "<h1>Archive</h1>" in web_harness.http.get("/tips/archive").text


def test_a_path_with_other_letters_is_recognized_however_it_is_written(tmp_path: Path) -> None:
    with open_web_harness(tmp_path, base_url="https://x.example/f%C3%BCr-alle") as web_harness:
        assert web_harness.http.get("/für-alle/archive").status_code == 200
        assert web_harness.http.get("/f%c3%bcr-alle/archive").status_code == 200
