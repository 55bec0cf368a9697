"""What the owner says of slots, on a real store, and what then goes out; the order of the ways has unit tests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from newsletter.actions.issues.publish import finish_preparing
from newsletter.domain.calendar.plan import Kind
from newsletter.domain.delivery.issue import IssueEvent, IssueState
from newsletter.domain.errors import NotFound, Refused, TemplateError, UsageError
from newsletter.domain.tips.tip import TipRules, TipState, TipText, identity
from newsletter.rendering.emails import Letters
from newsletter.testing import MemorySender
from tests.support.library import SLOT, TUESDAY, add_readers, add_tip
from tests.support.publishing import Newsroom, mails, open_newsroom

WEEK = timedelta(days=7)


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Newsroom]:
    """Two readers, three tips, and a clock a day before the slot."""
    with open_newsroom(tmp_path, MemorySender()) as room:
        add_readers(room.files, 2)
        for title in ("One", "Two", "Three"):
            add_tip(room.files, title)
        room.hand.now = TUESDAY - timedelta(days=1)
        yield room


def add_ruled(room: Newsroom, title: str, state: TipState = TipState.FRESH, **rules: object) -> str:
    text = TipText(title, "Use it *once*.", rules=replace(TipRules(), **rules))  # type: ignore[arg-type]
    key = title.lower().replace(" ", "-").replace("{{-year-}}", "year")
    with room.store.write() as tx:
        tx.tips.add(text, identity(title, None), key, state, TUESDAY)
    return key


def sent(room: Newsroom) -> list[tuple[date | None, str | None, IssueState]]:
    with room.store.read() as tx:
        return [(issue.slot, issue.tip_key, issue.state) for issue in reversed(tx.issues.each())]


def test_a_skipped_slot_has_no_issue_and_its_tip_comes_a_week_later(room: Newsroom) -> None:
    room.skip_slot(SLOT, "a holiday")
    said = room.next_issue()
    room.hand.now = TUESDAY
    nothing = room.publish_due()
    room.hand.now = TUESDAY + timedelta(days=3)
    still_nothing = room.publish_due()
    room.hand.now = TUESDAY + WEEK
    room.publish_due()

    assert (said.slot, said.tip and said.tip.key) == (SLOT + WEEK, "one")
    assert (nothing, still_nothing) == (None, None)
    assert sent(room) == [(SLOT + WEEK, "one", IssueState.SENDING)]


def being_made(room: Newsroom) -> int:
    """Tuesday's letter of the first tip, taken and not compiled yet; its number."""
    room.hand.now = TUESDAY
    with room.store.write() as tx:
        number = tx.issues.plan(SLOT, TUESDAY, TUESDAY).number
        tx.issues.change(number, IssueEvent.PREPARE, TUESDAY)
        tx.issues.bind(number, tx.tips.get("one").card.id)
    return number


def test_a_skip_that_comes_while_the_letter_is_made_still_counts(room: Newsroom) -> None:
    being_made(room)
    room.skip_slot(SLOT)
    room.publish_due()

    assert sent(room) == [(SLOT, "one", IssueState.CANCELLED)]
    assert room.why_tip("one").line == room.forecast(1)[0]


def test_a_letter_that_is_being_made_is_held_back_too(room: Newsroom) -> None:
    number = being_made(room)
    room.hold_slot(SLOT)
    room.publish_due()
    held = room.issue(number).state
    room.approve_slot(SLOT)
    room.publish_due()

    assert (held, room.issue(number).state) == (IssueState.PREPARING, IssueState.SENDING)


def test_a_letter_that_is_held_back_is_not_made_again_at_each_ring(room: Newsroom) -> None:
    number = being_made(room)
    cannot_make_any = replace(room.press, renderer=Letters(room.site, []))
    with pytest.raises(TemplateError):
        finish_preparing(room.store, cannot_make_any, room.rules, room.clock())
    room.hold_slot(SLOT)
    finish_preparing(room.store, cannot_make_any, room.rules, room.clock())

    assert room.issue(number).state is IssueState.PREPARING


