"""The archive over real HTTP: lists, single tips, feeds, and caching."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import feedparser  # type: ignore[import-untyped]
import pytest
from lxml import etree

from newsletter.app import App
from newsletter.domain.archive.entries import Selection
from newsletter.domain.tips.tip import TipState
from newsletter.ports.store import Tx
from newsletter.store.transactions import SqlTx
from tests.support.reading import NEWEST, add, add_many, titles
from tests.support.web import FRIDAY, WebHarness, open_web_harness


@pytest.fixture
def web_harness(tmp_path: Path) -> Iterator[WebHarness]:
    with open_web_harness(tmp_path, reply_to="Editor <editor@tips.example>") as web_harness:
        yield web_harness


# -- lists -----------------------------------------------------------------------------------------


def test_the_archive_pages_are_newest_first_and_link_to_each_other(web_harness: WebHarness) -> None:
    add_many(web_harness.app, 45)
    first, second, third = (
        web_harness.http.get(path).text for path in ("/archive", "/archive/page/2", "/archive/page/3")
    )
    assert titles(first) + titles(second) + titles(third) == [f"tip-{n}" for n in range(45)]
    assert '<link rel="next" href="/archive/page/2">' in first
    assert '<link rel="prev" href="/archive">' in second
    assert 'rel="next"' not in third
    assert '<link rel="canonical" href="https://tips.example/archive/page/2">' in second


@pytest.mark.parametrize(
    "path", ["/archive/page/0", "/archive/page/4", "/archive/page/x", "/archive/page/99999999999", "/archive/1999",
             "/archive/nineteen", "/tags/none", "/categories/none", "/tags/phone/page/9", "/archive/²⁰²⁵"],
)  # fmt: skip
def test_a_list_that_does_not_exist_is_not_found(web_harness: WebHarness, path: str) -> None:
    add_many(web_harness.app, 45)
    assert web_harness.http.get(path).status_code == 404


def test_tips_are_found_by_category_tag_and_year_in_any_spelling(web_harness: WebHarness) -> None:
    add_many(web_harness.app, 45)
    for path in ("/categories/calls-letters", f"/categories/{quote('Calls & Letters')}", "/categories/CALLS-LETTERS"):
        page = web_harness.http.get(path)
        assert (page.status_code, len(titles(page.text))) == (200, 20)
        assert '<link rel="canonical" href="https://tips.example/categories/calls-letters">' in page.text
        assert "<h1>Calls &amp; Letters</h1>" in page.text
    assert titles(web_harness.http.get("/tags/tag1").text) == [f"tip-{n}" for n in range(1, 45, 3)]
    assert titles(web_harness.http.get("/archive/2024").text)[0] == "tip-17"


def test_the_archive_links_to_every_label_and_year(web_harness: WebHarness) -> None:
    add_many(web_harness.app, 30)
    page = web_harness.http.get("/archive").text
    assert {"/categories/calls-letters", "/archive/2025", "/archive/2024"} <= set(re.findall(r'href="(/[^"]+)"', page))


def test_a_list_shows_the_owners_teaser_or_the_beginning_of_the_tip(
    web_harness: WebHarness,
) -> None:
    add(web_harness.app, "One", body="Mr. Low *waits*. " + "And so on it goes. " * 60)
    add(web_harness.app, "Two", teaser="My own words.")
    page = web_harness.http.get("/archive").text
    assert "Mr. Low waits. And so" in page
    assert "My own words." in page


def test_a_teaser_has_a_page_only_if_the_owner_wants_it(web_harness: WebHarness, tmp_path: Path) -> None:
    more: dict[str, Any] = {
        "complete": False,
        "teaser": "It began so",
        "source": "https://old.example/half",
        "body": "",
    }
    key = add(web_harness.app, "Half", **more)
    assert web_harness.http.get(f"/tips/{key}").status_code == 404
    assert "Half" not in web_harness.http.get("/archive").text
    (tmp_path / "two").mkdir()
    with open_web_harness(tmp_path / "two", teasers="show") as open_one:
        add(open_one.app, "Half", **more)
        assert 'href="https://old.example/half"' in open_one.http.get("/archive").text
        assert 'href="https://old.example/half"' in open_one.http.get(f"/tips/{key}").text


LOOKS: tuple[Callable[[Tx], object], ...] = (
    lambda tx: tx.archive.choose(Selection(), 1, 20),
    lambda tx: tx.archive.choose(Selection("tag", "phone"), 1, 20),
    lambda tx: tx.archive.contents(),
    lambda tx: tx.archive.get("tip-1"),
    lambda tx: tx.archive.search("text", 1, 20),
    lambda tx: tx.archive.latest(20),
    lambda tx: tx.tips.cards(),
    lambda tx: tx.tips.all(),
)


def test_the_number_of_queries_does_not_grow_with_the_rows(web_harness: WebHarness) -> None:
    counts: list[int] = []
    for fill, number in ((add_many, 3), (add_more, 60)):
        fill(web_harness.app, number)
        for look in LOOKS:
            with web_harness.app.store.read() as tx:
                statements: list[str] = []
                driven = cast(SqlTx, tx).access.db
                driven.set_trace_callback(statements.append)
                look(tx)
                driven.set_trace_callback(None)
            counts.append(
                sum("tip_search_" not in sql for sql in statements)
            )  # without the inner tables of the search index
    assert counts[: len(LOOKS)] == counts[len(LOOKS) :]
    assert 0 < min(counts) <= max(counts) <= 10


def add_more(app: App, number: int) -> None:
    for n in range(number):
        add(app, f"More {n}", NEWEST - timedelta(days=n), tags=("phone",), body="The text of more.")


# -- one tip ---------------------------------------------------------------------------------------


def test_a_tip_links_to_its_neighbors_related_tips_and_the_sign_up_form(web_harness: WebHarness) -> None:
    old = add(web_harness.app, "The old", NEWEST - timedelta(weeks=2), tags=("greeting",))
    here = add(
        web_harness.app, "The middle", NEWEST - timedelta(weeks=1), tags=("phone", "waiting"), categories=("Calls",)
    )
    new = add(web_harness.app, "The new", NEWEST, tags=("waiting",))
    page = web_harness.http.get(f"/tips/{here}").text
    assert f'rel="prev" href="/tips/{old}"' in page
    assert f'rel="next" href="/tips/{new}"' in page
    related = page[page.index("Read next") : page.index('<nav class="narrow')]
    assert f"/tips/{new}" in related
    assert f"/tips/{old}" not in related
    assert "Did you like this tip?" in page
    assert 'href="/#signup"' in page
    assert {"/tags/phone", "/tags/waiting", "/categories/calls"} <= set(re.findall(r'href="(/[^"]+)"', page))
    assert 'href="mailto:editor@tips.example?subject=The%20middle"' in page


def test_a_tip_has_metadata_for_link_previews(web_harness: WebHarness) -> None:
    key = add(web_harness.app, 'A "quoted" <tip>', takeaway="Do & be kind.")
    page = web_harness.http.get(f"/tips/{key}").text
    for meta in (
        '<link rel="canonical" href="https://tips.example/tips/a-quoted-tip">',
        '<meta property="og:type" content="article">',
        '<meta property="og:title" content="A &#34;quoted&#34; &lt;tip&gt;">',
        '<meta property="og:description" content="Do &amp; be kind.">',
        '<meta property="article:published_time" content="2025-04-29">',
        '<link rel="alternate" type="application/atom+xml" title="Tip of the Week" href="/feed.xml">',
    ):
        assert meta in page


def test_a_former_address_of_a_tip_always_redirects_to_it(web_harness: WebHarness) -> None:
    key = add(web_harness.app, "Say the name")
    with web_harness.app.store.write() as tx:
        tip_id = tx.tips.get(key).card.id
        tx.tips.change_key(tip_id, "use-the-name")
        tx.tips.change_key(tip_id, "name")
        assert tx.tips.key_taken(key)
    for old in (key, "use-the-name"):
        answer = web_harness.http.get(f"/tips/{old}")
        assert (answer.status_code, answer.headers["location"]) == (301, "/tips/name")
    assert web_harness.http.get("/tips/name").status_code == 200


def test_feedback_counts_are_shown_once_somebody_has_voted(web_harness: WebHarness) -> None:
    key = add(web_harness.app, "Say the name")
    with web_harness.app.store.write() as tx:
        tip_id = tx.tips.get(key).card.id
        for subscriber, useful in ((1, False), (1, True), (2, True), (3, False)):
            tx.tips.vote(tip_id, subscriber, useful=useful)
    assert "2 of 3 people who voted found this useful" in web_harness.http.get(f"/tips/{key}").text


# -- caching -----------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/archive", "/tips/one", "/tags/t", "/feed.xml", "/feed.json", "/sitemap.xml"])
def test_an_unchanged_page_is_answered_with_304(web_harness: WebHarness, path: str) -> None:
    add(web_harness.app, "One", tags=("t",))
    answer = web_harness.http.get(path)
    assert "public" in answer.headers["cache-control"]
    tag, modified = answer.headers["etag"], answer.headers["last-modified"]
    for headers in ({"If-None-Match": f'"x", W/{tag}'}, {"If-Modified-Since": modified}):
        again = web_harness.http.get(path, headers=headers)
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert (
        web_harness.http.get(path, headers={"If-None-Match": '"x"', "If-Modified-Since": modified}).status_code == 200
    )
    assert web_harness.http.get(path, headers={"If-Modified-Since": "nonsense"}).status_code == 200

    web_harness.clock.forward(minutes=1)
    add(web_harness.app, "Two", NEWEST + timedelta(days=7), tags=("t",))

    new = web_harness.http.get(path, headers={"If-None-Match": tag, "If-Modified-Since": modified})
    assert (new.status_code, new.headers["etag"] != tag) == (200, True)
    assert web_harness.http.get(path, headers={"If-Modified-Since": modified}).status_code == 200


def test_every_change_of_a_tip_is_visible_immediately(web_harness: WebHarness) -> None:
    """Even if another process changed it, and after a change that was rolled back."""
    key = add(web_harness.app, "One", NEWEST, tags=("first",), body="The old words.")
    add(web_harness.app, "Another", NEWEST - timedelta(days=7))
    assert titles(web_harness.http.get("/archive").text) == ["one", "another"]

    with pytest.raises(LookupError):
        change_and_fail(web_harness.app, key)

    with open_app_again(web_harness.app) as other, other.store.write() as tx:
        rewrite(tx, key, "Kept", "third", "The new words.")
    for path in (
        "/archive",
        "/archive/2025",
        f"/tips/{key}",
        "/tips/another",
        "/search?q=words",
        "/feed.xml",
        "/tags/third",
        "/",
    ):
        assert ("Kept" in web_harness.http.get(path).text, "Taken" in web_harness.http.get(path).text) == (
            True,
            False,
        ), path
    assert "The new words" in web_harness.http.get(f"/tips/{key}").text
    assert "The new words" in web_harness.http.get("/archive").text
    assert web_harness.http.get("/tags/first").status_code == 404

    with web_harness.app.store.write() as tx:
        tx.tips.set_state(tx.tips.get("another").card.id, TipState.SENT, sent_on=NEWEST + timedelta(days=7))
    assert titles(web_harness.http.get("/archive").text) == ["another", "one"]


def test_one_read_of_the_archive_sees_one_consistent_state(web_harness: WebHarness) -> None:
    key = add(web_harness.app, "One")
    with web_harness.app.store.archive() as archive:
        assert [entry.title for entry in archive.newest(2)] == ["One"]
        with open_app_again(web_harness.app) as other, other.store.write() as tx:
            rewrite(tx, key, "Two", "tag", "New words.")
        assert (archive.get(key).entry.title, archive.search("two", 1, 10).total) == ("One", 0)
    with web_harness.app.store.archive() as archive:
        assert (archive.get(key).body, archive.search("two", 1, 10).total) == ("New words.", 1)


def change_and_fail(app: App, key: str) -> None:
    """A change that is rolled back, so that the next change gets the same library version."""
    with app.store.write() as tx:
        rewrite(tx, key, "Taken back", "second")
        assert [entry.title for entry in tx.archive.newest(1)] == ["Taken back"]
        raise LookupError


@contextmanager
def open_app_again(app: App) -> Iterator[App]:
    """The same newsletter, opened as another process would."""
    other = App(app.settings, clock=app.clock)
    yield other
    other.close()


def rewrite(tx: Tx, key: str, title: str, tag: str, body: str = "The old words.") -> None:
    found = tx.tips.get(key)
    tx.tips.rewrite(found.card.id, replace(found.text, title=title, tags=(tag,), body=body), FRIDAY, edited=False)


def test_votes_are_shown_after_a_while_even_if_no_tip_changed(web_harness: WebHarness) -> None:
    key = add(web_harness.app, "One")
    web_harness.http.get(f"/tips/{key}")
    with web_harness.app.store.write() as tx:
        tx.tips.vote(tx.tips.get(key).card.id, 1, useful=True)
    web_harness.clock.forward(minutes=11)
    assert "found this useful" in web_harness.http.get(f"/tips/{key}").text


# -- feeds -----------------------------------------------------------------------------------------


def test_the_atom_feed_is_valid_and_has_the_newest_tips_in_full(web_harness: WebHarness) -> None:
    add_many(web_harness.app, 25)
    add(web_harness.app, "Fish & <chips> \x0b]]>", NEWEST + timedelta(days=7), body="Say *it*. <script>x</script>")
    answer = web_harness.http.get("/feed.xml")
    feed = feedparser.parse(answer.content)
    assert (feed.bozo, feed.version, answer.headers["content-type"]) == (False, "atom10", "application/atom+xml")
    assert len(feed.entries) == 20
    assert feed.feed.title == "Tip of the Week"
    assert {link.rel: link.href for link in feed.feed.links}["self"] == "https://tips.example/feed.xml"
    newest = feed.entries[0]
    assert newest.link == newest.id == "https://tips.example/tips/fish-chips"
    assert "<em>it</em>" in newest.content[0].value
    assert "<script" not in newest.content[0].value
    assert newest.published.startswith("2025-05-06")
    assert feed.feed.updated >= newest.published


def test_the_json_feed_conforms_to_version_1_1(web_harness: WebHarness) -> None:
    add_many(web_harness.app, 3)
    answer = web_harness.http.get("/feed.json")
    feed = json.loads(answer.content)
    assert answer.headers["content-type"] == "application/feed+json"
    assert feed["version"] == "https://jsonfeed.org/version/1.1"
    assert [item["id"] for item in feed["items"]] == [f"https://tips.example/tips/tip-{n}" for n in range(3)]
    assert all(item["content_html"].startswith("<p>") for item in feed["items"])
    assert feed["items"][0]["date_published"] == "2025-04-29T12:00:00+00:00"
    assert set(feed["items"][0]["tags"]) == {"Calls & Letters", "phone", "tag0"}


def test_the_feeds_of_an_empty_archive_are_valid(web_harness: WebHarness) -> None:
    feed = feedparser.parse(web_harness.http.get("/feed.xml").content)
    assert (feed.bozo, feed.entries, bool(feed.feed.updated)) == (False, [], True)
    assert json.loads(web_harness.http.get("/feed.json").content)["items"] == []


def test_the_sitemap_lists_every_public_page_and_each_exists(web_harness: WebHarness) -> None:
    add_many(web_harness.app, 25)
    add(web_harness.app, "A surprise", None)
    root = etree.fromstring(web_harness.http.get("/sitemap.xml").content)
    found = [node.text or "" for node in root.iter("{http://www.sitemaps.org/schemas/sitemap/0.9}loc")]
    assert len([url for url in found if "/tips/" in url]) == 25
    paths = [url.removeprefix("https://tips.example") for url in found]
    assert {
        path: web_harness.http.get(path).status_code for path in paths if web_harness.http.get(path).status_code != 200
    } == {}
    assert "Sitemap: https://tips.example/sitemap.xml" in web_harness.http.get("/robots.txt").text
