"""Each list sees its own tips, issues, and calendar, and nothing of the others."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from newsletter.domain.archive.entries import Selection
from newsletter.domain.calendar.overrides import Override, SlotOverride
from newsletter.domain.errors import InputError, NotFound
from newsletter.domain.lists import MailingList, Order
from newsletter.domain.tips.tip import TipState, TipText
from newsletter.store.sqlite.database import upgrade
from newsletter.store.transactions import SqlStore
from tests.support.web import FRIDAY

TUESDAY = date(2026, 12, 1)


def two_lists(path: Path) -> tuple[SqlStore, SqlStore]:
    upgrade(path)
    store = SqlStore(path)
    with store.write() as tx:
        added = tx.lists.add(MailingList(0, "advice", 0, own={"title": "Business Advice"}), FRIDAY)
    return store, store.of_list(added.id)


def add_tip(store: SqlStore, key: str) -> int:
    with store.write() as tx:
        return tx.tips.add(
            TipText(title=key.title(), body="Smile.", complete=True), key, key, TipState.FRESH, FRIDAY
        ).id


def test_a_new_database_has_one_list_that_sets_nothing(tmp_path: Path) -> None:
    upgrade(tmp_path / "n.db")
    with SqlStore(tmp_path / "n.db").read() as tx:
        (only,) = tx.lists.each()

    assert (only.id, only.key, only.own, only.order, only.is_first) == (1, "tips", {}, Order.TOGETHER, True)


def test_a_list_is_read_as_it_was_written(tmp_path: Path) -> None:
    store, _ = two_lists(tmp_path / "n.db")
    with store.write() as tx:
        advice = tx.lists.get(" Advice ")
        changed = replace(advice, own={"from_": "A <a@a.example>"}, order=Order.COURSE, then="tips", retired_at=FRIDAY)
        tx.lists.write(changed)
    with store.read() as tx:
        assert tx.lists.get("advice") == changed
        assert [one.key for one in tx.lists.each()] == ["tips"]
        assert [one.key for one in tx.lists.each(retired=True)] == ["tips", "advice"]


def test_a_list_that_does_not_exist_is_answered_with_those_that_do(tmp_path: Path) -> None:
    store, _ = two_lists(tmp_path / "n.db")
    with store.read() as tx, pytest.raises(NotFound, match="there is no list 'news'; there are: tips, advice"):
        tx.lists.get("news")


def test_tips_belong_to_one_list(tmp_path: Path) -> None:
    tips, advice = two_lists(tmp_path / "n.db")
    add_tip(tips, "greet"), add_tip(advice, "plan"), add_tip(tips, "thank")
    with tips.read() as here, advice.read() as there:
        assert [card.key for card in here.tips.cards()] == ["greet", "thank"]
        assert [plan.key for plan in there.calendar.plans()] == ["plan"]
        assert there.tips.get("greet").text.title == "Greet"


def test_a_tip_moves_only_within_its_list(tmp_path: Path) -> None:
    tips, advice = two_lists(tmp_path / "n.db")
    add_tip(tips, "greet"), add_tip(advice, "plan"), add_tip(advice, "hire")
    with tips.write() as tx:
        tx.tips.move("hire", first=True)
        with pytest.raises(InputError, match="different lists"):
            tx.tips.move("hire", before="greet")
    with advice.read() as tx:
        assert [card.key for card in tx.tips.cards()] == ["hire", "plan"]


def test_two_lists_have_an_issue_on_the_same_day_and_numbers_of_their_own(tmp_path: Path) -> None:
    tips, advice = two_lists(tmp_path / "n.db")
    with tips.write() as here:
        first = here.issues.plan(TUESDAY, FRIDAY, FRIDAY, first=600)
    with advice.write() as there:
        second = there.issues.plan(TUESDAY, FRIDAY, FRIDAY)
        again = there.issues.plan(TUESDAY, FRIDAY, FRIDAY)
    with tips.read() as here, advice.read() as there:
        assert [issue.number for issue in here.issues.each()] == [first.number] == [600]
        assert [issue.number for issue in there.issues.open()] == [second.number] == [10_000_001]
        assert again.number == second.number
        assert (second.shown, first.shown) == (1, 600)
        assert there.issues.next_number(1) == 10_000_002


def test_skips_and_notifications_are_of_one_list(tmp_path: Path) -> None:
    tips, advice = two_lists(tmp_path / "n.db")
    with advice.write() as there:
        there.calendar.set_override(TUESDAY, SlotOverride(Override.SKIP, "holiday"))
        there.calendar.mark_notified("runway", "low", FRIDAY)
    with tips.write() as here:
        assert here.calendar.overrides() == {}
        assert not here.calendar.was_notified("runway", "low")
        here.calendar.set_override(TUESDAY, None)
        here.calendar.clear_notified("runway")
    with advice.read() as there:
        assert list(there.calendar.overrides()) == [TUESDAY]
        assert there.calendar.was_notified("runway", "low")


def test_each_list_has_an_archive(tmp_path: Path) -> None:
    tips, advice = two_lists(tmp_path / "n.db")
    for store, key in ((tips, "greet"), (advice, "plan")):
        tip = add_tip(store, key)
        with store.write() as tx:
            tx.tips.set_state(tip, TipState.SENT, sent_on=TUESDAY)
    with tips.archive() as here:
        assert [entry.key for entry in here.choose(Selection(), 1, 10).entries] == ["greet"]
        assert (here.whereabouts("plan"), here.whereabouts("nothing")) == (("plan", 2), None)
    with advice.archive() as there:
        assert [entry.key for entry in there.choose(Selection(), 1, 10).entries] == ["plan"]
        assert there.get("plan").previous is None
        with pytest.raises(NotFound):
            there.get("greet")