def test_a_skip_can_be_taken_back(room: Newsroom) -> None:
    room.skip_slot(SLOT)
    assert room.unskip_slot(SLOT)
    assert not room.unskip_slot(SLOT)
    room.hand.now = TUESDAY
    room.publish_due()

    assert sent(room) == [(SLOT, "one", IssueState.SENDING)]


def test_what_is_held_waits_for_the_owner_and_goes_late_or_is_missed(room: Newsroom) -> None:
    room.hold_slot(SLOT, "a typo")
    room.hand.now = TUESDAY
    held = (room.publish_due(), room.next_issue().waits, room.last_slot().words)
    room.hand.forward(hours=5)
    room.approve_slot(SLOT)
    room.publish_due()
    room.hold_slot(SLOT + WEEK)
    room.hand.now = TUESDAY + WEEK + timedelta(hours=25)
    room.publish_due()

    assert held == (None, "you hold it back: a typo", f"the issue of {SLOT} has not gone: you hold it back: a typo")
    assert sent(room) == [(SLOT, "one", IssueState.SENDING), (SLOT + WEEK, None, IssueState.MISSED)]
    assert "held back" in room.issue(2).pause_reason
    assert room.next_issue().tip
    assert room.next_issue().tip.key == "two"  # type: ignore[union-attr]


def test_with_approval_required_silence_means_no(tmp_path: Path) -> None:
    with open_newsroom(tmp_path, MemorySender(), approval="required") as room:
        add_readers(room.files, 1)
        add_tip(room.files, "One")
        add_tip(room.files, "Two")
        silent = room.publish_due()
        approved = room.approve_slot(SLOT)
        with room.store.write() as tx:
            tx.tips.move("two", first=True)
        changed = room.publish_due()
        room.approve_slot(SLOT)
        issue = room.publish_due()

        assert (silent, approved, changed) == (None, "one", None), "an approval is for one tip"
        assert issue
        assert issue.tip_key == "two"


def test_the_command_that_sends_early_is_an_approval_but_not_of_what_is_held(tmp_path: Path) -> None:
    with open_newsroom(tmp_path, MemorySender(), approval="required") as room:
        add_readers(room.files, 1)
        add_tip(room.files, "One")
        room.hand.now = TUESDAY - timedelta(days=1)
        room.hold_slot(SLOT)
        with pytest.raises(Refused, match="held back"):
            room.send(early=True)
        room.unskip_slot(SLOT)
        issue = room.send(early=True)

        assert issue
        assert issue.state is IssueState.DONE


def test_a_pinned_tip_goes_on_its_date_and_is_kept_for_it(room: Newsroom) -> None:
    room.pin_tip("one", SLOT + WEEK)
    for week in range(3):
        room.hand.now = TUESDAY + week * WEEK
        room.publish_due()
        room.round(week + 1)

    assert [tip for _, tip, _ in sent(room)] == ["two", "one", "three"]


def test_what_cannot_be_pinned_or_skipped_is_refused_with_the_reason(room: Newsroom) -> None:
    room.pin_tip("one", SLOT)
    room.retire_tip("three")
    with pytest.raises(Refused, match="one is pinned"):
        room.pin_tip("two", SLOT)
    with pytest.raises(Refused, match="retired"):
        room.pin_tip("three", SLOT + WEEK)
    with pytest.raises(NotFound):
        room.pin_tip("none-such", SLOT + WEEK)
    with pytest.raises(UsageError, match="Wednesday"):
        room.parse_slot("2024-03-06")
    with pytest.raises(Refused, match="over"):
        room.skip_slot(SLOT - WEEK)
    room.hand.now = TUESDAY
    room.publish_due()
    with pytest.raises(Refused, match="on its way"):
        room.skip_slot(SLOT)


