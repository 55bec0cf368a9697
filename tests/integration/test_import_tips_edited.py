"""Tests of importing a file again after its owner has edited the tip."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config

from newsletter import importers
from newsletter.actions.calendar.plan import Rules
from newsletter.actions.issues.errors import Errors
from newsletter.actions.tips.edit import edit_tip
from newsletter.actions.tips.import_report import Report
from newsletter.actions.tips.import_tips import import_tips
from newsletter.actions.tips.tips import Tips
from newsletter.domain.calendar.schedule import Schedule
from newsletter.domain.errors import SettingsError
from newsletter.domain.tips.tip import ConflictChoice, TipText
from newsletter.http import link_checker
from newsletter.http.download import download
from newsletter.store.media import MediaFolder
from newsletter.store.sqlite import database
from newsletter.store.sqlite.database import make_engine, upgrade
from newsletter.store.transactions import SqlStore
from tests.support.library import new_store

NOW = datetime(2026, 1, 6, 13, 0, tzinfo=UTC)
TIP = TipText(
    "Sweep the floor", "Every morning.", tags=("order",), published_on=date(2014, 8, 12), source="old/tips.txt"
)
CHANGED = replace(TIP, body="Every evening.")
MINE = TipText("Sweep the floor", "Whenever you see dust.", published_on=TIP.published_on)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    store = new_store(tmp_path)
    yield store
    store.close()


def run_import(store: SqlStore, *found: TipText, take: ConflictChoice | None = None, dry_run: bool = False) -> Report:
    return import_tips(store, found, queue=False, dry_run=dry_run, now=NOW, take=take)


def edit(store: SqlStore, new: TipText) -> None:
    edit_tip(store, "sweep-the-floor", new, now=NOW)


def text_of(store: SqlStore, key: str = "sweep-the-floor") -> TipText:
    with store.read() as tx:
        return tx.tips.get(key).text


def counts(report: Report) -> tuple[int, int, int, int]:
    return report.added, report.updated, report.unchanged, len(report.rejected)


@pytest.mark.parametrize("key", ["", "sweep-the-floor"])
def test_an_edit_is_kept_when_the_same_file_is_imported_from_another_folder(store: SqlStore, key: str) -> None:
    run_import(store, replace(TIP, key=key))
    edit(store, MINE)
    assert counts(run_import(store, replace(TIP, key=key, source="C:\\elsewhere\\tips.txt"))) == (0, 0, 1, 0)
    assert (text_of(store).body, text_of(store).tags) == (MINE.body, ())


def test_a_tip_with_an_edited_title_is_not_imported_a_second_time(store: SqlStore) -> None:
    run_import(store, TIP)
    edit(store, replace(MINE, title="Dust"))
    assert counts(run_import(store, TIP)) == (0, 0, 1, 0)


def test_a_changed_file_updates_a_tip_that_was_not_edited(store: SqlStore) -> None:
    run_import(store, TIP)
    assert counts(run_import(store, CHANGED)) == (0, 1, 0, 0)
    assert counts(run_import(store, TIP)) == (0, 1, 0, 0), "and back again"
    assert text_of(store).body == TIP.body


def test_a_tip_changed_on_both_sides_is_rejected_until_one_version_is_chosen(store: SqlStore) -> None:
    run_import(store, TIP)
    edit(store, MINE)
    for dry_run in (True, False):
        report = run_import(store, CHANGED, dry_run=dry_run)
        assert counts(report) == (0, 0, 1, 1)
        assert "'sweep-the-floor'" in report.rejected[0].reason
        assert "--take file" in report.rejected[0].reason
    assert text_of(store).body == MINE.body


def not_set_up() -> Errors:
    raise SettingsError("there is no secret key yet")


def test_an_edited_tip_stays_edited_when_its_rule_for_reruns_is_set(store: SqlStore) -> None:
    run_import(store, TIP)
    edit(store, MINE)
    rules = Rules(Schedule.parse("tue 08:00", "America/New_York"), timedelta(hours=24))
    media = MediaFolder(Path())
    tips = Tips(store, rules, lambda: NOW, importers.Formats, link_checker.check_links, media, download, not_set_up)
    tips.rerun("sweep-the-floor", "after 2 years")
    assert counts(run_import(store, CHANGED)) == (0, 0, 1, 1)
    assert text_of(store).body == MINE.body


def test_take_mine_keeps_the_edit_and_ends_the_conflict(store: SqlStore) -> None:
    run_import(store, TIP)
    edit(store, MINE)
    assert counts(run_import(store, CHANGED, take=ConflictChoice.MINE)) == (0, 0, 1, 0)
    assert counts(run_import(store, CHANGED)) == (0, 0, 1, 0)
    assert text_of(store).body == MINE.body


def test_take_file_replaces_the_edit_and_ends_the_conflict(store: SqlStore) -> None:
    run_import(store, TIP)
    edit(store, MINE)
    assert counts(run_import(store, CHANGED, take=ConflictChoice.FILE)) == (0, 1, 0, 0)
    assert counts(run_import(store, TIP)) == (0, 1, 0, 0), "the tip is no longer edited"


def test_a_new_label_in_a_file_is_added_to_an_edited_tip(store: SqlStore) -> None:
    run_import(store, TIP)
    edit(store, replace(TIP, tags=("mine",)))
    assert counts(run_import(store, replace(TIP, tags=("order", "new")))) == (0, 1, 0, 0)
    assert text_of(store).tags == ("mine", "order", "new")


def test_a_file_with_the_key_of_the_tip_replaces_an_edit(store: SqlStore) -> None:
    run_import(store, TIP)
    edit(store, MINE)
    own = replace(MINE, body="With a broom.", key="sweep-the-floor", source="sweep-the-floor.md")
    assert counts(run_import(store, own)) == (0, 1, 0, 0)
    assert len(run_import(store, CHANGED).rejected) == 1, "and is itself an edit"


def test_tips_changed_before_the_upgrade_count_as_edited(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    config = Config()
    config.set_main_option("script_location", str(Path(database.__file__).parents[1] / "migrations"))
    engine = make_engine(path).execution_options(immediate=True)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    engine.dispose()
    with sqlite3.connect(path) as old:
        for number, changed_at in ((1, "2025-01-01 00:00:00.000000"), (2, "2025-02-02 00:00:00.000000")):
            old.execute(
                "INSERT INTO tip (key, identity, title, body, takeaway, teaser, complete, state, position, source,"
                " source_line, season, series, part, rerun, months, fallback, added_at, changed_at)"
                " VALUES (?, ?, ?, 'x', '', '', 1, 'fresh', ?, '', 0, '', '', 0, '', '', 0,"
                " '2025-01-01 00:00:00.000000', ?)",
                (f"tip-{number}", f"tip {number}", f"Tip {number}", number, changed_at),
            )
    old.close()
    upgrade(path)
    store = SqlStore(path)
    report = run_import(store, *(TipText(f"Tip {number}", "y", source="tips.txt") for number in (1, 2)))
    assert counts(report) == (0, 1, 1, 1)
    assert (text_of(store, "tip-1").body, text_of(store, "tip-2").body) == ("y", "x")
    store.close()
