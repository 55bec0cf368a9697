"""One daemon and several lists: what is due in each, in whose order, and what one broken list does to the others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from apscheduler.schedulers.background import BackgroundScheduler

from newsletter.daemon import Daemon
from newsletter.daemon.timers import SlotTimers
from newsletter.domain.lists import MailingList, issue_id
from newsletter.domain.subscribers.subscription import Status
from tests.support.library import TUESDAY, add_tip
from tests.support.played_lists import Arrival, Mailboxes, live, several_lists
from tests.support.publishing import AppHarness, parse_emails

Two = tuple[AppHarness, Mailboxes]


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Two]:
    """Tips and advice, both on Tuesdays at 8:00, with one subscriber."""
    with several_lists(tmp_path, {"advice": "tue 08:00"}, ["ada"]) as found:
        yield found


def edit(harness: AppHarness, key: str, **own: str) -> None:
    with harness.store.write() as tx:
        found = tx.lists.get(key)
        tx.lists.write(replace(found, own={**found.own, **own}))


def retire(harness: AppHarness, key: str) -> None:
    with harness.store.write() as tx:
        tx.lists.write(replace(tx.lists.get(key), retired_at=harness.clock()))


def alerts(harness: AppHarness) -> list[str]:
    with harness.store.read() as tx:
        return [
            str(email.values["headline"])
            for email in tx.transactional.due(harness.clock(), 50)
            if email.kind == "alert"
        ]


def test_two_lists_on_the_same_day_are_two_emails_with_numbers_of_their_own(
    two: Two, caplog: pytest.LogCaptureFixture
) -> None:
    harness, mailboxes = two
    caplog.set_level("INFO")
    live(harness, 0)

    assert mailboxes.arrived == [Arrival("Tue 08:00", "ada", "tips"), Arrival("Tue 08:00", "ada", "advice")]
    assert all("No. 1 " in sent.message.decode() for sent in mailboxes.emails)
    assert "issue 1: 1 sent, 0 not sent" in caplog.messages
    assert "issue 1 of advice: 1 sent, 0 not sent" in caplog.messages


def test_the_issue_that_was_due_first_is_sent_first(tmp_path: Path) -> None:
    with several_lists(tmp_path, {"early": "tue 07:00", "late": "tue 09:00"}, ["ada"]) as (harness, mailboxes):
        live(harness, 5)  # the daemon was not running before

    assert [one.list for one in mailboxes.arrived] == ["early", "tips", "late"]


def test_a_list_is_added_changed_and_retired_while_the_daemon_runs(two: Two) -> None:
    harness, mailboxes = two
    with harness.store.sending("test", harness.clock()) as lock:
        daemon = Daemon(harness, lock)
        daemon.send_issues()
        with harness.store.write() as tx:
            news = tx.lists.add(
                MailingList(0, "news", 0, own={"title": "News", "schedule": "tue 07:00"}), harness.clock()
            )
        add_tip(harness.files.of_list(news.id), "Something new")
        with harness.store.of_list(news.id).write() as tx:
            tx.subscribers.set_status(1, Status.CONFIRMED, harness.clock())
        daemon.send_issues()
        before = len(mailboxes.arrived)
        edit(harness, "news", schedule="wed 08:00")
        retire(harness, "advice")
        for days in (1, 7):
            harness.fake_clock.now = TUESDAY + timedelta(days=days, minutes=1)
            daemon.send_issues()

    assert before == 2, "it was added after its hour"
    assert mailboxes.arrived[2:] == [Arrival("Wed 08:01", "ada", "news"), Arrival("Tue 09:01", "ada", "tips")]


def test_a_list_whose_settings_are_broken_does_not_keep_the_others_from_being_sent(two: Two, tmp_path: Path) -> None:
    harness, mailboxes = two
    edit(harness, "advice", logo=str(tmp_path / "gone.png"))
    live(harness, 0)
    blocked = [found.message for found in harness.trouble.blocked()]

    assert [one.list for one in mailboxes.arrived] == ["tips"]
    assert alerts(harness) == ["The list advice cannot be used"]
    assert [message.partition(":")[0] for message in blocked] == ["the list advice cannot be used"]


def test_what_is_wrong_with_one_list_lets_only_that_list_wait(two: Two) -> None:
    harness, mailboxes = two
    with harness.store.of_list(2).write() as tx:  # nobody can compile an issue without its secret
        issue = tx.issues.plan(TUESDAY.date(), TUESDAY, TUESDAY)
        tx.access.db.execute("UPDATE issue SET secret = x'00', state = 'broken' WHERE id = ?", (issue.number,))  # type: ignore[attr-defined]
    live(harness, 0)

    assert [one.list for one in mailboxes.arrived] == ["tips"]


def test_a_slot_of_each_list_has_a_timer_of_its_own(two: Two) -> None:
    harness, _ = two
    scheduler = BackgroundScheduler(timezone="UTC")
    scheduler.start(paused=True)
    timers = SlotTimers(scheduler, lambda: None)
    timers(harness.each_list())
    edit(harness, "advice", schedule="mon,thu 17:30", timezone="Europe/Berlin")
    timers(harness.each_list())
    changed = {job.id: str(job.trigger) for job in scheduler.get_jobs()}
    retire(harness, "advice")
    timers(harness.each_list())

    left = [job.id for job in scheduler.get_jobs()]
    scheduler.shutdown()

    assert set(changed) == {"slot tips", "slot advice"}
    assert "day_of_week='mon,thu', hour='17', minute='30'" in changed["slot advice"]
    assert left == ["slot tips"]


def test_the_links_of_a_preview_act_on_their_list(two: Two) -> None:
    harness, _ = two
    harness.fake_clock.now = TUESDAY - timedelta(hours=12)
    memory = harness.memory()
    for app in harness.each_list():
        app.owner.notify()
    harness.transactional.send()
    (preview,) = [
        sent.message.decode()
        for sent in memory.emails
        if b"One of advice" in sent.message and b"/owner/" in sent.message
    ]
    assert any(str(email["Subject"]).startswith("[Advice] Preview") for email in parse_emails(memory.emails))
    link = preview.replace("=\r\n", "").partition("/owner/skip")[2].split()[0]
    harness.preview_links.act(f"skip{link}")
    skipped = {}
    for app in harness.each_list():
        with app.store.read() as tx:
            skipped[app.list_key] = list(tx.calendar.overrides())

    assert skipped == {"tips": [], "advice": [TUESDAY.date()]}


def test_numbers_and_commands_in_the_emails_to_the_owner_are_those_of_the_list(two: Two) -> None:
    harness, _ = two
    live(harness, 0)
    advice = harness.of_list("advice")
    with advice.store.write() as tx:
        tx.access.db.execute("UPDATE issue SET state = 'paused', reason = 'enough' WHERE id = ?", (issue_id(2, 1),))  # type: ignore[attr-defined]
    advice.owner.notify()
    memory = harness.memory()
    harness.transactional.send()
    (alert,) = [sent.message.decode() for sent in memory.emails if b"is paused" in sent.message]

    assert "[Advice] Issue 1 is paused" in alert
    assert "newsletter issues resume 1 --list advice" in " ".join(alert.replace("=\r\n", "").split())


def test_a_restored_database_sends_nothing_of_any_list_that_the_original_may_have_sent(two: Two) -> None:
    harness, mailboxes = two
    with harness.store.of_list(2).write() as tx:  # the issue of advice had begun when the backup was made
        tx.issues.plan(TUESDAY.date(), TUESDAY, TUESDAY)
    harness.fake_clock.now = TUESDAY + timedelta(hours=1)
    done = harness.adoption.adopt(TUESDAY.date())
    live(harness, 2)
    skipped = []
    for app in harness.each_list():
        with app.store.read() as tx:
            skipped.append(list(tx.calendar.overrides()))

    assert done.slots == (TUESDAY.date(),)
    assert skipped == [[TUESDAY.date()]] * 2
    assert mailboxes.arrived == []