def test_two_tips_change_places_and_change_back(room: Newsroom) -> None:
    before = [line.tip for line in room.forecast(3)]
    room.swap_slot(SLOT)
    after = [line.tip for line in room.forecast(3)]
    room.swap_slot(SLOT)

    assert before == ["one", "two", "three"]
    assert after == ["two", "one", "three"]
    assert [line.tip for line in room.forecast(3)] == before


def test_a_season_fills_the_year_of_its_title_when_the_letter_is_made(room: Newsroom) -> None:
    add_ruled(room, "Spring {{ year }}", season="5 March")
    said = room.next_issue()
    room.hand.now = TUESDAY
    room.publish_due()
    room.round()
    memory = room.way
    assert isinstance(memory, MemorySender)

    assert said.tip
    assert said.tip.title == "Spring 2024"
    assert {mail["Subject"] for mail in mails(memory.letters)} == {"Spring 2024"}
    assert room.issue().subject == "Spring 2024"


def test_a_tip_runs_again_after_its_rest_and_a_cancelled_re_run_counts_for_nothing(tmp_path: Path) -> None:
    with open_newsroom(tmp_path, MemorySender(), rerun_after="3 weeks") as room:
        add_readers(room.files, 1)
        add_tip(room.files, "One")
        room.publish_due()
        room.round()
        room.hand.now = TUESDAY + 3 * WEEK
        room.publish_due()
        room.cancel(2)
        with room.store.read() as tx:
            card = tx.tips.get("one").card
        room.hand.now = TUESDAY + 4 * WEEK
        again = room.publish_due()

        assert (card.state, card.last_sent_on) == (TipState.SENT, SLOT)
        assert again
        assert (again.tip_key, again.slot) == ("one", SLOT + 4 * WEEK)
        assert room.broken() == []


def test_a_tip_of_the_archive_may_run_again_and_goes_back_there_when_that_is_cancelled(room: Newsroom) -> None:
    with room.store.write() as tx:
        for key in ("one", "two", "three"):
            tx.tips.set_state(tx.tips.get(key).card.id, TipState.RETIRED)
        old = TipText("Old", "It ran before.", published_on=date(2012, 5, 1))
        tx.tips.add(old, identity("Old", old.published_on), "old", TipState.ARCHIVE, TUESDAY)
    line = room.forecast(1)[0]
    room.hand.now = TUESDAY
    room.publish_due()
    room.cancel(1)
    with room.store.read() as tx:
        card = tx.tips.get("old").card

    assert (line.tip, line.kind) == ("old", Kind.RERUN)
    assert "1 May 2012" in line.reason
    assert (card.state, card.last_sent_on) == (TipState.ARCHIVE, None)


def test_the_slot_that_is_bound_shows_what_is_bound_and_the_rest_goes_on_from_there(room: Newsroom) -> None:
    room.hand.now = TUESDAY
    room.publish_due()
    with room.store.write() as tx:
        tx.tips.move("three", first=True)
        tx.calendar.pin("two", SLOT)  # said too late: the letter is made
        tx.tips.move("two", first=True)
        tx.tips.move("three", first=True)
    lines = room.forecast(3)

    assert [(line.tip, line.reason) for line in lines[:1]] == [("one", "bound to issue 1")]
    assert [line.tip for line in lines] == ["one", "three", "two"]


def test_why_speaks_of_dates_that_went_by_and_of_dates_that_come(room: Newsroom) -> None:
    room.hand.now = TUESDAY
    room.publish_due()
    room.round()
    past, coming = room.why_date(SLOT), room.why_date(SLOT + WEEK)
    tip = room.why_tip("three")

    assert (past.line.tip, past.line.reason) == ("one", "issue 1, done")
    assert (coming.line.tip, coming.line.kind) == ("two", Kind.FRESH)
    assert tip.line
    assert (tip.line.date, tip.next_slot, tip.why_not) == (SLOT + 2 * WEEK, SLOT + WEEK, "1 tip before it in the queue")
    with pytest.raises(NotFound):
        room.why_date(SLOT - WEEK)
