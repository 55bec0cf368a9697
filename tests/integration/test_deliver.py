"""One frozen issue on its way to its readers, on a real store: who gets it, what each outcome does, who may stop it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from itertools import repeat
from pathlib import Path

import pytest

from newsletter.domain.delivery.delivery import GIVE_UP_AFTER
from newsletter.domain.delivery.issue import IssueState
from newsletter.domain.delivery.outcome import InDoubt, Outcome, Reply, Stage
from newsletter.domain.errors import TemplateError
from newsletter.domain.subscribers.address import Address
from newsletter.domain.subscribers.subscriber import NewReader
from newsletter.domain.subscribers.subscription import Status
from newsletter.mail.compiled import Compiled
from newsletter.testing import Letter, MemorySender, MemorySession, answer
from tests.support.library import TUESDAY, add_reader
from tests.support.publishing import (
    HookedSender,
    Newsroom,
    mails,
    open_newsroom,
    own_body,
    readers,
    recipients,
    text_of,
)

ODD = "reader2@a.example"
LATER = "451 4.7.1 greylisted"
BLOCKED = "550 5.7.1 blocked by our list"
NO_REPLY = InDoubt(Reply(Stage.DOT, 0, "", "no reply to the dot"))


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Newsroom]:
    with open_newsroom(tmp_path, MemorySender()) as room:
        yield room


# -- everybody, once -------------------------------------------------------------------------------


def test_everybody_gets_one_letter_of_their_own_over_several_connections(room: Newsroom) -> None:
    sender = room.memory(connections=4)
    number = room.start(40)
    done = room.round()
    letters = mails(sender.letters)

    assert recipients(sender.letters) == readers(40)
    assert all(mail["To"] == letter.envelope.recipient for mail, letter in zip(letters, sender.letters, strict=True))
    assert len({mail["Message-ID"] for mail in letters}) == 40
    assert len({mail["List-Unsubscribe"] for mail in letters}) == 40
    assert len({letter.envelope.sender for letter in sender.letters}) == 40
    assert (done.sent, done.final, done.trouble, done.paused) == (40, 40, "", "")
    assert (room.issue(number).state, room.counts()) == (IssueState.DONE, {"sent": 40})
    assert room.broken() == []
    assert sender.open_sessions == 0


def test_a_second_round_sends_nothing_again(room: Newsroom) -> None:
    sender = room.memory()
    room.start(3)
    room.round()
    done = room.round()

    assert (done.sent, len(sender.letters)) == (0, 3)


def test_no_more_connections_are_opened_than_letters_wait(room: Newsroom) -> None:
    class Counting(MemorySender):
        opened = 0

        def open(self) -> MemorySession:
            self.opened += 1
            return super().open()

    sender = Counting(connections=10)
    room.way = sender
    room.start(2)
    room.round()

    assert sender.opened <= 2


def test_progress_ends_at_the_audience_and_never_goes_beyond(room: Newsroom) -> None:
    room.memory({ODD: repeat(answer("rcpt", LATER), 1)})
    room.start(5)
    seen: list[tuple[int, int]] = []
    with room.store.sending("test", room.clock()) as right:
        room.deliver(right, 1, progress=lambda done, audience: seen.append((done, audience)))
        room.hand.forward(minutes=1)
        room.deliver(right, 1, progress=lambda done, audience: seen.append((done, audience)))

    assert seen[-1] == (5, 5)
    assert (4, 5) in seen


def test_a_template_that_asks_for_the_name_takes_the_slow_way_and_everybody_gets_their_own(tmp_path: Path) -> None:
    own = own_body(tmp_path, "{% if name %}Dear {{ name }},{% else %}Dear reader,{% endif %}")
    sender = MemorySender(connections=2)
    with open_newsroom(tmp_path, sender, templates=str(own)) as room:
        add_reader(room.files, "bea@b.example", name="Bea")
        add_reader(room.files, "carl@b.example", name="Carl")
        number = room.start(1)
        room.round()
        with room.store.read() as tx:
            compiled = Compiled.loads(tx.issues.compiled(number))
        greeting = {mail["To"]: text_of(mail).splitlines()[0] for mail in mails(sender.letters)}

    assert not compiled.uniform
    assert greeting == {
        "bea@b.example": "Dear Bea,",
        "carl@b.example": "Dear Carl,",
        "reader1@a.example": "Dear reader,",
    }


# -- outcomes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stage", "reply", "state", "waits_for"),
    [
        ("rcpt", LATER, "deferred", 1),
        ("rcpt", "552 5.2.2 mailbox full", "rejected", None),
        ("rcpt", "550 no", "rejected", None),
        ("rcpt", BLOCKED, "deferred", 1),
        ("data", "451 4.3.0 later", "deferred", 1),
        ("dot", "452 4.3.1 no room", "deferred", 1),
        ("dot", "554 5.6.0 not this", "rejected", None),
        ("dot", "550 5.1.1 said too late to be about the address", "rejected", None),
    ],
)
def test_a_refusal_of_one_letter_is_about_that_letter_alone(
    room: Newsroom, stage: str, reply: str, state: str, waits_for: int | None
) -> None:
    sender = room.memory({ODD: repeat(answer(stage, reply), 1)})
    room.start(4)
    room.round()
    row = room.row(ODD)

    assert recipients(sender.letters) == [address for address in readers(4) if address != ODD]
    assert (row.state, row.attempts, row.reply) == (state, 1, f"{stage} {reply}")
    assert row.next_attempt_at == (TUESDAY + timedelta(minutes=waits_for) if waits_for else None)
    assert room.suppressed() == []
    assert room.issue().state is (IssueState.SENDING if state == "deferred" else IssueState.DONE)
    assert room.broken() == []


def test_an_unknown_mailbox_is_rejected_and_never_mailed_again(room: Newsroom) -> None:
    room.memory({ODD: repeat(answer("rcpt", "550 5.1.1 no such user"), 1)})
    room.start(3)
    room.round()

    assert (room.row(ODD).state, room.suppressed(), room.issue().state) == ("rejected", [ODD], IssueState.DONE)
    with room.store.read() as tx:
        assert tx.subscribers.mailable() == 2


def test_every_attempt_that_failed_is_kept_with_its_whole_reply(room: Newsroom) -> None:
    room.memory({ODD: iter([answer("rcpt", LATER), answer("dot", "452 4.3.1 no room")])})
    room.start(2)
    room.round()
    room.hand.forward(minutes=1)
    room.round()
    with sqlite3.connect(room.files.path) as database:
        kept = database.execute("SELECT event, stage, code, enhanced, text FROM attempt ORDER BY id").fetchall()
    database.close()

    assert kept == [("defer", "rcpt", 451, "4.7.1", "greylisted"), ("defer", "dot", 452, "4.3.1", "no room")]


def test_a_deferred_letter_is_tried_ever_more_rarely_and_given_up_after_48_hours(room: Newsroom) -> None:
    room.memory({ODD: repeat(answer("rcpt", LATER), 100)})
    room.start(2)
    waits = []
    with room.store.sending("test", room.clock()) as right:
        room.deliver(right, 1)
        while due_at := right.ledger.next_due_at(1):
            waits.append((due_at - room.clock()).total_seconds() / 60)
            room.hand.now = due_at
            room.deliver(right, 1)
    row = room.row(ODD)

    assert waits[:6] == [1, 5, 15, 60, 60, 60]
    assert (row.state, row.attempts) == ("failed", len(waits) + 1)
    assert GIVE_UP_AFTER - timedelta(hours=1) < room.clock() - TUESDAY <= GIVE_UP_AFTER
    assert room.issue().state is IssueState.DONE


def test_a_letter_in_doubt_waits_ten_minutes_and_goes_out_with_the_same_message_id(room: Newsroom) -> None:
    sender = room.memory({ODD: repeat(NO_REPLY, 1)})
    room.start(2)
    room.round()
    row = room.row(ODD)
    room.hand.forward(minutes=9, seconds=59)
    too_early = room.round().sent
    room.hand.forward(seconds=1)
    room.round()
    ids = [mail["Message-ID"] for mail in mails(sender.tried) if mail["To"] == ODD]

    assert (row.state, row.next_attempt_at) == ("deferred", TUESDAY + timedelta(minutes=10))
    assert too_early == 0
    assert (len(ids), len(set(ids))) == (2, 1)
    assert room.counts() == {"sent": 2}


def test_a_letter_in_doubt_is_held_where_the_owner_wants_that(room: Newsroom) -> None:
    room.memory({ODD: repeat(NO_REPLY, 1)})
    room.start(2)
    with room.store.sending("test", room.clock(), hold_in_doubt=True) as right:
        room.deliver(right, 1)

    assert (room.counts(), room.issue().state) == ({"held": 1, "sent": 1}, IssueState.DONE)


# -- one reader's letter that cannot be made -------------------------------------------------------


def test_a_reader_whose_letter_cannot_be_made_keeps_nobody_else_waiting(tmp_path: Path) -> None:
    sender = MemorySender()
    with open_newsroom(tmp_path, sender, templates=str(own_body(tmp_path, "Dear {{ name }}"))) as room:
        with room.store.write() as tx:
            bell = NewReader(
                Address("bell@b.example", "bell@b.example"), "\x07", "k" * 16, Status.CONFIRMED, "", TUESDAY
            )
            tx.subscribers.add(bell, TUESDAY)
        room.start(3)
        room.round()
        row = room.row("bell@b.example")

        assert recipients(sender.letters) == readers(3)
        assert (row.state, room.issue().state, room.suppressed()) == ("rejected", IssueState.DONE, [])
        assert "not sent" in row.reply


def test_a_fault_while_composing_puts_the_letter_back_and_is_raised(tmp_path: Path) -> None:
    own = own_body(tmp_path, "{% if name %}{{ 1 // (name | length - 3) }}{% endif %}")
    with open_newsroom(tmp_path, MemorySender(), templates=str(own)) as room:
        add_reader(room.files, "bea@b.example", name="Bea")
        room.start(1)
        with pytest.raises(TemplateError):
            room.round()

        assert (room.counts(), room.row("bea@b.example").attempts) == ({"pending": 2}, 0)


def test_a_sender_that_breaks_its_word_leaves_a_letter_in_doubt_and_not_in_flight(room: Newsroom) -> None:
    def fail() -> None:
        raise RuntimeError("no sender may raise this")

    room.way = HookedSender({2: fail})
    room.start(3)
    with pytest.raises(RuntimeError):
        room.round()

    assert room.counts() == {"sent": 1, "deferred": 1, "pending": 1}
    assert room.row(ODD).next_attempt_at == TUESDAY + timedelta(minutes=10)


# -- trouble of the next hop -----------------------------------------------------------------------


def test_a_next_hop_that_is_down_touches_no_row(room: Newsroom) -> None:
    sender = room.memory(refuses_sessions=2)
    room.start(3)
    done = room.round()

    assert (done.trouble != "", done.sent, sender.tried) == (True, 0, [])
    assert (room.counts(), room.row(ODD).attempts, room.issue().state) == ({"pending": 3}, 0, IssueState.SENDING)


def test_a_connection_that_is_lost_once_is_renewed_and_everybody_gets_a_letter(room: Newsroom) -> None:
    sender = MemorySender(trouble_at=[2])
    room.way = sender
    room.start(3)
    room.round()

    assert recipients(sender.letters) == readers(3)
    assert [room.row(address).attempts for address in readers(3)] == [1, 1, 1]


def test_trouble_twice_in_a_row_ends_the_round_with_the_letter_put_back_and_no_attempt_used(room: Newsroom) -> None:
    sender = MemorySender(trouble_at=[2, 3])
    room.way = sender
    room.start(3)
    done = room.round()
    row = room.row(ODD)

    assert "told to fail" in done.trouble
    assert (row.state, row.attempts, room.counts()) == ("pending", 0, {"sent": 1, "pending": 2})
    room.round()
    assert recipients(sender.letters) == readers(3)


def test_days_of_trouble_do_not_use_up_the_48_hours_of_a_letter(room: Newsroom) -> None:
    room.way = MemorySender(trouble_at=[1, 2])
    room.start(1)
    room.round()
    room.hand.forward(days=3)
    room.memory({"reader1@a.example": repeat(answer("rcpt", LATER), 1)})
    room.round()

    assert room.row("reader1@a.example").state == "deferred"


# -- the breaker -----------------------------------------------------------------------------------


def test_policy_refusals_pause_the_issue_suppress_nobody_and_a_resume_sends_to_all(room: Newsroom) -> None:
    everybody = readers(8)
    sender = room.memory({address: repeat(answer("rcpt", BLOCKED), 1) for address in everybody}, connections=2)
    room.start(8)
    done = room.round()
    paused = room.issue()
    with room.store.read() as tx:
        mail = tx.notices.waiting()

    assert (paused.state, room.suppressed(), mail) == (IssueState.PAUSED, [], 1)
    assert "blocked by our list" in paused.pause_reason
    assert done.paused == paused.pause_reason
    sender = room.memory()
    room.hand.forward(days=3)  # the owner was away: no letter's 48 hours ran meanwhile
    room.memory({everybody[0]: repeat(answer("rcpt", LATER), 1)})
    room.resume(1)
    assert room.row(everybody[0]).state == "deferred"
    room.hand.forward(minutes=1)
    sender = room.memory()
    room.resume(1)
    assert (recipients(sender.letters), room.issue().state) == ([everybody[0]], IssueState.DONE)
    assert room.counts() == {"sent": 8}


def test_the_same_hard_refusal_for_everybody_is_about_us_and_suppresses_nobody(room: Newsroom) -> None:
    everybody = readers(30)
    room.memory({address: repeat(answer("rcpt", f"550 5.1.1 <{address}> unknown"), 1) for address in everybody})
    room.start(30)
    room.round()

    assert (room.issue().state, room.counts(), room.suppressed()) == (IssueState.PAUSED, {"pending": 30}, [])
    sender = room.memory()
    room.resume(1)
    assert (recipients(sender.letters), room.issue().state) == (everybody, IssueState.DONE)


def test_a_breaker_that_trips_on_a_cancelled_issue_leaves_nothing_open(room: Newsroom) -> None:
    class Cancelling(MemorySender):
        def take(self, letter: Letter) -> Outcome:
            outcome = super().take(letter)
            if len(self.tried) == 3:
                room.cancel(1)
            return outcome

    room.way = Cancelling({address: repeat(answer("rcpt", BLOCKED), 1) for address in readers(5)})
    room.start(5)
    done = room.round()

    assert (done.paused, room.counts(), room.issue().state) == ("", {"skipped": 5}, IssueState.CANCELLED)
    assert room.broken() == []
