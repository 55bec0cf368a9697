"""What the owner says of slots, on a real store, and what then goes out; the order of the ways has unit tests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from newsletter.actions.issues.publish import Publisher
from newsletter.domain.calendar.plan import Kind
from newsletter.domain.delivery.issue import IssueEvent, IssueState
from newsletter.domain.errors import NotFound, Refused, TemplateError, UsageError
from newsletter.domain.tips.tip import TipRules, TipState, TipText, identity
from newsletter.rendering.emails import EmailTemplates
from newsletter.testing import MemorySender
from tests.support.library import SLOT, TUESDAY, add_subscribers, add_tip
from tests.support.publishing import AppHarness, open_app_harness, parse_emails

WEEK = timedelta(days=7)


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[AppHarness]:
    """Two readers, three tips, and a clock a day before the slot."""
    with open_app_harness(tmp_path, MemorySender()) as harness:
        add_subscribers(harness.files, 2)
        for title in ("One", "Two", "Three"):
            add_tip(harness.files, title)
        harness.fake_clock.now = TUESDAY - timedelta(days=1)
        yield harness


def add_ruled(harness: AppHarness, title: str, state: TipState = TipState.FRESH, **rules: object) -> str:
    text = TipText(title, "Use it *once*.", rules=replace(TipRules(), **rules))  # type: ignore[arg-type]
    key = title.lower().replace(" ", "-").replace("{{-year-}}", "year")
    with harness.store.write() as tx:
        tx.tips.add(text, identity(title, None), key, state, TUESDAY)
    return key


def sent(harness: AppHarness) -> list[tuple[date | None, str | None, IssueState]]:
    with harness.store.read() as tx:
        return [(issue.slot, issue.tip_key, issue.state) for issue in reversed(tx.issues.each())]


def test_a_skipped_slot_has_no_issue_and_its_tip_comes_a_week_later(harness: AppHarness) -> None:
    harness.calendar.skip(SLOT, "a holiday")
    said = harness.issues.next()
    harness.fake_clock.now = TUESDAY
    nothing = harness.issues.publish_due()
    harness.fake_clock.now = TUESDAY + timedelta(days=3)
    still_nothing = harness.issues.publish_due()
    harness.fake_clock.now = TUESDAY + WEEK
    harness.issues.publish_due()

    assert (said.slot, said.tip and said.tip.key) == (SLOT + WEEK, "one")
    assert (nothing, still_nothing) == (None, None)
    assert sent(harness) == [(SLOT + WEEK, "one", IssueState.SENDING)]


def being_made(harness: AppHarness) -> int:
    """Tuesday's letter of the first tip, taken and not compiled yet; its number."""
    harness.fake_clock.now = TUESDAY
    with harness.store.write() as tx:
        number = tx.issues.plan(SLOT, TUESDAY, TUESDAY).number
        tx.issues.change(number, IssueEvent.PREPARE, TUESDAY)
        tx.issues.bind(number, tx.tips.get("one").card.id)
    return number


def test_a_skip_that_comes_while_the_letter_is_made_still_counts(harness: AppHarness) -> None:
    being_made(harness)
    harness.calendar.skip(SLOT)
    harness.issues.publish_due()

    assert sent(harness) == [(SLOT, "one", IssueState.CANCELLED)]
    assert harness.tips.why("one").line == harness.calendar.forecast(1)[0]


def test_a_letter_that_is_being_made_is_held_back_too(harness: AppHarness) -> None:
    number = being_made(harness)
    harness.calendar.hold(SLOT)
    harness.issues.publish_due()
    held = harness.issue(number).state
    harness.calendar.approve(SLOT)
    harness.issues.publish_due()

    assert (held, harness.issue(number).state) == (IssueState.PREPARING, IssueState.SENDING)


def test_a_letter_that_is_held_back_is_not_made_again_at_each_ring(harness: AppHarness) -> None:
    number = being_made(harness)
    cannot_make_any = replace(harness.render_context, renderer=EmailTemplates(harness.site, []))
    with pytest.raises(TemplateError):
        Publisher(harness.store, cannot_make_any, harness.rules).finish_preparing(harness.clock())
    harness.calendar.hold(SLOT)
    Publisher(harness.store, cannot_make_any, harness.rules).finish_preparing(harness.clock())

    assert harness.issue(number).state is IssueState.PREPARING


