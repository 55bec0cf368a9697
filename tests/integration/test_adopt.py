"""Adopting a restored database: what may have been sent after the backup is not sent again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from newsletter.domain.errors import InputError, Refused
from newsletter.domain.subscribers.subscription import Status
from newsletter.mail.tokens import Purpose
from newsletter.store.sqlite.backup import backup, replace, stage
from newsletter.testing import MemorySender
from tests.support.library import TUESDAY, add_subscriber, add_subscribers, add_tip
from tests.support.publishing import AppHarness, open_app_harness, recipients

WEEK = timedelta(days=7)
FIRST = TUESDAY.date()
JANUARY = "2024-01-09 10:00:00"


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[AppHarness]:
    """A newsletter with four tips that has sent its first issue."""
    with open_app_harness(tmp_path, MemorySender()) as harness:
        add_subscribers(harness.files, 2)
        for title in ("One", "Two", "Three", "Four"):
            add_tip(harness.files, title)
        harness.issues.send()
        yield harness


def restored(harness: AppHarness, directory: Path, *, after: timedelta) -> None:
    """Back up now, and restore the backup `after` that."""
    backup(harness.files.path, directory / "then.backup", harness.clock())
    harness.fake_clock.now += after
    harness.close()
    stage(directory / "then.backup", directory / "staged")
    replace(harness.files.path, directory / "staged", directory / "kept")


def sent(harness: AppHarness) -> list[tuple[str | None, date | None]]:
    return [(issue.tip_key, issue.slot) for issue in reversed(harness.issues.list()) if issue.counts.get("sent")]


def test_nothing_at_all_is_sent_before_it_is_adopted(harness: AppHarness, tmp_path: Path) -> None:
    restored(harness, tmp_path, after=WEEK)
    memory = harness.memory()
    harness.owner.alert("Something", ["happened"], "Look")
    harness.owner.notify()
    with pytest.raises(Refused, match="it is a backup of Mar 05, 2024, 13:00 UTC"):
        harness.issues.send()
    assert harness.transactional.send() == 0
    assert memory.tried == []


def test_slots_since_the_backup_are_not_sent_and_their_tips_count_as_sent(harness: AppHarness, tmp_path: Path) -> None:
    restored(harness, tmp_path, after=2 * WEEK + timedelta(hours=1))
    unknown = harness.adoption.unknown()
    done = harness.adoption.adopt()
    assert unknown.since == TUESDAY
    assert unknown.slots == done.slots == (FIRST + WEEK, FIRST + 2 * WEEK)
    assert harness.issues.send() is None
    harness.fake_clock.now += WEEK
    harness.issues.send()
    assert sent(harness) == [("one", FIRST), ("four", FIRST + 3 * WEEK)]


def test_a_slot_that_was_not_sent_is_sent_if_the_owner_says_so(harness: AppHarness, tmp_path: Path) -> None:
    restored(harness, tmp_path, after=2 * WEEK + timedelta(hours=1))
    done = harness.adoption.adopt(FIRST + WEEK)
    harness.issues.send()
    assert done.slots == (FIRST + WEEK,)
    assert sent(harness) == [("one", FIRST), ("three", FIRST + 2 * WEEK)]


def test_an_issue_that_was_being_sent_waits_for_the_owner(harness: AppHarness, tmp_path: Path) -> None:
    harness.fake_clock.now += WEEK
    harness.issues.publish_due()
    restored(harness, tmp_path, after=timedelta(hours=1))
    unknown, done = harness.adoption.unknown(), harness.adoption.adopt()
    memory = harness.memory()
    harness.issues.send()
    assert (unknown.sending, done.paused, memory.tried) == ((2,), (2,), [])
    harness.issues.resume(2)
    assert recipients(memory.emails) == ["reader1@a.example", "reader2@a.example"]


def test_emails_that_were_queued_before_the_backup_are_dropped_and_later_ones_sent(
    harness: AppHarness, tmp_path: Path
) -> None:
    harness.subscribers.add("early@a.example")
    restored(harness, tmp_path, after=timedelta(hours=1))
    harness.subscribers.add("late@a.example")
    unknown, done = harness.adoption.unknown(), harness.adoption.adopt()
    memory = harness.memory()
    harness.transactional.send()
    assert unknown.waiting == done.dropped == 1
    assert recipients(memory.emails) == ["late@a.example"]
    harness.fake_clock.now += timedelta(days=4)
    assert harness.maintenance.run()["reminded"] == 0, "they may have confirmed, or have been reminded"


@pytest.mark.parametrize("is_restored", [False, True])
def test_a_quarterly_email_that_fell_into_the_gap_is_not_sent_again(
    harness: AppHarness, tmp_path: Path, *, is_restored: bool
) -> None:
    number = add_subscriber(harness.files, "left@a.example", Status.UNSUBSCRIBED)
    with harness.store.write() as tx:
        tx.subscribers.change(number, quarterly_at=TUESDAY - timedelta(days=20))
    if is_restored:
        restored(harness, tmp_path, after=4 * WEEK + timedelta(hours=1))  # April 2
        harness.adoption.adopt()
    else:
        harness.fake_clock.now += 4 * WEEK + timedelta(hours=1)
    memory = harness.memory()
    harness.issues.send()
    assert ("left@a.example" in recipients(memory.emails)) is not is_restored


def test_a_moved_newsletter_sends_the_slot_that_is_due(harness: AppHarness) -> None:
    """A copy is not older: nothing is skipped."""
    harness.files.path.with_name("newsletter.db.identity").unlink()
    harness.fake_clock.now += WEEK
    assert harness.adoption.unknown().since is None
    harness.adoption.adopt()
    harness.issues.send()
    assert sent(harness) == [("one", FIRST), ("two", FIRST + WEEK)]


@pytest.mark.parametrize(
    ("text", "counts", "active"),
    [
        ("reader1@a.example\nstranger@a.example\n", (1, 1, 0, 0), ["reader2@a.example"]),
        ("email,status\nreader1@a.example,unsubscribed\nreader2@a.example,active\n", (1, 0, 0, 1), ["reader2@a.example"]),
        ("Email;Name\nReader1@A.example;Ada\nreader2@a.example;Ben\n", (2, 0, 0, 0), []),
        ("reader1@a.example\nreader1@a.example\n", (1, 0, 0, 0), ["reader2@a.example"]),
        ("Email,UNSUB_TIME\nreader1@a.example,2001-01-01 10:00:00\n", (1, 0, 0, 0), ["reader2@a.example"]),
    ],
)  # fmt: skip
def test_a_list_of_people_who_unsubscribed_is_read_as_people_have_it(
    harness: AppHarness, tmp_path: Path, text: str, counts: tuple[int, ...], active: list[str]
) -> None:
    (tmp_path / "gone.csv").write_text(text)
    found = harness.adoption.unsubscribe(tmp_path / "gone.csv")
    again = harness.adoption.unsubscribe(tmp_path / "gone.csv")
    with harness.subscribers.listing("confirmed") as listing:
        left = [one.address for one in listing.rows]
    assert (found.unsubscribed, found.unknown, found.already, found.active) == counts
    assert (again.unsubscribed, again.unknown) == (0, 0)
    assert left == active


LOG = '198.51.100.7 - - [05/Mar/2024:13:00:00 +0000] "{} HTTP/1.1" 200 512 "-" "Mozilla/5.0 (+bot@a.example)"\n'


@pytest.mark.parametrize(
    ("form", "is_active"),
    [
        (LOG.format("GET /") + LOG.format("POST /u/{}") + LOG.format("POST /u/not.ours"), False),
        (LOG.format("GET /u/{}"), True),
        ('{{"request": {{"method": "POST", "uri": "/u/{}"}}}}\n', False),
        ("https://tips.example/u/{}\n", False),
    ],
)
def test_the_log_of_the_web_server_says_who_unsubscribed(
    harness: AppHarness, tmp_path: Path, form: str, *, is_active: bool
) -> None:
    with harness.store.read() as tx:
        one = next(iter(tx.subscribers.each("confirmed")))
    (tmp_path / "access.log").write_text(form.format(harness.signer.sign(Purpose.UNSUBSCRIBE, one.key, "1")))
    found = harness.adoption.unsubscribe(tmp_path / "access.log")
    with harness.store.read() as tx:
        after = tx.subscribers.by_key(one.key)
    assert after
    assert (after.status is Status.CONFIRMED, found.unsubscribed, found.rejected) == (is_active, 1 - is_active, ())


def test_a_list_that_names_nobody_is_refused(harness: AppHarness, tmp_path: Path) -> None:
    (tmp_path / "gone.csv").write_text("email,name\n")
    with pytest.raises(InputError, match="there is no address in this file"):
        harness.adoption.unsubscribe(tmp_path / "gone.csv")


@pytest.mark.parametrize(
    ("text", "is_kept"), [("left@a.example\n", False), (f"email,unsubscribed_at\nleft@a.example,{JANUARY}\n", True)]
)
def test_the_list_ends_a_quarterly_email_unless_it_was_agreed_to_later(
    harness: AppHarness, tmp_path: Path, text: str, *, is_kept: bool
) -> None:
    number = add_subscriber(harness.files, "left@a.example", Status.UNSUBSCRIBED)
    with harness.store.write() as tx:
        tx.subscribers.change(number, quarterly_at=TUESDAY)
    (tmp_path / "gone.csv").write_text(text)
    found = harness.adoption.unsubscribe(tmp_path / "gone.csv")
    with harness.store.read() as tx:
        kept = tx.subscribers.quarterly(TUESDAY)
    assert (kept == 1, found.unsubscribed, found.already) == (is_kept, 1 - is_kept, int(is_kept))


def test_a_backup_of_a_held_database_knows_no_more_than_the_first_one(harness: AppHarness, tmp_path: Path) -> None:
    restored(harness, tmp_path, after=2 * WEEK)
    backup(harness.files.path, tmp_path / "again.backup", harness.clock())
    assert stage(tmp_path / "again.backup", tmp_path / "again").made_at == TUESDAY
