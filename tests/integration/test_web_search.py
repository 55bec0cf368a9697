"""The search of the archive: what it finds and shows, and that no query can break it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.reading import NEWEST, add, add_many, titles
from tests.support.web import WebHarness, open_web_harness


@pytest.fixture
def web_harness(tmp_path: Path) -> Iterator[WebHarness]:
    with open_web_harness(tmp_path, reply_to="Editor <editor@tips.example>") as web_harness:
        yield web_harness


def test_a_search_finds_forms_of_a_word_and_marks_them(web_harness: WebHarness) -> None:
    key = add(web_harness.app, "On the telephone", body="She **waited** for an hour.\n\nCafé hours are long.")
    add(web_harness.app, "Something else")
    page = web_harness.http.get("/search", params={"q": "waiting"}).text
    assert titles(page) == [key]
    assert "She <mark>waited</mark> for an hour." in page
    assert titles(web_harness.http.get("/search", params={"q": "cafe"}).text) == [key]
    assert "On the <mark>telephone</mark>" in web_harness.http.get("/search", params={"q": "teleph"}).text


def test_a_search_ranks_titles_first_and_matches_any_word_if_no_tip_has_all(web_harness: WebHarness) -> None:
    body = add(web_harness.app, "First", NEWEST, body="A word about patience, and patience again.")
    title = add(web_harness.app, "Patience", NEWEST - timedelta(days=7), body="Nothing here.")
    assert titles(web_harness.http.get("/search", params={"q": "patience"}).text) == [title, body]
    assert len(titles(web_harness.http.get("/search", params={"q": "patience zebra"}).text)) == 2


def test_search_pages_link_to_each_other(web_harness: WebHarness) -> None:
    add_many(web_harness.app, 25)
    first, second, third = (
        web_harness.http.get("/search", params={"q": "text here", "page": n}).text for n in (1, 2, 3)
    )
    assert titles(first) + titles(second) + titles(third) == [
        f"tip-{n}" for n in range(25)
    ]  # equally good matches, newest first
    assert "25 tips · page 1 of 3" in first
    assert 'rel="next" href="/search?q=text%20here&amp;page=2"' in first
    assert 'rel="prev" href="/search?q=text%20here&amp;page=2"' in third
    assert 'rel="next"' not in third


@pytest.mark.parametrize("page", ["0", "-1", "4", "x", "99999999999", "²"])
def test_a_search_page_that_does_not_exist_is_not_found(web_harness: WebHarness, page: str) -> None:
    add_many(web_harness.app, 25)
    assert web_harness.http.get("/search", params={"q": "text", "page": page}).status_code == 404


def test_tips_in_the_queue_are_not_found(web_harness: WebHarness) -> None:
    add(web_harness.app, "A surprise", None)
    assert titles(web_harness.http.get("/search", params={"q": "surprise"}).text) == []


@pytest.mark.parametrize(
    "typed",
    ['"', '" OR 1', "NEAR(a b)", "title:x", "a*", "^a", "(", "AND", "a AND", "-", "{a b}:c", "'; DROP TABLE tip; --",
     "\x00", "x" * 5000, "日本", "a\ud800".encode("utf-8", "surrogatepass").decode("utf-8", "replace"), "🙂"],
)  # fmt: skip
def test_search_operators_are_treated_as_words(web_harness: WebHarness, typed: str) -> None:
    add(web_harness.app, "One")
    assert web_harness.http.get("/search", params={"q": typed}).status_code == 200


def test_neither_query_nor_tip_can_inject_markup_into_the_results(web_harness: WebHarness) -> None:
    add(web_harness.app, "The <b>bold</b> script", body="Beware of <script>alert(1)</script> and \ue000this\ue001.")
    page = web_harness.http.get("/search", params={"q": '<script>"bold'}).text
    assert "<script" not in page
    assert "&lt;<mark>script</mark>&gt;" in page
    assert "<b>" not in page
    assert "<mark>this" not in page


def test_search_results_are_not_indexed_by_search_engines(web_harness: WebHarness) -> None:
    assert '<meta name="robots" content="noindex, follow">' in web_harness.http.get("/search?q=x").text