def test_a_skip_can_be_taken_back(harness: AppHarness) -> None:
    harness.calendar.skip(SLOT)
    assert harness.calendar.unskip(SLOT)
    assert not harness.calendar.unskip(SLOT)
    harness.fake_clock.now = TUESDAY
    harness.issues.publish_due()

    assert sent(harness) == [(SLOT, "one", IssueState.SENDING)]


def test_what_is_held_waits_for_the_owner_and_goes_late_or_is_missed(harness: AppHarness) -> None:
    harness.calendar.hold(SLOT, "a typo")
    harness.fake_clock.now = TUESDAY
    held = (harness.issues.publish_due(), harness.issues.next().waits, harness.calendar.last_slot().words)
    harness.fake_clock.forward(hours=5)
    harness.calendar.approve(SLOT)
    harness.issues.publish_due()
    harness.calendar.hold(SLOT + WEEK)
    harness.fake_clock.now = TUESDAY + WEEK + timedelta(hours=25)
    harness.issues.publish_due()

    assert held == (
        None,
        "you put it on hold: a typo",
        "the issue for March 5, 2024 has not been sent: you put it on hold: a typo",
    )
    assert sent(harness) == [(SLOT, "one", IssueState.SENDING), (SLOT + WEEK, None, IssueState.MISSED)]
    assert "on hold" in harness.issue(2).pause_reason
    assert harness.issues.next().tip
    assert harness.issues.next().tip.key == "two"  # type: ignore[union-attr]


def test_with_approval_required_silence_means_no(tmp_path: Path) -> None:
    with open_app_harness(tmp_path, MemorySender(), approval="required") as harness:
        add_subscribers(harness.files, 1)
        add_tip(harness.files, "One")
        add_tip(harness.files, "Two")
        silent = harness.issues.publish_due()
        approved = harness.calendar.approve(SLOT)
        with harness.store.write() as tx:
            tx.tips.move("two", first=True)
        changed = harness.issues.publish_due()
        harness.calendar.approve(SLOT)
        issue = harness.issues.publish_due()

        assert (silent, approved, changed) == (None, "one", None), "an approval is for one tip"
        assert issue
        assert issue.tip_key == "two"


def test_the_command_that_sends_early_is_an_approval_but_not_of_what_is_held(tmp_path: Path) -> None:
    with open_app_harness(tmp_path, MemorySender(), approval="required") as harness:
        add_subscribers(harness.files, 1)
        add_tip(harness.files, "One")
        harness.fake_clock.now = TUESDAY - timedelta(days=1)
        harness.calendar.hold(SLOT)
        with pytest.raises(Refused, match="on hold"):
            harness.issues.send(early=True)
        harness.calendar.unskip(SLOT)
        issue = harness.issues.send(early=True)

        assert issue
        assert issue.state is IssueState.DONE


def test_a_pinned_tip_goes_on_its_date_and_is_kept_for_it(harness: AppHarness) -> None:
    harness.tips.pin("one", SLOT + WEEK)
    for week in range(3):
        harness.fake_clock.now = TUESDAY + week * WEEK
        harness.issues.publish_due()
        harness.round(week + 1)

    assert [tip for _, tip, _ in sent(harness)] == ["two", "one", "three"]


def test_what_cannot_be_pinned_or_skipped_is_refused_with_the_reason(harness: AppHarness) -> None:
    harness.tips.pin("one", SLOT)
    harness.tips.retire("three")
    with pytest.raises(Refused, match="one is pinned"):
        harness.tips.pin("two", SLOT)
    with pytest.raises(Refused, match="retired"):
        harness.tips.pin("three", SLOT + WEEK)
    with pytest.raises(NotFound):
        harness.tips.pin("none-such", SLOT + WEEK)
    with pytest.raises(UsageError, match="Wednesday"):
        harness.calendar.parse_slot("2024-03-06")
    with pytest.raises(Refused, match="has passed"):
        harness.calendar.skip(SLOT - WEEK)
    harness.fake_clock.now = TUESDAY
    harness.issues.publish_due()
    with pytest.raises(Refused, match="already being sent"):
        harness.calendar.skip(SLOT)


