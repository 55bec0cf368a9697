"""Re-runs for subscribers who have not received a tip: who gets which tip, votes, and what the owner sees."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from newsletter.domain.errors import InputError
from newsletter.domain.tips.tip import TipState, TipText, identity
from newsletter.ports.rendering import Rendered
from newsletter.rendering.emails import EmailTemplates
from newsletter.testing import MemorySender
from tests.support.library import SLOT, TUESDAY, add_subscriber, add_subscribers, add_tip
from tests.support.publishing import AppHarness, open_app_harness, parse_emails, text_of

WEEK = timedelta(days=7)
OLD = ["reader1@a.example", "reader2@a.example"]
NEW = "new@a.example"


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[AppHarness]:
    """Two subscribers who have received three tips. After a month each may run again for anyone who has not received it."""
    with open_app_harness(tmp_path, MemorySender(), rerun_after="3 weeks", rerun_to="unseen") as harness:
        add_subscribers(harness.files, 2)
        for number in range(3):
            add_tip(harness.files, f"Tip {number}")
            go(harness, number)
        yield harness


def go(harness: AppHarness, week: int) -> int:
    """Send the issue of that week; its number."""
    harness.fake_clock.now = TUESDAY + week * WEEK
    issue = harness.issues.publish_due()
    assert issue
    harness.round(issue.number)
    return issue.number


def got(harness: AppHarness, number: int) -> dict[str, str]:
    """The tip that each subscriber received, or the reason why none."""
    with harness.store.read() as tx:
        return {row.address: row.reason or row.tip for row in tx.issues.deliveries(number)}


def archive_tip(harness: AppHarness, title: str, ran_on: date) -> None:
    text = TipText(title, "Use it.", published_on=ran_on)
    with harness.store.write() as tx:
        key = title.lower().replace(" {{ year }}", "").replace(" ", "-")
        tx.tips.add(text, identity(title, ran_on), key, TipState.ARCHIVE, TUESDAY)


def test_new_subscribers_get_the_tip_and_those_who_received_all_tips_are_skipped_with_a_reason(
    harness: AppHarness,
) -> None:
    add_subscriber(harness.files, NEW)
    number = go(harness, 3)

    assert got(harness, number) == {NEW: "tip-0", OLD[0]: "had_it", OLD[1]: "had_it"}
    assert harness.counts(number) == {"sent": 1, "skipped": 2}
    assert harness.issue(number).skipped_for == {"had_it": 2}
    assert harness.broken() == []


def test_the_others_get_an_email_with_the_most_useful_tip_they_have_not_received(harness: AppHarness) -> None:
    archive_tip(harness, "Old and dull", SLOT - 90 * WEEK)
    archive_tip(harness, "Old and loved", SLOT - 80 * WEEK)
    with harness.store.write() as tx:
        tx.tips.vote(tx.tips.get("old-and-loved").card.id, 77, useful=True)
    with harness.store.write() as tx:
        tx.tips.set_state(tx.tips.get("old-and-dull").card.id, TipState.RETIRED)
    add_subscriber(harness.files, NEW)
    harness.tips.pin("tip-0", SLOT + 3 * WEEK)
    memory = harness.memory()
    number = go(harness, 3)
    emails = {email["To"]: email for email in parse_emails(memory.emails)}

    assert got(harness, number) == {NEW: "tip-0", OLD[0]: "old-and-loved", OLD[1]: "old-and-loved"}
    assert (emails[NEW]["Subject"], emails[OLD[0]]["Subject"]) == ("Tip 0", "Old and loved")
    assert "https://tips.example/tips/old-and-loved" in str(emails[OLD[0]]["Archived-At"])
    assert "/tips/old-and-loved" in text_of(emails[OLD[0]])
    assert len({email["Message-ID"] for email in emails.values()}) == 3
    assert harness.issue(number).tips == {"tip-0": 1, "old-and-loved": 2}
    assert harness.broken() == []


def test_a_vote_counts_for_the_tip_that_the_subscriber_received(harness: AppHarness) -> None:
    archive_tip(harness, "Old and loved", SLOT - 80 * WEEK)
    add_subscriber(harness.files, NEW)
    harness.tips.pin("tip-0", SLOT + 3 * WEEK)
    memory = harness.memory()
    go(harness, 3)
    for email in parse_emails(memory.emails):
        found = re.search(r"https://tips\.example/useful/(\S+)/yes", text_of(email))
        assert found
        harness.feedback.vote(found[1], useful=True)
    with harness.store.read() as tx:
        assert tx.tips.useful() == {"tip-0": 1, "old-and-loved": 2}


def test_anyone_who_was_subscribed_when_it_ran_before_this_system_has_received_it(harness: AppHarness) -> None:
    archive_tip(harness, "Last winter", TUESDAY.date() + 2 * WEEK)
    harness.tips.pin("last-winter", SLOT + 6 * WEEK)
    harness.fake_clock.now = TUESDAY + 5 * WEEK
    joined(harness, OLD[1], "2024-04-09")

    assert got(harness, go(harness, 6)) == {OLD[0]: "had_it", OLD[1]: "last-winter"}


def test_a_substitute_is_not_sent_again_when_its_tip_runs_for_everyone(harness: AppHarness) -> None:
    archive_tip(harness, "For all", SLOT - 80 * WEEK)
    harness.tips.rerun("for-all", "after 10 weeks", unseen=False)
    harness.tips.pin("tip-0", SLOT + 3 * WEEK)
    first = go(harness, 3)
    add_subscriber(harness.files, NEW)
    soon = go(harness, 4)
    with harness.store.read() as tx:
        again = {tip.key: tip.runs for tip in tx.calendar.plans()}["for-all"]

    assert set(got(harness, first).values()) == {"for-all"}
    assert harness.issue(soon).tip_key == "for-all"
    assert got(harness, soon) == {NEW: "for-all", OLD[0]: "had_it", OLD[1]: "had_it"}
    assert again == (SLOT - 80 * WEEK, SLOT + 4 * WEEK), "a substitute is not a run"


def test_the_shares_in_the_forecast_are_what_is_then_sent(harness: AppHarness) -> None:
    archive_tip(harness, "Old {{ year }} tip", SLOT - 80 * WEEK)
    add_subscriber(harness.files, NEW)
    harness.tips.pin("tip-0", SLOT + 3 * WEEK)
    harness.fake_clock.now = TUESDAY + 3 * WEEK - timedelta(hours=20)
    harness.owner.notify()
    said, why = harness.issues.next_shares(), harness.calendar.why(SLOT + 3 * WEEK)
    line = harness.calendar.forecast(1)[0]
    memory = harness.memory()
    harness.transactional.send()
    preview = next(email for email in parse_emails(memory.emails) if "preview" in text_of(email).casefold())
    number = go(harness, 3)
    harness.owner.notify()
    memory = harness.memory()
    harness.transactional.send()
    report = next(email for email in parse_emails(memory.emails) if f"No. {number}" in str(email["Subject"]))
    words = "It runs again for 1 subscriber. Of those who have received it, 2 get “Old 2024 tip”."
    mailed = "This tip runs again, for subscribers who have not received it yet (1). Subscribers who have received it get “Old 2024 tip” instead (2)."

    assert said
    assert (said.words(), why.shares, line.unseen) == (words, said, True)
    assert mailed in " ".join(text_of(preview).split())
    assert "will be sent to one subscriber on" in " ".join(text_of(preview).split())
    assert mailed in " ".join(text_of(report).split())
    assert harness.calendar.why(SLOT + 3 * WEEK).shares == said
    assert list(harness.issue(number).tips.values()) == [1, 2]


def test_an_issue_for_everyone_has_one_email_and_mentions_no_substitute(harness: AppHarness) -> None:
    add_tip(harness.files, "Fresh")
    assert harness.issues.next_shares() is None
    number = go(harness, 3)

    assert set(got(harness, number).values()) == {"fresh"}
    assert harness.issue(number).tips == {}
    with harness.store.read() as tx:
        assert tx.issues.substitutes(number) == {}


def test_an_issue_outside_the_calendar_is_sent_to_everyone(harness: AppHarness) -> None:
    issue = harness.issues.send(extra_tip="tip-0")

    assert issue
    assert set(got(harness, issue.number).values()) == {"tip-0"}


def joined(harness: AppHarness, address: str, day: str) -> None:
    """Add a subscriber who joined on that day."""
    with harness.files._database.writing() as access:
        access.db.execute(
            "UPDATE subscription SET confirmed_at = ?"
            " WHERE subscriber_id = (SELECT id FROM subscriber WHERE address = ?)",
            (f"{day} 12:00:00.000000", address),
        )


@dataclass
class Doorbell:
    """A renderer during whose first email a subscriber of long ago is added."""

    emails: EmailTemplates
    harness: AppHarness
    has_rung: bool = False

    def issue(self, *args: Any, **values: Any) -> Rendered:
        if not self.has_rung:
            self.has_rung = True
            add_subscriber(self.harness.files, NEW)
            joined(self.harness, NEW, "2000-01-01")
        return self.emails.issue(*args, **values)

    def transactional(self, kind: str, values: Mapping[str, object]) -> Rendered:
        return self.emails.transactional(kind, values)


def test_anyone_who_subscribes_while_emails_are_compiled_gets_one_too(harness: AppHarness) -> None:
    archive_tip(harness, "Old", SLOT - 80 * WEEK)
    archive_tip(harness, "Ancient", SLOT - 900 * WEEK)
    harness.tips.pin("old", SLOT + 3 * WEEK)
    for address in OLD:
        joined(harness, address, "2020-01-01")
    emails = harness.renderer
    assert isinstance(emails, EmailTemplates)
    harness.render_context = replace(harness.render_context, renderer=Doorbell(emails, harness))
    number = go(harness, 3)

    assert got(harness, number) == {OLD[0]: "ancient", OLD[1]: "ancient", NEW: "tip-0"}


def test_a_tips_own_rule_is_written_and_read_back(harness: AppHarness) -> None:
    assert harness.tips.rerun("tip-1") == ""
    assert harness.tips.rerun("tip-1", "after 2 years, at most 3 runs") == "after 2 years, at most 3 runs"
    assert harness.tips.rerun("tip-1", unseen=False) == "after 2 years, at most 3 runs, everybody"
    assert harness.tips.rerun("tip-1", "never") == "never"
    assert harness.tips.rerun("tip-1", unseen=True) == "unseen"
    assert 'rerun: "unseen"' in harness.tips.as_file("tip-1")
    with pytest.raises(InputError):
        harness.tips.rerun("tip-1", "now and then")
