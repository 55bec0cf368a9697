"""Tests of importing one blog from several sources into one library: pages, an export, a feed, and a table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from newsletter.actions.tips.edit import edit_tip
from newsletter.actions.tips.import_report import Report
from newsletter.actions.tips.import_tips import import_tips
from newsletter.domain.tips.tip import TipFull, TipState, TipText
from newsletter.importers import Formats
from newsletter.store.transactions import SqlStore
from tests.support.library import new_store

OVEN = Path(__file__).parents[1] / "fixtures" / "tips"
PAGE, WXR, FEED = OVEN / "oven_page.txt", OVEN / "oven_wxr.xml", OVEN / "oven_feed.xml"
SHARED = Path(__file__).parents[3] / "shared"
NOW = datetime(2026, 1, 6, 13, 0, tzinfo=UTC)
FORMATS = Formats(ZoneInfo("America/New_York"))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    store = new_store(tmp_path)
    yield store
    store.close()


def load(store: SqlStore, *paths: Path, dry_run: bool = False, queue: bool = False, only: str = "") -> Report:
    categories = [only] if only else []
    return import_tips(store, FORMATS.read(paths), queue=queue, dry_run=dry_run, now=NOW, categories=categories)


def counts(report: Report) -> tuple[int, int, int, int]:
    return report.added, report.updated, report.unchanged, len(report.rejected)


def library(store: SqlStore) -> dict[str, TipFull]:
    with store.read() as tx:
        return {tip.card.key: tip for tip in tx.tips.all()}


@pytest.mark.parametrize("order", [(PAGE, FEED, WXR), (WXR, PAGE, FEED), (FEED, WXR, PAGE)])
def test_one_post_from_a_page_an_export_and_a_feed_is_one_tip(store: SqlStore, order: tuple[Path, ...]) -> None:
    for path in order:
        load(store, path)
    tips = library(store)
    assert sorted(tips) == ["knock-before-you-cut", "our-thursday-column", "warm-the-bowl-first"]
    text = tips["warm-the-bowl-first"].text
    assert (text.title, text.complete, text.published_on) == ("Warm the Bowl First", True, date(2024, 3, 5))
    assert text.body.endswith("nobody sees it happen.\n\nRinse it with hot water and dry it.")
    assert text.takeaway == "Warm the bowl while you weigh the flour."
    assert (text.categories, text.tags) == (("Tip of the Kitchen",), ("rolls",))
    assert [counts(load(store, path)) for path in (PAGE, WXR, FEED)] == [(0, 0, 2, 0), (0, 0, 2, 0), (0, 0, 1, 0)]


def test_all_sources_together_give_the_same_library_and_a_dry_run_the_same_numbers(store: SqlStore) -> None:
    dry = load(store, PAGE, WXR, FEED, dry_run=True)
    assert load(store, PAGE, WXR, FEED) == dry
    assert counts(dry) == (3, 0, 0, 0)
    assert counts(load(store, PAGE, WXR, FEED)) == (0, 0, 3, 0)
    assert library(store)["knock-before-you-cut"].text.takeaway == "Knock before you cut."


def test_only_posts_of_the_wanted_category_are_imported_and_the_others_are_named(store: SqlStore) -> None:
    report = load(store, WXR, only="tip of the  kitchen")
    assert (counts(report), report.not_published, report.other_category) == ((1, 0, 0, 0), 1, 1)
    assert [(piece.title, piece.reason) for piece in report.left_out] == [
        ("Half an Idea", "a draft"),
        ("Our Thursday Column", "in another category: News"),
    ]
    assert counts(load(store, PAGE, only="Tip of the Kitchen")) == (1, 1, 0, 0), "the teaser is of a known tip"


def test_queued_tips_of_an_archive_stay_public_until_they_are_retired(store: SqlStore) -> None:
    load(store, PAGE, queue=True)
    assert {tip.card.state for tip in library(store).values()} == {TipState.FRESH}
    with store.read() as tx:
        keys = {key for key, _ in tx.archive.addresses(teasers=True)}
    assert keys == {"knock-before-you-cut", "warm-the-bowl-first"}
    with store.write() as tx:
        tx.tips.set_state(tx.tips.get("knock-before-you-cut").card.id, TipState.RETIRED)
    with store.read() as tx:
        assert [key for key, _ in tx.archive.addresses(teasers=True)] == ["warm-the-bowl-first"]


def test_a_post_with_a_new_title_is_the_tip_of_its_link(store: SqlStore, tmp_path: Path) -> None:
    load(store, WXR)
    renamed = tmp_path / "again.xml"
    text = WXR.read_text(encoding="utf-8").replace("Our Thursday Column", "The Mill on Thursday")
    renamed.write_text(text.replace("https://oven.example/2024/03/column/", "http://www.oven.example/2024/03/column"))
    assert counts(load(store, renamed)) == (0, 1, 1, 0)
    assert library(store)["our-thursday-column"].text.title == "The Mill on Thursday"
    assert counts(load(store, renamed)) == (0, 0, 2, 0)


def test_an_edited_tip_is_unchanged_when_its_export_is_imported_again(store: SqlStore) -> None:
    load(store, WXR)
    mine = TipText("My own title", "My own words.", published_on=date(2024, 3, 5))
    edit_tip(store, "warm-the-bowl-first", mine, now=NOW)
    assert counts(load(store, WXR)) == (0, 0, 2, 0)
    assert library(store)["warm-the-bowl-first"].text.body == "My own words."


def same(n: int) -> TipText:
    words = ("Smile at the desk.", "Answer within the hour.", "Say the name of the caller.")
    return TipText("Quick tip", words[n], source="tips.csv", line=n + 2)


def test_undated_tips_of_one_title_are_as_many_tips_as_there_are_texts(store: SqlStore) -> None:
    three = [same(n) for n in range(3)]
    first = import_tips(store, three, queue=False, dry_run=False, now=NOW)
    assert [tip.key for tip in first.tips] == ["quick-tip", "quick-tip-2", "quick-tip-3"]
    assert counts(import_tips(store, three, queue=False, dry_run=False, now=NOW)) == (0, 0, 3, 0)
    changed = [three[0], replace(three[1], body="Answer within the day."), three[2]]
    assert counts(import_tips(store, changed, queue=False, dry_run=False, now=NOW)) == (0, 1, 2, 0)
    assert library(store)["quick-tip-2"].text.body == "Answer within the day."
    other = replace(same(0), body="Look up from the screen.", source="more.csv")
    assert counts(import_tips(store, [other], queue=False, dry_run=False, now=NOW)) == (1, 0, 0, 0)


def test_an_undated_page_and_a_dated_export_of_one_text_are_one_tip(store: SqlStore) -> None:
    body = "A mill is a neighbor you can hear, and a good one tells you what the grain was like."
    undated = TipText("From Mill to Market", body, already_run=True, source="page.txt")
    dated = replace(undated, published_on=date(2014, 9, 11), source="https://oven.example/mill/", file="wxr.xml")
    other = replace(dated, body="Another text that only has the same title as the first.", source="https://a.example/x")
    for piece in (undated, dated):
        import_tips(store, [piece], queue=False, dry_run=False, now=NOW)
    (tip,) = library(store).values()
    assert tip.text.published_on == date(2014, 9, 11)
    report = import_tips(store, [undated, replace(other, published_on=None)], queue=False, dry_run=False, now=NOW)
    assert counts(report) == (1, 0, 1, 0)


@pytest.mark.skipif(not (SHARED / "cases" / "tips").is_dir(), reason="the shared cases are not beside this checkout")
def test_every_shared_case_is_the_same_in_a_dry_run_and_twice(store: SqlStore) -> None:
    for path in sorted((SHARED / "cases" / "tips").iterdir()):
        dry, first, second = load(store, path, dry_run=True), load(store, path), load(store, path)
        assert dry == first, path.name
        assert (second.added, second.updated) == (0, 0), path.name
        assert second.rejected == first.rejected, path.name
