"""Tests of importing tips into a real library: what is added, merged, and left alone, and what the report says."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from newsletter.actions.tips.import_report import Report
from newsletter.actions.tips.import_tips import AT_ONCE, MANY, import_tips
from newsletter.cli.progress import Interrupted, tell_if_interrupted
from newsletter.domain.tips.tip import Piece, Rejected, TipCard, TipState, TipText
from newsletter.importers import read
from newsletter.store.sqlite.database import upgrade
from newsletter.store.transactions import SqlStore

FIXTURES = Path(__file__).parents[1] / "fixtures" / "archive"
NOW = datetime(2026, 1, 6, 13, 0, tzinfo=UTC)
DAY = date(2014, 8, 12)
WHOLE = TipText("It’s the Bread", "The whole text.", published_on=DAY, tags=("a",), already_run=True)
TEASER = TipText("It's the Bread", "", complete=False, published_on=DAY, tags=("b",), teaser="The", already_run=True)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    upgrade(tmp_path / "newsletter.db")
    store = SqlStore(tmp_path / "newsletter.db")
    yield store
    store.close()


def run_import(store: SqlStore, *found: Piece, queue: bool = False, dry_run: bool = False) -> Report:
    return import_tips(store, found, queue=queue, dry_run=dry_run, now=NOW)


def counts(report: Report) -> tuple[int, int, int, int]:
    return report.added, report.updated, report.unchanged, report.teasers


def cards(store: SqlStore) -> list[TipCard]:
    with store.read() as tx:
        return tx.tips.cards()


def test_importing_pages_again_changes_nothing(store: SqlStore) -> None:
    first = run_import(store, *read([FIXTURES]))
    before = cards(store)
    second = run_import(store, *read([FIXTURES]))
    assert (counts(first), counts(second)) == ((9, 0, 0, 3), (0, 0, 9, 3))
    assert cards(store) == before
    assert second.tips == first.tips
    shared = next(card for card in before if card.key == "weigh-it-do-not-guess")
    assert (shared.tags, shared.complete, shared.state) == (("baking", "Trade Advice"), False, TipState.ARCHIVE)


def test_importing_one_page_at_a_time_gives_the_same_library_as_all_together(store: SqlStore) -> None:
    reports = [run_import(store, *read([FIXTURES / name])) for name in ("baking.txt", "trade.txt")]
    assert [counts(report) for report in reports] == [(6, 0, 0, 3), (3, 1, 0, 1)]
    assert counts(run_import(store, *read([FIXTURES]))) == (0, 0, 9, 3)


def test_the_search_index_has_one_segment_after_an_import_of_many_tips(store: SqlStore) -> None:
    for round_ in ("first", "second"):
        run_import(store, *(TipText(f"The {round_} {n}", "Its words.", already_run=True) for n in range(MANY)))
    with closing(sqlite3.connect(store.path)) as database:
        assert database.execute("SELECT count(DISTINCT segid) FROM tip_search_idx").fetchone() == (1,)


def test_a_dry_run_gives_the_same_report_and_writes_nothing(store: SqlStore) -> None:
    report = run_import(store, *read([FIXTURES]), dry_run=True)
    assert cards(store) == []
    assert run_import(store, *read([FIXTURES])) == report


def test_a_teaser_is_completed_by_its_article_and_stays_in_the_archive(store: SqlStore) -> None:
    run_import(store, TEASER)
    assert counts(run_import(store, WHOLE)) == (0, 1, 0, 0)
    (card,) = cards(store)
    assert (card.title, card.complete, card.tags, card.state) == (WHOLE.title, True, ("b", "a"), TipState.ARCHIVE)


def test_a_teaser_never_replaces_any_part_of_a_complete_article(store: SqlStore) -> None:
    run_import(store, WHOLE)
    report = run_import(store, TEASER)
    assert (counts(report), report.tips[0].complete) == ((0, 1, 0, 0), True)
    with store.read() as tx:
        assert tx.tips.get("its-the-bread").text.body == "The whole text."


def test_queued_teasers_stay_in_the_queue_when_they_are_completed(store: SqlStore) -> None:
    run_import(store, TEASER, queue=True)
    run_import(store, WHOLE)
    assert [card.state for card in cards(store)] == [TipState.FRESH]


def test_a_tip_of_the_archive_imported_again_with_queue_is_queued_once(store: SqlStore) -> None:
    run_import(store, WHOLE)
    assert [counts(run_import(store, WHOLE, queue=True)) for _ in range(2)] == [(0, 1, 0, 0), (0, 0, 1, 0)]
    assert [card.state for card in cards(store)] == [TipState.FRESH]


@pytest.mark.parametrize("state", [TipState.RETIRED, TipState.SENT])
def test_an_import_does_not_queue_tips_that_were_sent_or_retired(store: SqlStore, state: TipState) -> None:
    run_import(store, WHOLE)
    with store.write() as tx:
        tx.tips.set_state(cards(store)[0].id, state)
    assert counts(run_import(store, WHOLE, queue=True)) == (0, 0, 1, 0)
    assert [card.state for card in cards(store)] == [state]


def test_a_tip_without_a_date_that_is_not_from_an_archive_is_fresh(store: SqlStore) -> None:
    run_import(store, TipText("Sweep", "Now."))
    assert [card.state for card in cards(store)] == [TipState.FRESH]


def test_keys_are_short_unique_and_readable(store: SqlStore) -> None:
    long = "Nine Hundred and Ninety-Nine Small Things That Every Single Customer Would Notice"
    texts = [
        TipText("It’s “Bread”", "x"),
        TipText("It’s “Bread”", "x", published_on=DAY),
        TipText("It’s “Brĕad”", "x"),
        TipText("It’s “Brĕad”", "x", published_on=DAY),
        TipText("Über Kundendienst", "x"),
        TipText(long, "x"),
    ]
    expected = [
        "its-bread",
        "its-bread-2014-08-12",
        "its-bread-2",
        "its-bread-3",
        "uber-kundendienst",
        "nine-hundred-and-ninety-nine-small-things-that-every-single",
    ]
    assert [tip.key for tip in run_import(store, *texts).tips] == expected
    more = TipText("Its Brêad", "x")
    assert run_import(store, more).tips[0].key == "its-bread-4"
    assert [tip.key for tip in run_import(store, more, *texts).tips] == ["its-bread-4", *expected]


def test_the_json_report_has_the_documented_keys(store: SqlStore) -> None:
    report = run_import(store, WHOLE, TipText("Sweep", "Now."), Rejected("a.txt", 7, "no title"))
    assert json.loads(json.dumps(report.as_json())) == {
        "added": 2,
        "updated": 0,
        "unchanged": 0,
        "teasers": 0,
        "not_published": 0,
        "other_category": 0,
        "rejected": [{"source": "a.txt", "line": 7, "reason": "no title"}],
        "left_out": [],
        "remarks": [],
        "tips": [
            {
                "key": "its-the-bread",
                "title": "It’s the Bread",
                "date": "2014-08-12",
                "complete": True,
                "categories": [],
                "tags": ["a"],
                "list": "tips",
            },
            {
                "key": "sweep",
                "title": "Sweep",
                "date": None,
                "complete": True,
                "categories": [],
                "tags": [],
                "list": "tips",
            },
        ],
        "pictures": 0,
        "pictures_left_out": 0,
        "problems": [],
    }


def test_an_import_that_fails_halfway_writes_nothing(store: SqlStore) -> None:
    def breaks() -> Iterator[TipText]:
        yield WHOLE
        raise OSError("the disk went away")

    with pytest.raises(OSError, match="went away"):
        import_tips(store, breaks(), queue=False, dry_run=False, now=NOW)
    assert cards(store) == []


@pytest.mark.parametrize(
    ("stop_at", "told"),
    [(0, "while the first tips"), (AT_ONCE, "at least 10 of 25 tips"), (25, "at least 25 of 25 tips")],
)
def test_an_import_that_is_interrupted_says_what_it_did_and_continues(store: SqlStore, stop_at: int, told: str) -> None:
    tips = [TipText(f"Tip {at}", "Text.", published_on=DAY) for at in range(25)]
    with pytest.raises(Interrupted, match="before anything was imported"), tell_if_interrupted(None):
        raise KeyboardInterrupt

    def stop(done: int, of: int) -> None:
        if of and done >= stop_at:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted, match=told), tell_if_interrupted(stop) as count:
        import_tips(store, tips, queue=False, dry_run=False, now=NOW, progress=count)
    assert len(cards(store)) == stop_at
    assert counts(run_import(store, *tips)) == (25 - stop_at, 0, stop_at, 0)
    assert [card.title for card in cards(store)] == [f"Tip {at}" for at in range(25)]
