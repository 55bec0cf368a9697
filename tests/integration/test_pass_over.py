"""A tip of which no email can be made never blocks the queue: it is passed over, the owner is told, and it comes back."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from newsletter.domain.calendar.plan import Kind
from newsletter.domain.delivery.issue import IssueEvent, IssueFacts, IssueState
from newsletter.domain.errors import Refused, TemplateError
from newsletter.domain.tips.tip import TipState, TipText, identity
from newsletter.rendering.data import data_dir
from newsletter.testing import MemorySender
from tests.support.library import SLOT, TUESDAY, add_subscribers, add_tip
from tests.support.publishing import AppHarness, custom_template_dir, open_app_harness, owner_emails, text_of

WEEK = timedelta(days=7)
NO_BODY = "![](/media/000000000000000000000000-10x10.png)"


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[AppHarness]:
    """Two subscribers, and a clock at the slot."""
    with open_app_harness(tmp_path, MemorySender()) as harness:
        add_subscribers(harness.files, 2)
        yield harness


def sent(harness: AppHarness) -> IssueFacts:
    done = harness.issues.send()
    assert done
    return done


def problem_of(harness: AppHarness, key: str) -> str:
    return harness.tips.get(key).card.problem


def texts(harness: AppHarness) -> str:
    return " ".join(" ".join(text_of(mail).split()) for mail in owner_emails(harness))


@pytest.mark.parametrize(
    ("title", "body", "why"),
    [
        ("A bell\x07", "It rings.", "its title has the control character U+0007"),
        ("Bad", "It has a \x07 in it.", "its body has the control character U+0007"),
        ("Bad", "Hello {{ name }}, write the number down.", "{{ name }}"),
        ("Bad", " ", "its text is empty"),
        ("Bad", NO_BODY, "the file of the picture 000000000000000000000000-10x10.png is gone"),
        ("Bad", "A sentence that says it all. " * 4_000, "bytes of HTML"),
    ],
)
def test_a_tip_of_which_no_email_can_be_made_is_passed_over(
    harness: AppHarness, title: str, body: str, why: str
) -> None:
    add_tip(harness.files, title, body=body, key="bad")
    add_tip(harness.files, "Good")
    done = sent(harness)
    assert (done.tip_key, done.counts["sent"]) == ("good", 2)
    assert why in problem_of(harness, "bad")
    assert harness.tips.get("bad").card.state is TipState.FRESH
    told = texts(harness)
    assert "cannot be sent" in told
    assert "newsletter tips edit bad" in told
    assert "cannot be sent" not in texts(harness), "she is told once"


def test_after_the_repair_it_comes_back_in_its_order(harness: AppHarness) -> None:
    add_tip(harness.files, "Bad", body="Hello {{ name }}.")
    for title in ("Good", "Later"):
        add_tip(harness.files, title)
    assert sent(harness).tip_key == "good"
    assert [line.tip for line in harness.calendar.forecast(2)] == ["later", "bad"], "until then, it comes last"
    assert harness.calendar.forecast(2)[1].kind is Kind.PROBLEM
    harness.tips.edit("bad", harness.tips.as_file("bad").replace("{{ name }}", "you"))
    assert problem_of(harness, "bad") == ""
    assert [line.tip for line in harness.calendar.forecast(2)] == ["bad", "later"]
    harness.fake_clock.now += WEEK
    assert sent(harness).tip_key == "bad"


def test_a_pinned_tip_is_passed_over_too_and_then_leads_the_queue(harness: AppHarness) -> None:
    add_tip(harness.files, "First")
    add_tip(harness.files, "Bad\x07", key="bad")
    harness.tips.pin("bad", SLOT)
    assert sent(harness).tip_key == "first"
    assert "cannot be sent" in texts(harness)


def test_a_series_waits_for_its_part(harness: AppHarness) -> None:
    from dataclasses import replace  # noqa: PLC0415

    for part, body in ((1, "The first."), (2, "Hello {{ name }}."), (3, "The third.")):
        text = TipText(f"Part {part}", body)
        text = replace(text, rules=replace(text.rules, series="A series", part=part))
        with harness.store.write() as tx:
            tx.tips.add(text, identity(text.title, None), f"part-{part}", TipState.FRESH, TUESDAY)
    add_tip(harness.files, "Other")
    went = []
    for _week in range(2):
        went.append(sent(harness).tip_key)
        harness.fake_clock.now += WEEK
    harness.tips.edit("part-2", harness.tips.as_file("part-2").replace("{{ name }}", "you"))
    for _week in range(2):
        went.append(sent(harness).tip_key)
        harness.fake_clock.now += WEEK
    assert went == ["part-1", "other", "part-2", "part-3"]


def test_the_preview_of_the_day_before_is_already_about_the_tip_that_goes_out(harness: AppHarness) -> None:
    add_tip(harness.files, "Bad\x07", key="bad")
    add_tip(harness.files, "Good")
    harness.fake_clock.now = TUESDAY - timedelta(hours=20)
    told = texts(harness)
    assert "“Good”" in told or "Good" in told
    assert "newsletter tips edit bad" in told
    assert harness.issues.next().tip
    assert harness.issues.rehearse().choice.tip == "good"


def test_the_nightly_check_finds_it_weeks_before(harness: AppHarness) -> None:
    for title in ("One", "Two", "Bad\x07"):
        add_tip(harness.files, title, key=title[:3].lower().strip())
    harness.fake_clock.now = TUESDAY - timedelta(days=5)
    assert "newsletter tips edit bad" in texts(harness)
    assert [line.tip for line in harness.calendar.forecast(2)] == ["one", "two"]


def test_an_issue_that_a_crash_left_with_such_a_tip_gets_another_one(harness: AppHarness) -> None:
    add_tip(harness.files, "Bad\x07", key="bad")
    add_tip(harness.files, "Good")
    with harness.store.write() as tx:
        number = tx.issues.plan(SLOT, TUESDAY, TUESDAY).number
        tx.issues.change(number, IssueEvent.PREPARE, TUESDAY)
        tx.issues.bind(number, tx.tips.get("bad").card.id)
    done = sent(harness)
    assert (done.number, done.tip_key, done.state) == (number, "good", IssueState.DONE)


def test_a_template_that_fails_for_every_tip_holds_the_issue_and_passes_over_none(tmp_path: Path) -> None:
    own = custom_template_dir(tmp_path, "Hello")
    shutil.copytree(data_dir() / "templates" / "email" / "_base", own / "email" / "_base")
    with open_app_harness(tmp_path, MemorySender(), templates=str(own)) as harness:
        add_subscribers(harness.files, 2)
        keys = [add_tip(harness.files, f"Tip {number}") for number in range(30)]
        harness.issues.rehearse()  # the templates are in order when the daemon starts
        broken = own / "email" / "_base" / "body.html"
        before = broken.read_text()
        broken.write_text("{{ no_such_thing }}")
        harness.fake_clock.forward(minutes=6)
        held = harness.issues.publish_due()
        assert held
        assert (held.state, held.tip_key) == (IssueState.PLANNED, None)
        assert "the email of every tip has this error" in held.pause_reason
        assert "no_such_thing" in held.pause_reason
        assert not any(problem_of(harness, key) for key in keys)
        told = texts(harness)
        assert "No issue was sent" in told, "the alert does not need the broken template"
        assert "newsletter templates check" in told
        broken.write_text(before)
        harness.fake_clock.forward(minutes=6)
        assert sent(harness).tip_key == keys[0]


def test_templates_that_are_refused_at_the_start_hold_the_issue_as_well(tmp_path: Path) -> None:
    own = custom_template_dir(tmp_path, "{{ no_such_thing }}")
    with open_app_harness(tmp_path, MemorySender(), templates=str(own)) as harness:
        add_subscribers(harness.files, 2)
        add_tip(harness.files, "Good")
        with pytest.raises(TemplateError):
            harness.issues.publish_due()
        (held,) = harness.issues.list()
        assert "no_such_thing" in held.pause_reason
        assert "No issue was sent" in texts(harness)


def test_a_template_that_fails_for_one_tip_only_passes_over_that_one(tmp_path: Path) -> None:
    own = custom_template_dir(tmp_path, "{{ tip.title.split(' ')[1] }}")
    with open_app_harness(tmp_path, MemorySender(), templates=str(own)) as harness:
        add_subscribers(harness.files, 2)
        add_tip(harness.files, "Alone")
        add_tip(harness.files, "Two words")
        assert sent(harness).tip_key == "two-words"
        assert "body.txt:1" in problem_of(harness, "alone")


def test_many_bad_tips_in_a_row_do_not_block_the_queue(harness: AppHarness) -> None:
    for number in range(12):
        add_tip(harness.files, f"Bad {number}\x07", key=f"bad-{number}")
    add_tip(harness.files, "Good")
    assert sent(harness).tip_key == "good"
    assert "2 other tips cannot be sent either" in texts(harness)


def test_a_template_that_fails_for_many_tips_is_the_problem_even_if_it_works_for_a_sample(tmp_path: Path) -> None:
    own = custom_template_dir(tmp_path, "{{ tip.takeaway.split(' ')[1] }}")
    with open_app_harness(tmp_path, MemorySender(), templates=str(own)) as harness:
        add_subscribers(harness.files, 2)
        for number in range(12):
            add_tip(harness.files, f"Tip {number}")
        held = harness.issues.publish_due()
        assert held
        assert "a template fails for it" in held.pause_reason
        assert held.state is IssueState.PLANNED
        assert harness.issues.publish_due() == held, "it stays held, whenever one looks"
        told = texts(harness)
        assert "newsletter templates check" in told
        assert "cannot be sent" not in told


# -- retired tips ----------------------------------------------------------------------------------


def prepared(harness: AppHarness, key: str, *, slot: bool = True) -> int:
    """The state after a process died while it compiled this tip."""
    with harness.store.write() as tx:
        number = tx.issues.plan(SLOT if slot else None, TUESDAY, TUESDAY).number
        tx.issues.change(number, IssueEvent.PREPARE, TUESDAY)
        tx.issues.bind(number, tx.tips.get(key).card.id)
    return number


def test_a_retired_tip_leaves_the_issue_that_is_prepared_with_it(harness: AppHarness) -> None:
    add_tip(harness.files, "Old")
    add_tip(harness.files, "New")
    number = prepared(harness, "old")
    harness.tips.retire("old")
    done = sent(harness)
    assert (done.number, done.tip_key) == (number, "new")


def test_an_extra_issue_about_a_retired_tip_is_canceled(harness: AppHarness) -> None:
    add_tip(harness.files, "Old")
    number = prepared(harness, "old", slot=False)
    harness.tips.retire("old")
    assert harness.issue(number).state is IssueState.CANCELLED
    assert harness.issues.publish_due() is None or harness.issue(number).audience == 0


def test_a_tip_that_is_retired_while_it_is_compiled_is_not_sent(harness: AppHarness) -> None:
    add_tip(harness.files, "Old")
    add_tip(harness.files, "New")
    number, publisher = prepared(harness, "old"), harness.publisher
    original = publisher.errors
    assert original
    with harness.store.write() as tx:  # as another process would, between the check and the transaction
        issue = tx.issues.get(number)
        tx.tips.set_state(issue.tip_id or 0, TipState.RETIRED)
    assert sent(harness).tip_key == "new"


def test_a_paused_issue_is_not_resumed_with_a_retired_tip(harness: AppHarness) -> None:
    add_tip(harness.files)
    frozen = harness.issues.publish_due()
    assert frozen
    number = frozen.number
    harness.issues.pause(number)
    harness.tips.retire("say-the-name")
    assert [issue.number for issue in harness.tips.in_progress("say-the-name")] == [number]
    with pytest.raises(Refused, match="is retired"):
        harness.issues.resume(number)
    harness.tips.unretire("say-the-name")
    assert harness.issues.resume(number).state is IssueState.DONE


def test_an_approval_of_a_tip_ends_with_its_retirement(tmp_path: Path) -> None:
    with open_app_harness(tmp_path, MemorySender(), approval="required") as harness:
        add_subscribers(harness.files, 2)
        add_tip(harness.files, "Old")
        add_tip(harness.files, "New")
        harness.calendar.approve(SLOT)
        harness.tips.retire("old")
        assert harness.issues.publish_due() is None
        harness.tips.unretire("old")
        assert harness.issues.publish_due() is None, "it needs a new approval"
        harness.calendar.approve(SLOT)
        assert sent(harness).tip_key == "old"


# -- extra issues and substitutes ------------------------------------------------------------------


def extra_with_error(harness: AppHarness) -> int:
    """An extra issue about a tip with an error, which the owner pinned to a moment."""
    add_tip(harness.files, "Bad", body="Hello {{ name }}.")
    add_tip(harness.files, "Good")
    with harness.store.write() as tx:
        tx.calendar.pin("bad", (TUESDAY + timedelta(days=2)).date(), TUESDAY + timedelta(days=2))
    harness.fake_clock.now = TUESDAY + timedelta(days=2)
    harness.issues.publish_due()
    return next(issue.number for issue in harness.issues.list() if issue.slot is None)


def test_an_extra_issue_with_an_error_is_held_and_sent_once_its_tip_is_fixed(harness: AppHarness) -> None:
    number = extra_with_error(harness)
    held = harness.issue(number)
    harness.issues.publish_due()
    assert (held.state, held.tip_key) == (IssueState.PREPARING, "bad")
    assert "the tip bad has an error" in held.pause_reason
    assert harness.issue(number) == held, "no other tip is sent in its place"
    harness.tips.edit("bad", harness.tips.as_file("bad").replace("{{ name }}", "you"))
    harness.issues.send()
    assert harness.issue(number).state is IssueState.DONE


def test_an_extra_issue_that_is_not_fixed_in_time_is_given_up_and_the_owner_is_told(harness: AppHarness) -> None:
    extra_with_error(harness)
    harness.fake_clock.forward(hours=25)
    harness.issues.publish_due()
    (missed,) = (issue for issue in harness.issues.list() if issue.slot is None)
    assert missed.state is IssueState.MISSED
    assert "the tip bad has an error" in missed.pause_reason
    told = texts(harness)
    assert "was missed, because the tip bad has an error" in told


def test_a_substitute_with_an_error_is_replaced_by_another_one(tmp_path: Path) -> None:
    with open_app_harness(tmp_path, MemorySender(), rerun_to="unseen", rerun_after="4 weeks") as harness:
        add_subscribers(harness.files, 2)
        add_tip(harness.files, "Again")
        assert sent(harness).tip_key == "again"
        add_tip(harness.files, "Bad", body="Hello {{ name }}.")
        add_tip(harness.files, "Good")
        with harness.store.write() as tx:
            for key in ("bad", "good"):
                tx.tips.set_state(tx.tips.get(key).card.id, TipState.ARCHIVE)
        harness.tips.pin("again", SLOT + 8 * WEEK)
        harness.fake_clock.now = TUESDAY + 8 * WEEK
        done = harness.issues.publish_due()
        assert done
        assert "bad" not in done.tips
        assert problem_of(harness, "bad")
