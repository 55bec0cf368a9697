"""Tests of importing the posts of two streams into two lists, and of moving tips between lists."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from newsletter.actions.tips.import_report import Report, Staying
from newsletter.actions.tips.import_tips import import_tips
from newsletter.domain.errors import UsageError
from newsletter.domain.lists import MailingList
from newsletter.domain.tips.list_map import parse_map
from newsletter.domain.tips.tip import Piece, TipHistory, TipState, TipText
from newsletter.importers import read
from newsletter.store.sqlite.database import upgrade
from newsletter.store.transactions import SqlStore

FIXTURES = Path(__file__).parents[1] / "fixtures" / "archive"
NOW = datetime(2026, 1, 6, 13, 0, tzinfo=UTC)
MAPS = ("Trade Advice=trade",)
LISTS = ("tips", "trade")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    upgrade(tmp_path / "newsletter.db")
    store = SqlStore(tmp_path / "newsletter.db")
    with store.write() as tx:
        tx.lists.add(MailingList(0, "trade", 0, own={"title": "Trade"}), NOW)
    yield store
    store.close()


def run_import(
    store: SqlStore,
    *found: Piece,
    maps: Sequence[str] = MAPS,
    rest: str = "",
    dry_run: bool = False,
    queue: bool = False,
) -> Report:
    list_map = parse_map(maps, rest, LISTS)
    return import_tips(store, found, queue=queue, dry_run=dry_run, now=NOW, list_map=list_map)


def keys_of(store: SqlStore, list_id: int) -> list[str]:
    with store.of_list(list_id).read() as tx:
        return [card.key for card in tx.tips.cards()]


def test_the_posts_of_two_streams_go_to_their_lists_with_dates_and_categories(store: SqlStore) -> None:
    rehearsal = run_import(store, *read([FIXTURES]), dry_run=True)
    report = run_import(store, *read([FIXTURES]))
    assert rehearsal == report
    assert (report.added, report.lists, report.unused_maps) == (9, {"tips": 6, "trade": 3}, ())
    assert [(tip.date, tip.categories) for tip in report.tips if tip.list == "trade"] == [
        (date(2014, 9, 11), ("Trade Advice", "Milling")),
        (date(2014, 9, 4), ("Trade Advice", "Markets")),
        (date(2014, 8, 27), ("Trade Advice", "Health")),
    ]
    # The page of a category lists teasers of the other stream, too, which are no posts of it.
    assert "weigh-it-do-not-guess" in keys_of(store, 1)
    assert [len(keys_of(store, one)) for one in (1, 2)] == [6, 3]


def test_importing_again_finds_the_tips_in_whichever_list_they_are(store: SqlStore) -> None:
    first = run_import(store, *read([FIXTURES]))
    for maps in (MAPS, ()):
        again = run_import(store, *read([FIXTURES]), maps=maps)
        assert (again.added, again.updated, again.unchanged, again.staying) == (0, 0, 9, ())
        assert (again.tips, again.lists) == (first.tips, first.lists)


def test_a_tip_that_is_in_another_list_stays_and_is_named(store: SqlStore) -> None:
    run_import(store, *read([FIXTURES]), maps=())
    report = run_import(store, *read([FIXTURES]))
    assert (report.unchanged, report.lists) == (9, {"tips": 9})
    assert report.staying == tuple(
        Staying(key, "tips", "trade")
        for key in ("from-millers-to-markets-grain-and-gain", "prices-can-rise-without-yeast", "the-day-old-question")
    )


def test_a_teaser_that_becomes_a_post_of_the_other_stream_stays_and_is_completed(store: SqlStore) -> None:
    teaser = TipText("Grain", "", complete=False, teaser="It began", already_run=True, source="a.txt")
    run_import(store, teaser)
    report = run_import(store, replace(teaser, body="It began.", complete=True, categories=("Trade Advice",)))
    assert (report.updated, report.staying) == (1, (Staying("grain", "tips", "trade"),))


def test_one_list_takes_all_tips_that_the_map_does_not_mention(store: SqlStore) -> None:
    assert run_import(store, TipText("A", "B"), rest="trade").lists == {"trade": 1}
    found = [TipText("C", "D", categories=("Tips",)), TipText("E", "F")]
    assert run_import(store, *found, maps=["tips = tips"], rest="trade").lists == {"tips": 1, "trade": 1}


def test_a_tip_of_two_lists_goes_to_the_first_and_is_named(store: SqlStore) -> None:
    report = run_import(store, TipText("A", "B", categories=("Tips", "Trade Advice")), maps=[*MAPS, "Tips=tips"])
    assert report.lists == {"trade": 1}
    (remark,) = report.remarks
    assert remark.text == (
        "'A': its categories belong to the lists trade and tips; it goes to trade, which is the first in --map"
    )


def test_a_map_without_any_post_is_named(store: SqlStore) -> None:
    assert run_import(store, TipText("A", "B"), maps=["Trade Advise=trade"]).unused_maps == ("Trade Advise",)


def test_a_post_with_a_date_in_the_future_is_named(store: SqlStore) -> None:
    soon, typo = (TipText(title, "B", published_on=day, already_run=True) for title, day in (
        ("A", NOW.date() + timedelta(days=1)), ("C", date(2041, 9, 11)),
    ))  # fmt: skip
    (remark,) = run_import(store, soon, typo, replace(typo, title="D", already_run=False), maps=()).remarks
    assert remark.text == "'C': its date, September 11, 2041, is in the future; correct it, and import it again"


def test_titles_and_keys_are_unique_over_all_lists(store: SqlStore) -> None:
    run_import(store, TipText("The Bread", "One of them, and not the other."))
    other = TipText("The Bread", "Quite another text of the other list.", source="b.md")
    report = run_import(store, other, rest="trade")
    assert (report.added, [tip.key for tip in report.tips]) == (0, ["the-bread"])
    dated = replace(other, published_on=date(2026, 1, 1), body="Something else for the trade this time.")
    assert [tip.key for tip in run_import(store, dated, rest="trade").tips] == ["the-bread-2026-01-01"]


def test_a_file_of_an_export_names_its_list(store: SqlStore) -> None:
    exported = TipText("A", "B", list_key="trade")
    assert run_import(store, exported, maps=()).lists == {"trade": 1}
    assert run_import(store, replace(exported, title="C"), rest="tips").lists == {"tips": 1}
    (rejected,) = run_import(store, TipText("D", "E", list_key="news"), maps=()).rejected
    assert rejected.reason == (
        "there is no list 'news', which the file names; run newsletter lists add news --title TEXT, or pass --list KEY"
    )


def test_each_list_has_its_own_pins(store: SqlStore) -> None:
    day = date(2026, 3, 3)
    first = TipText("A", "B", history=TipHistory(state=TipState.FRESH, pin=day))
    second = replace(first, title="C", list_key="trade")
    report = run_import(store, first, second, replace(second, title="D"), maps=())
    assert [remark.text for remark in report.remarks] == [
        f"'D': it was not pinned to {day}: another tip is pinned to that date"
    ]


def test_with_one_list_nothing_is_said_about_lists(tmp_path: Path) -> None:
    upgrade(tmp_path / "one.db")
    store = SqlStore(tmp_path / "one.db")
    document = import_tips(store, [TipText("A", "B")], queue=False, dry_run=False, now=NOW).as_json()
    store.close()
    assert not {"lists", "unused_maps", "staying"} & set(document)


def test_an_unknown_list_is_an_error() -> None:
    with pytest.raises(UsageError, match="there is no list 'advice'"):
        parse_map(["Trade Advice=advice"], "", LISTS)
