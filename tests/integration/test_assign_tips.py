"""Tests of moving tips from one list to another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from newsletter.actions.tips.assign import Assigned, AssignedTip, SplitSeries, assign_tips
from newsletter.domain.calendar.overrides import Override, SlotOverride
from newsletter.domain.delivery.issue import IssueEvent
from newsletter.domain.errors import NotFound, Refused
from newsletter.domain.lists import MailingList
from newsletter.domain.tips.tip import TipRules, TipState, TipText
from newsletter.store.sqlite.database import upgrade
from newsletter.store.transactions import SqlStore
from newsletter.testing import MemorySender
from tests.support.publishing import open_app_harness

NOW = datetime(2026, 1, 6, 13, 0, tzinfo=UTC)
SLOT = date(2026, 1, 13)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    upgrade(tmp_path / "newsletter.db")
    store = SqlStore(tmp_path / "newsletter.db")
    with store.write() as tx:
        tx.lists.add(MailingList(0, "advice", 0), NOW)
        for key, rules in (("a", TipRules()), ("b", TipRules(series="s", part=1)), ("c", TipRules(series="s", part=2))):
            tx.tips.add(TipText(key.upper(), "Text.", rules=rules), key, key, TipState.FRESH, NOW)
        tx.of_list(2).tips.add(TipText("Z", "Text."), "z", "z", TipState.FRESH, NOW)
    yield store
    store.close()


def queues(store: SqlStore) -> tuple[list[str], list[str]]:
    with store.read() as tx:
        first, second = ([card.key for card in tx.of_list(one).tips.cards()] for one in (1, 2))
        return first, second


def test_tips_move_to_the_end_of_the_queue_of_the_other_list_and_back(store: SqlStore) -> None:
    advice = store.of_list(2)
    rehearsal = assign_tips(advice, ["a", "z"], dry_run=True)
    assert queues(store) == (["a", "b", "c"], ["z"])
    done = assign_tips(advice, ["a", "z"], dry_run=False)
    assert (
        done
        == rehearsal
        == Assigned((AssignedTip("a", "A", "tips", "advice"), AssignedTip("z", "Z", "advice", "advice")), ())
    )
    assert queues(store) == (["b", "c"], ["z", "a"])
    assign_tips(store, ["a"], dry_run=False)
    assert queues(store) == (["b", "c", "a"], ["z"])
    with store.read() as tx:
        assert tx.tips.get("a").text.body == "Text."


def test_the_parts_of_a_series_that_stay_behind_are_named(store: SqlStore) -> None:
    advice = store.of_list(2)
    assert assign_tips(advice, ["b", "c"], dry_run=True).split == ()
    assert assign_tips(advice, ["b"], dry_run=False).split == (SplitSeries("s", "tips", ("c",)),)


def test_a_pinned_tip_and_a_tip_of_an_open_issue_stay_and_so_do_the_others(store: SqlStore) -> None:
    with store.write() as tx:
        tx.calendar.pin("b", SLOT)
        issue = tx.issues.plan(SLOT, NOW, NOW)
        tx.issues.change(issue.number, IssueEvent.PREPARE, NOW)
        tx.issues.bind(issue.number, tx.tips.get("a").card.id)
    advice = store.of_list(2)
    with pytest.raises(Refused, match=r"b is pinned to January 13, 2026\. Run this first: newsletter tips unpin b"):
        assign_tips(advice, ["c", "b"], dry_run=False)
    with pytest.raises(Refused, match=r"a is the tip of issue 1, which is preparing\. Wait .* issues cancel 1$"):
        assign_tips(advice, ["c", "a"], dry_run=True)
    with pytest.raises(NotFound):
        assign_tips(advice, ["c", "nothing"], dry_run=False)
    assert queues(store) == (["a", "b", "c"], ["z"])
    with advice.write() as tx:
        tx.calendar.pin("z", SLOT)
    with pytest.raises(Refused, match="tips unpin z --list advice"):
        assign_tips(store, ["z"], dry_run=False)


def test_an_approval_of_the_tip_ends(store: SqlStore) -> None:
    with store.write() as tx:
        tx.calendar.set_override(SLOT, SlotOverride(Override.APPROVE, "a"))
    assign_tips(store.of_list(2), ["a"], dry_run=False)
    with store.read() as tx:
        assert tx.calendar.overrides() == {}


def test_no_tip_moves_to_a_retired_list(store: SqlStore) -> None:
    with store.write() as tx:
        tx.lists.write(replace(tx.lists.get("advice"), retired_at=NOW))
    with pytest.raises(Refused, match="the list advice is retired"):
        assign_tips(store.of_list(2), ["a"], dry_run=False)


def test_a_tip_is_retired_and_checked_from_the_view_of_any_list(tmp_path: Path) -> None:
    with open_app_harness(tmp_path, MemorySender()) as harness:
        with harness.store.write() as tx:
            tx.lists.add(MailingList(0, "advice", 0), NOW)
            there = tx.of_list(2)
            tip = there.tips.add(TipText("Z", "Text."), "z", "z", TipState.FRESH, NOW)
            issue = there.issues.change(there.issues.plan(SLOT, NOW, NOW).number, IssueEvent.PREPARE, NOW)
            there.issues.bind(issue.number, tip.id)
        assert [linted.key for linted in harness.tips.lint(["z"])] == ["z"]
        harness.tips.retire("z")
        with harness.store.read() as tx:
            assert tx.of_list(2).issues.get(issue.number).tip_id is None