def test_two_tips_change_places_and_change_back(harness: AppHarness) -> None:
    before = [line.tip for line in harness.calendar.forecast(3)]
    harness.calendar.swap(SLOT)
    after = [line.tip for line in harness.calendar.forecast(3)]
    harness.calendar.swap(SLOT)

    assert before == ["one", "two", "three"]
    assert after == ["two", "one", "three"]
    assert [line.tip for line in harness.calendar.forecast(3)] == before


def test_a_season_fills_the_year_of_its_title_when_the_letter_is_made(harness: AppHarness) -> None:
    add_ruled(harness, "Spring {{ year }}", season="5 March")
    said = harness.issues.next()
    harness.fake_clock.now = TUESDAY
    harness.issues.publish_due()
    harness.round()
    memory = harness.sender_override
    assert isinstance(memory, MemorySender)

    assert said.tip
    assert said.tip.title == "Spring 2024"
    assert {mail["Subject"] for mail in parse_emails(memory.emails)} == {"Spring 2024"}
    assert harness.issue().subject == "Spring 2024"


def test_a_tip_runs_again_after_its_rest_and_a_cancelled_re_run_counts_for_nothing(tmp_path: Path) -> None:
    with open_app_harness(tmp_path, MemorySender(), rerun_after="3 weeks") as harness:
        add_subscribers(harness.files, 1)
        add_tip(harness.files, "One")
        harness.issues.publish_due()
        harness.round()
        harness.fake_clock.now = TUESDAY + 3 * WEEK
        harness.issues.publish_due()
        harness.issues.cancel(2)
        with harness.store.read() as tx:
            card = tx.tips.get("one").card
        harness.fake_clock.now = TUESDAY + 4 * WEEK
        again = harness.issues.publish_due()

        assert (card.state, card.last_sent_on) == (TipState.SENT, SLOT)
        assert again
        assert (again.tip_key, again.slot) == ("one", SLOT + 4 * WEEK)
        assert harness.broken() == []


def test_a_tip_of_the_archive_may_run_again_and_goes_back_there_when_that_is_cancelled(harness: AppHarness) -> None:
    with harness.store.write() as tx:
        for key in ("one", "two", "three"):
            tx.tips.set_state(tx.tips.get(key).card.id, TipState.RETIRED)
        old = TipText("Old", "It ran before.", published_on=date(2012, 5, 1))
        tx.tips.add(old, identity("Old", old.published_on), "old", TipState.ARCHIVE, TUESDAY)
    line = harness.calendar.forecast(1)[0]
    harness.fake_clock.now = TUESDAY
    harness.issues.publish_due()
    harness.issues.cancel(1)
    with harness.store.read() as tx:
        card = tx.tips.get("old").card

    assert (line.tip, line.kind) == ("old", Kind.RERUN)
    assert "May 1, 2012" in line.reason
    assert (card.state, card.last_sent_on) == (TipState.ARCHIVE, None)


def test_the_slot_that_is_bound_shows_what_is_bound_and_the_rest_goes_on_from_there(harness: AppHarness) -> None:
    harness.fake_clock.now = TUESDAY
    harness.issues.publish_due()
    with harness.store.write() as tx:
        tx.tips.move("three", first=True)
        tx.calendar.pin("two", SLOT)  # said too late: the letter is made
        tx.tips.move("two", first=True)
        tx.tips.move("three", first=True)
    lines = harness.calendar.forecast(3)

    assert [(line.tip, line.reason) for line in lines[:1]] == [("one", "bound to issue 1")]
    assert [line.tip for line in lines] == ["one", "three", "two"]


def test_why_speaks_of_dates_that_went_by_and_of_dates_that_come(harness: AppHarness) -> None:
    harness.fake_clock.now = TUESDAY
    harness.issues.publish_due()
    harness.round()
    past, coming = harness.calendar.why(SLOT), harness.calendar.why(SLOT + WEEK)
    tip = harness.tips.why("three")

    assert (past.line.tip, past.line.reason) == ("one", "issue 1, done")
    assert (coming.line.tip, coming.line.kind) == ("two", Kind.FRESH)
    assert tip.line
    assert (tip.line.date, tip.next_slot, tip.why_not) == (SLOT + 2 * WEEK, SLOT + WEEK, "1 tip before it in the queue")
    with pytest.raises(NotFound):
        harness.calendar.why(SLOT - WEEK)
