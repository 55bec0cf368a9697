"""An issue whose tip has errors is held, its owner is told in time, and it is sent once the tip is fixed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from newsletter.domain.delivery.issue import IssueState
from newsletter.domain.errors import Refused
from newsletter.testing import MemorySender
from tests.support.library import TUESDAY, add_subscribers, add_tip
from tests.support.publishing import AppHarness, open_app_harness, owner_emails, text_of

BAD = "Hello {{ name }}, write the number down."


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[AppHarness]:
    """Two subscribers, a tip with a placeholder that was never filled in, and a clock one hour after the slot."""
    with open_app_harness(tmp_path, MemorySender()) as harness:
        add_subscribers(harness.files, 2)
        add_tip(harness.files, "Bad", body=BAD)
        harness.fake_clock.forward(hours=1)
        yield harness


def fix(harness: AppHarness) -> None:
    harness.tips.edit("bad", harness.tips.as_file("bad").replace("{{ name }}", "you"))


def test_an_issue_with_an_error_is_held_until_the_tip_is_fixed(harness: AppHarness) -> None:
    held = harness.issues.send()
    assert held
    assert (held.state, held.audience) == (IssueState.PLANNED, 0)
    assert "the tip bad has an error" in held.pause_reason
    assert "{{ name }}" in harness.issues.next().waits
    assert harness.issues.publish_due() == held, "looking again changes nothing"

    fix(harness)
    done = harness.issues.send()
    assert done
    assert (done.number, done.state, done.counts["sent"]) == (held.number, IssueState.DONE, 2)


def test_another_tip_can_be_sent_instead(harness: AppHarness) -> None:
    harness.issues.publish_due()
    add_tip(harness.files, "Good")
    harness.tips.retire("bad")
    done = harness.issues.send()
    assert done
    assert (done.state, done.tip_key) == (IssueState.DONE, "good")


def test_anyway_sends_it_as_it_is(harness: AppHarness) -> None:
    harness.issues.publish_due()
    done = harness.issues.send(anyway=True)
    assert done
    assert (done.state, done.counts["sent"]) == (IssueState.DONE, 2)


def test_an_issue_that_is_not_fixed_in_time_is_missed_for_that_reason(harness: AppHarness) -> None:
    held = harness.issues.publish_due()
    assert held
    harness.fake_clock.forward(days=2)
    assert harness.issues.publish_due() is None
    (missed,) = harness.issues.list()
    assert (missed.state, missed.pause_reason) == (IssueState.MISSED, held.pause_reason)


def test_early_and_extra_issues_with_errors_are_refused_before_anything_is_written(harness: AppHarness) -> None:
    harness.fake_clock.now = TUESDAY - timedelta(days=3)
    for options in ({"early": True}, {"extra_tip": "bad"}):
        with pytest.raises(Refused, match="has an error") as caught:
            harness.issues.send(**options)
        assert "newsletter tips edit bad" in caught.value.fix
    assert harness.issues.list() == []
    assert harness.issues.rehearse("bad").errors[0].startswith("body, line 1")
    done = harness.issues.send(extra_tip="bad", anyway=True)
    assert done
    assert done.state is IssueState.DONE


def test_the_owner_hears_of_an_error_the_day_before_and_when_the_issue_is_held(harness: AppHarness) -> None:
    harness.fake_clock.now = TUESDAY - timedelta(hours=20)
    (preview, *_) = [mail for mail in owner_emails(harness) if "Preview" in text_of(mail) or "PREVIEW" in text_of(mail)]
    text = " ".join(text_of(preview).split())
    assert "will not be sent like this" in text
    assert "Fill it in or delete it" in text
    assert "newsletter tips edit bad" in text

    harness.fake_clock.now = TUESDAY + timedelta(minutes=1)
    harness.issues.publish_due()
    (alarm,) = owner_emails(harness)
    text = " ".join(text_of(alarm).split())
    assert "is held, because the tip bad has an error" in text
    assert "newsletter tips edit" in text
    assert owner_emails(harness) == []
