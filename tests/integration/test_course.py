"""A course end to end: who gets which tip, what happens to emails that did not arrive, and what comes after the last one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from newsletter.actions.doctor_lists import tip_checks
from newsletter.actions.owner.results import nobody_left
from newsletter.app import App
from newsletter.domain.delivery.issue import IssueState
from newsletter.domain.delivery.outcome import Cause, Rejected, Reply, Stage
from newsletter.domain.lists import MailingList, Order
from newsletter.domain.subscribers.address import parse_address
from newsletter.domain.subscribers.subscriber import Consent, NewSubscriber
from newsletter.domain.subscribers.subscription import Status
from newsletter.domain.tips.tip import TipState, TipText, identity
from newsletter.testing import MemorySender, MemorySession, SentEmail
from tests.support.library import SLOT, TUESDAY
from tests.support.publishing import AppHarness, open_app_harness, parse_emails, text_of

WEEK = timedelta(days=7)
FULL = Rejected(Reply(Stage.RCPT, 552, "5.2.2", "mailbox full"), Cause.MAILBOX_FULL)


class MailServer(MemorySender):
    """A memory sender that every list uses, with another one behind it each week."""

    week = MemorySender()

    def open(self) -> MemorySession:
        return self.week.open()


@dataclass
class Played:
    """A newsletter with the list `start`, a course of three tips that leads to the list of the settings."""

    harness: AppHarness
    server: MailServer

    @property
    def course(self) -> App:
        return self.harness.of_list("start")

    def join(self, *names: str, list_key: str = "start") -> None:
        app = self.harness.of_list(list_key)
        for name in names:
            with app.store.write() as tx:
                address = parse_address(f"{name}@a.example")
                key = f"k{name:0>15}"
                known = tx.subscribers.by_address(address.key)
                if known:
                    tx.subscribers.set_status(known.id, Status.CONFIRMED, self.harness.clock())
                else:
                    new = NewSubscriber(address, "", key, Status.CONFIRMED, "test", signup_at=self.harness.clock())
                    number = tx.subscribers.add(new, self.harness.clock()).id
                    tx.subscribers.log_consent(number, Consent(self.harness.clock(), "import", "test"))

    def leave(self, name: str, list_key: str = "start", status: Status = Status.UNSUBSCRIBED) -> None:
        with self.harness.of_list(list_key).store.write() as tx:
            found = tx.subscribers.by_address(f"{name}@a.example")
            assert found
            until = self.harness.clock() + timedelta(days=10) if status is Status.PAUSED else None
            tx.subscribers.set_status(found.id, status, self.harness.clock(), paused_until=until)

    def status(self, name: str, list_key: str) -> str:
        with self.harness.of_list(list_key).store.read() as tx:
            found = tx.subscribers.by_address(f"{name}@a.example")
            return found.status.value if found else "unknown"

    def add_tips(self, *titles: str, list_key: str = "start") -> None:
        with self.harness.of_list(list_key).store.write() as tx:
            for title in titles:
                tx.tips.add(
                    TipText(title, f"Do {title} *now*."), identity(title, None), title.lower(), TipState.FRESH, TUESDAY
                )

    def week(self, number: int, script: dict[str, list[Rejected]] | None = None) -> dict[str, list[str]]:
        """Play the Tuesday of that week as the daemon does, list by list; what everybody got."""
        self.harness.fake_clock.now = TUESDAY + number * WEEK
        self.server.week = MemorySender({f"{name}@a.example": answers for name, answers in (script or {}).items()})
        for app in self.harness.each_list():
            app.issues.publish_due()
            for issue in app.issues.unfinished():
                with app.store.sending("test", app.clock()) as lock:
                    app.delivery.deliver(lock, issue)
        self.harness.fake_clock.forward(days=1, hours=2)
        self.harness.maintenance.run()
        got: dict[str, list[str]] = {}
        for sent in self.server.week.emails:
            got.setdefault(sent.envelope.recipient.partition("@")[0], []).append(subject(sent))
        return got


def subject(sent: SentEmail) -> str:
    return str(parse_emails([sent])[0]["Subject"])


@pytest.fixture
def played(tmp_path: Path) -> Iterator[Played]:
    server = MailServer()
    with open_app_harness(tmp_path, server) as harness:
        harness.lists.add(MailingList(0, "start", 0, own={"title": "First Steps"}, order=Order.COURSE, then="tips"))
        found = Played(harness, server)
        found.add_tips("One", "Two", "Three")
        found.add_tips("Main0", "Main1", "Main2", "Main3", "Main4", "Main5", "Main6", "Main7", list_key="tips")
        yield found


def test_everybody_begins_with_the_first_tip_and_goes_on_to_the_other_list(played: Played) -> None:
    played.join("ada")
    played.join("main", list_key="tips")
    assert played.week(0) == {"ada": ["One"], "main": ["Main0"]}
    played.join("bob")
    assert played.week(1) == {"ada": ["Two"], "bob": ["One"], "main": ["Main1"]}
    assert played.week(2) == {"ada": ["Three"], "bob": ["Two"], "main": ["Main2"]}
    assert played.week(3) == {"ada": ["Main3"], "bob": ["Three"], "main": ["Main3"]}
    assert played.week(4) == {"ada": ["Main4"], "bob": ["Main4"], "main": ["Main4"]}
    assert played.week(5) == {"ada": ["Main5"], "bob": ["Main5"], "main": ["Main5"]}
    assert (played.status("ada", "start"), played.status("ada", "tips")) == ("none", "confirmed")
    assert played.harness.broken() == []


def test_an_email_that_did_not_arrive_comes_again_and_nothing_is_skipped(played: Played) -> None:
    played.join("ada", "bob")
    assert played.week(0, {"bob": [FULL]}) == {"ada": ["One"]}
    assert played.week(1) == {"ada": ["Two"], "bob": ["One"]}
    assert played.week(2) == {"ada": ["Three"], "bob": ["Two"]}


def test_a_canceled_issue_moves_nobody(played: Played) -> None:
    played.join("ada")
    played.week(0)
    played.harness.fake_clock.now = TUESDAY + WEEK
    issue = played.course.issues.publish_due()
    assert issue
    played.course.issues.cancel(issue.number)

    assert played.week(2) == {"ada": ["Two"]}


def test_who_pauses_or_comes_back_goes_on_where_they_were(played: Played) -> None:
    played.join("ada", "bob")
    played.week(0)
    played.leave("ada", status=Status.PAUSED)
    played.leave("bob")
    assert played.week(1) == {}  # Ada's pause ends before the next slot, and nothing else tells the daemon
    played.join("bob")
    assert played.week(2) == {"ada": ["Two"], "bob": ["Two"]}


def test_a_pinned_tip_goes_to_everybody_who_has_not_had_it_and_the_course_goes_on(played: Played) -> None:
    played.join("ada")
    played.week(0)
    played.week(1)
    played.join("bob")
    played.course.tips.pin("two", SLOT + 2 * WEEK)
    assert played.week(2) == {"ada": ["Three"], "bob": ["Two"]}
    assert played.week(3)["bob"] == ["One"]
    assert played.week(4)["bob"] == ["Three"]


def test_nobody_stays_in_a_course_only_to_wait_for_a_pinned_tip(played: Played) -> None:
    played.join("ada")
    played.week(0)
    played.course.tips.pin("three", SLOT + 5 * WEEK)
    assert played.week(1) == {"ada": ["Two"]}
    assert "This was the last tip of this series." in text_of(parse_emails(played.server.week.emails)[0])
    assert played.week(2) == {"ada": ["Main0"]}
    played.join("bob")
    assert played.week(3) == {"ada": ["Main1"], "bob": ["One"]}
    assert played.week(4) == {"ada": ["Main2"], "bob": ["Two"]}
    assert played.week(5) == {"ada": ["Main3"], "bob": ["Main3"]}


def test_the_owner_inserts_moves_and_retires_tips_while_subscribers_are_under_way(played: Played) -> None:
    played.add_tips("Four", "Five")
    played.join("ada")
    played.week(0)
    assert played.week(1) == {"ada": ["Two"]}
    played.course.tips.move("two")  # to the end: who is there goes on with what followed it
    played.course.tips.move("five", first=True)  # in front of everybody who has begun
    played.course.tips.retire("three")
    assert played.week(2) == {"ada": ["Four"]}
    played.join("bob")
    assert played.week(3) == {"ada": ["Main0"], "bob": ["Five"]}


def test_without_anybody_in_the_course_there_is_no_issue_and_who_comes_later_that_day_waits(played: Played) -> None:
    assert played.week(0) == {}
    played.harness.fake_clock.forward(hours=2)
    played.join("ada")
    assert played.course.issues.publish_due() is None
    assert played.course.issues.list() == []
    assert played.course.calendar.last_slot().ok
    assert played.week(1) == {"ada": ["One"]}


def test_a_course_that_everybody_has_finished_is_no_trouble(played: Played) -> None:
    played.join("ada")
    got = [played.week(number) for number in range(4)]
    app, later = played.course, TUESDAY + 3 * WEEK + timedelta(hours=1)
    with app.store.write() as tx:
        checks = list(tip_checks(tx, app.rules, later))
        alerts = nobody_left(tx, app.rules, ["owner@a.example"], later)

    assert got[3] == {"ada": ["Main0"]}
    assert [(one.id, one.level) for one in checks] == [("next_tip", "ok"), ("runway", "ok")]
    assert alerts == 0


def test_nobody_comes_back_to_a_list_that_they_have_unsubscribed_from(played: Played) -> None:
    played.join("ada")
    played.join("ada", list_key="tips")
    played.leave("ada", "tips")
    got = [played.week(number) for number in range(5)]

    assert got == [{"ada": ["One"]}, {"ada": ["Two"]}, {"ada": ["Three"]}, {}, {}]
    assert (played.status("ada", "start"), played.status("ada", "tips")) == ("none", "unsubscribed")


def test_the_move_to_another_list_is_in_the_log_of_consent(played: Played) -> None:
    played.join("ada")
    for number in range(4):
        played.week(number)
    entry = played.harness.subscribers.record("ada@a.example").consents[-1]

    assert (entry.what, entry.proof, entry.list_id) == ("move-list", "after the course start", 1)


def test_the_last_email_says_what_follows(played: Played) -> None:
    played.join("ada")
    last_line = "This was the last tip of this series."
    for number, says in enumerate((False, False, True)):
        played.week(number)
        (sent,) = played.server.week.emails
        assert (last_line in text_of(parse_emails([sent])[0])) is says
    assert "Next, you get “Tip of the Week”." in text_of(parse_emails([sent])[0])
    assert played.week(3) == {"ada": ["Main0"]}
    played.harness.lists.edit("start", then="")
    played.join("bob")
    for number in range(4, 7):
        played.week(number)
    assert "so this is its last email" in text_of(parse_emails(played.server.week.emails[-1:])[0])
    assert played.week(7) == {"ada": ["Main4"]}  # and nothing for Bob
    assert played.course.issues.list()[0].state is IssueState.DONE


def test_the_record_of_a_subscriber_says_where_they_are(played: Played) -> None:
    played.join("ada")
    played.week(0)
    found = played.harness.subscribers.record("ada@a.example").subscriptions["start"]

    assert (found.last_tip, found.status) == ("one", Status.CONFIRMED)


def test_the_tips_of_a_course_are_listed_in_its_order_whichever_were_sent(played: Played) -> None:
    played.join("ada")
    played.week(0)

    assert [card.key for card in played.course.tips.cards()] == ["one", "two", "three"]


def test_a_pause_that_ends_just_before_the_slot_of_an_empty_course_is_over(played: Played) -> None:
    played.join("ada")
    played.week(0)
    with played.course.store.write() as tx:
        ada = tx.subscribers.by_address("ada@a.example")
        assert ada
        until = TUESDAY + WEEK - timedelta(minutes=1)
        tx.subscribers.set_status(ada.id, Status.PAUSED, played.harness.clock(), paused_until=until)

    assert played.week(1) == {"ada": ["Two"]}


def test_a_retry_sends_nothing_that_a_later_issue_has_brought(played: Played) -> None:
    played.join("ada", "bob")
    played.week(0, {"ada": [FULL], "bob": [FULL]})
    first = played.course.issues.list()[0].number
    played.leave("bob")
    played.week(1)
    with played.course.store.write() as tx:
        requeued = tx.issues.retry_rejected(first, played.harness.clock())

    assert requeued == 1
    assert played.course.issues.get(first).skipped_for == {"had_it": 1}
