"""Overrides of slots on a real store, and what is then sent. The order of the kinds has unit tests."""

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
    """Two subscribers, three tips, and a clock a day before the slot."""
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
    planned = harness.issues.next()
    harness.fake_clock.now = TUESDAY
    nothing = harness.issues.publish_due()
    harness.fake_clock.now = TUESDAY + timedelta(days=3)
    still_nothing = harness.issues.publish_due()
    harness.fake_clock.now = TUESDAY + WEEK
    harness.issues.publish_due()

    assert (planned.slot, planned.tip and planned.tip.key) == (SLOT + WEEK, "one")
    assert (nothing, still_nothing) == (None, None)
    assert sent(harness) == [(SLOT + WEEK, "one", IssueState.SENDING)]


def start_preparing(harness: AppHarness) -> int:
    """Bind Tuesday's issue to the first tip without compiling it; its number."""
    harness.fake_clock.now = TUESDAY
    with harness.store.write() as tx:
        number = tx.issues.plan(SLOT, TUESDAY, TUESDAY).number
        tx.issues.change(number, IssueEvent.PREPARE, TUESDAY)
        tx.issues.bind(number, tx.tips.get("one").card.id)
    return number


def test_a_skip_while_the_issue_is_being_prepared_still_counts(harness: AppHarness) -> None:
    start_preparing(harness)
    harness.calendar.skip(SLOT)
    harness.issues.publish_due()

    assert sent(harness) == [(SLOT, "one", IssueState.CANCELLED)]
    assert harness.tips.why("one").line == harness.calendar.forecast(1)[0]


def test_an_issue_that_is_being_prepared_can_be_put_on_hold(harness: AppHarness) -> None:
    number = start_preparing(harness)
    harness.calendar.hold(SLOT)
    harness.issues.publish_due()
    held = harness.issue(number).state
    harness.calendar.approve(SLOT)
    harness.issues.publish_due()

    assert (held, harness.issue(number).state) == (IssueState.PREPARING, IssueState.SENDING)


def test_an_issue_on_hold_is_not_compiled_again_at_each_timer_run(harness: AppHarness) -> None:
    number = start_preparing(harness)
    cannot_make_any = replace(harness.render_context, renderer=EmailTemplates(harness.site, []))
    with pytest.raises(TemplateError):
        Publisher(harness.store, cannot_make_any, harness.rules).finish_preparing(harness.clock())
    harness.calendar.hold(SLOT)
    Publisher(harness.store, cannot_make_any, harness.rules).finish_preparing(harness.clock())

    assert harness.issue(number).state is IssueState.PREPARING


def test_a_skip_can_be_undone(harness: AppHarness) -> None:
    harness.calendar.skip(SLOT)
    assert harness.calendar.clear_override(SLOT)
    assert not harness.calendar.clear_override(SLOT)
    harness.fake_clock.now = TUESDAY
    harness.issues.publish_due()

    assert sent(harness) == [(SLOT, "one", IssueState.SENDING)]


def test_an_issue_on_hold_waits_for_the_owner_and_is_sent_late_or_missed(harness: AppHarness) -> None:
    harness.calendar.hold(SLOT, "a typo")
    harness.fake_clock.now = TUESDAY
    held = (harness.issues.publish_due(), harness.issues.next().waits, harness.calendar.last_slot().words)
    harness.fake_clock.forward(hours=5)
    harness.calendar.approve(SLOT)
    harness.send_due()
    harness.calendar.hold(SLOT + WEEK)
    harness.fake_clock.now = TUESDAY + WEEK + timedelta(hours=25)
    harness.issues.publish_due()

    assert held == (
        None,
        "you put it on hold: a typo",
        "the issue for March 5, 2024 has not been sent: you put it on hold: a typo",
    )
    assert sent(harness) == [(SLOT, "one", IssueState.DONE), (SLOT + WEEK, None, IssueState.MISSED)]
    assert "on hold" in harness.issue(-1).pause_reason
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


def test_sending_early_approves_an_issue_unless_it_is_on_hold(tmp_path: Path) -> None:
    with open_app_harness(tmp_path, MemorySender(), approval="required") as harness:
        add_subscribers(harness.files, 1)
        add_tip(harness.files, "One")
        harness.fake_clock.now = TUESDAY - timedelta(days=1)
        harness.calendar.hold(SLOT)
        with pytest.raises(Refused, match="on hold"):
            harness.issues.send(early=True)
        harness.calendar.clear_override(SLOT)
        issue = harness.issues.send(early=True)

        assert issue
        assert issue.state is IssueState.DONE


def test_a_pinned_tip_is_kept_for_its_date_and_sent_then(harness: AppHarness) -> None:
    harness.tips.pin("one", SLOT + WEEK)
    for week in range(3):
        harness.fake_clock.now = TUESDAY + week * WEEK
        harness.issues.publish_due()
        harness.round(week + 1)

    assert [tip for _, tip, _ in sent(harness)] == ["two", "one", "three"]


def test_an_impossible_pin_or_skip_is_refused_with_the_reason(harness: AppHarness) -> None:
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


def test_two_tips_are_swapped_and_swapped_back(harness: AppHarness) -> None:
    before = [line.tip for line in harness.calendar.forecast(3)]
    harness.calendar.swap(SLOT)
    after = [line.tip for line in harness.calendar.forecast(3)]
    harness.calendar.swap(SLOT)

    assert before == ["one", "two", "three"]
    assert after == ["two", "one", "three"]
    assert [line.tip for line in harness.calendar.forecast(3)] == before


def test_a_season_fills_in_the_year_of_a_title_when_the_email_is_compiled(harness: AppHarness) -> None:
    add_ruled(harness, "Spring {{ year }}", season="5 March")
    planned = harness.issues.next()
    harness.fake_clock.now = TUESDAY
    harness.issues.publish_due()
    harness.round()
    memory = harness.sender_override
    assert isinstance(memory, MemorySender)

    assert planned.tip
    assert planned.tip.title == "Spring 2024"
    assert {email["Subject"] for email in parse_emails(memory.emails)} == {"Spring 2024"}
    assert harness.issue().subject == "Spring 2024"


def test_a_tip_runs_again_after_its_rest_and_a_canceled_re_run_does_not_count(tmp_path: Path) -> None:
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


def test_a_tip_of_the_archive_may_run_again_and_returns_there_when_that_is_canceled(harness: AppHarness) -> None:
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


def test_a_bound_slot_shows_its_tip_and_the_forecast_goes_on_from_there(harness: AppHarness) -> None:
    harness.fake_clock.now = TUESDAY
    harness.issues.publish_due()
    with harness.store.write() as tx:
        tx.tips.move("three", first=True)
        tx.calendar.pin("two", SLOT)  # too late: the issue already has its tip
        tx.tips.move("two", first=True)
        tx.tips.move("three", first=True)
    lines = harness.calendar.forecast(3)

    assert [(line.tip, line.reason) for line in lines[:1]] == [("one", "bound to issue 1")]
    assert [line.tip for line in lines] == ["one", "three", "two"]


def test_why_explains_past_and_future_dates(harness: AppHarness) -> None:
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
