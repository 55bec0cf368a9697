"""For tests, here and in other packages: a sender that keeps letters in memory, and the suite every sender passes.

Needs no test framework to import; the suite's two fixtures are the heir's own.
"""

# ruff: noqa: S101, D102 - a test suite asserts, and the names of its tests are sentences

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from email import message_from_bytes, policy
from typing import ClassVar

from newsletter.domain.delivery.outcome import Envelope, Outcome, Reply, Sent, Stage
from newsletter.domain.errors import SenderError
from newsletter.mail.replies import classify, parse_reply
from newsletter.ports.sending import Sender


@dataclass(frozen=True, slots=True)
class SentEmail:
    """One letter as it arrived: whom between, and its bytes."""

    envelope: Envelope
    message: bytes


Answer = Outcome | SenderError
"""What a scripted sender does with one letter: give an outcome, or raise trouble."""


def answer(stage: Stage | str, reply: str) -> Answer:
    """What a reply at a stage comes to, as with a real next hop: `answer("rcpt", "550 5.1.1 no such user")`."""
    code, _, text = reply.partition(" ")
    said = parse_reply(Stage(stage), int(code), text)
    return classify(said) or SenderError(f"the next hop answered {said} to {said.stage.upper()}")


class MemorySender:
    """Keeps what it accepts in `letters`, and every try in `tried`.

    script: answers in turn for all letters, or for each recipient by address; a used-up script accepts.
    refuses_sessions: how many times `open` raises SenderTrouble before it gives a session.
    """

    def __init__(
        self,
        script: Iterable[Answer] | Mapping[str, Iterable[Answer]] = (),
        *,
        fail_at: Iterable[int] = (),
        refuses_sessions: int = 0,
        connections: int = 1,
    ) -> None:
        self.connections = connections
        self.emails: list[SentEmail] = []
        self.tried: list[SentEmail] = []
        self.open_sessions = 0
        by_recipient = script if isinstance(script, Mapping) else {}
        self._by_recipient = {address: deque(answers) for address, answers in by_recipient.items()}
        self._in_turn = deque(() if isinstance(script, Mapping) else script)
        self._trouble_at = frozenset(fail_at)
        self._refuses = refuses_sessions
        self._turn = threading.Lock()

    def open(self) -> MemorySession:
        """A session; raises SenderTrouble as often as `refuses_sessions` said."""
        with self._turn:
            if self._refuses:
                self._refuses -= 1
                raise SenderError("the memory sender was told to refuse this session")
            self.open_sessions += 1
        return MemorySession(self)

    def take(self, letter: SentEmail) -> Outcome:
        """What became of a letter; raises SenderTrouble at the tries named in `fail_at` (the first is 1)."""
        with self._turn:
            self.tried.append(letter)
            if len(self.tried) in self._trouble_at:
                raise SenderError(f"the memory sender was told to fail at letter {len(self.tried)}")
            scripted = self._by_recipient.get(letter.envelope.recipient, self._in_turn)
            result = scripted.popleft() if scripted else Sent(Reply(Stage.DOT, 250, "2.0.0", "kept in memory"))
            if isinstance(result, SenderError):
                raise result
            if isinstance(result, Sent):
                self.emails.append(letter)
            return result

    def close_one(self) -> None:
        """One session less."""
        with self._turn:
            self.open_sessions -= 1


class MemorySession:
    """A session of a MemorySender; of no use after trouble, like any other."""

    def __init__(self, sender: MemorySender) -> None:
        self._sender = sender
        self._closed = False

    def send(self, envelope: Envelope, message: bytes) -> Outcome:
        """Hand the letter over; raises SenderTrouble where the script says so, and once closed."""
        if self._closed:
            raise SenderError("this session is closed")
        try:
            return self._sender.take(SentEmail(envelope, message))
        except SenderError:
            self.close()
            raise

    def close(self) -> None:
        """Never raises; a second time does nothing."""
        if not self._closed:
            self._closed = True
            self._sender.close_one()


ReceivedEmails = Callable[[], Sequence[SentEmail]]
"""What has reached the far end so far, in any order."""

ENVELOPE = Envelope("bounce+k3y.7@news.example.org", "alice@example.org")


def make_message(text: str, number: int = 1) -> bytes:
    """A small letter in UTF-8 whose text ends with a line's end: CRLF only, 8-bit, not dot-stuffed."""
    head = (
        "From: Tip of the Week <tips@news.example.org>\nTo: alice@example.org\nSubject: A tip\n"
        f"Message-ID: <{number}@news.example.org>\nMIME-Version: 1.0\n"
        "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n"
    )
    return (head + text).replace("\n", "\r\n").encode()


class SenderContract:
    """What every sender keeps. Inherit, name the class Test…, and give two fixtures: `sender` and `arrived`.

    keeps_bytes: False for a sender that shows letters instead of carrying them; then `SentEmail.message` is what it shows.
    """

    preserves_bytes: ClassVar[bool] = True

    def same(self, sent: bytes, got: bytes) -> bool:
        """Is this the letter that was sent?"""
        if self.preserves_bytes:
            return sent == got
        text = message_from_bytes(sent, policy=policy.default).get_content()
        return text.replace("\r\n", "\n").strip() in got.decode()

    def send_all(self, sender: Sender, *emails: tuple[Envelope, bytes]) -> list[Outcome]:
        """Send letters over one session."""
        session = sender.open()
        try:
            return [session.send(envelope, message) for envelope, message in emails]
        finally:
            session.close()

    def test_one_letter_arrives_once_with_its_envelope(self, sender: Sender, arrived: ReceivedEmails) -> None:
        message = make_message("Say their name.\n")
        [outcome] = self.send_all(sender, (ENVELOPE, message))
        [got] = arrived()
        assert isinstance(outcome, Sent)
        assert outcome.reply.stage is Stage.DOT
        assert got.envelope == ENVELOPE
        assert self.same(message, got.message)

    def test_many_letters_over_one_session_keep_their_own_envelopes(
        self, sender: Sender, arrived: ReceivedEmails
    ) -> None:
        emails = [
            (Envelope(f"bounce+{n}@news.example.org", f"reader{n}@example.org"), make_message(f"Number {n}.\n", n))
            for n in range(1, 26)
        ]
        outcomes = self.send_all(sender, *emails)
        assert [type(outcome) for outcome in outcomes] == [Sent] * len(emails)
        found = {letter.envelope: letter.message for letter in arrived()}
        assert len(arrived()) == len(emails)
        assert all(self.same(message, found[envelope]) for envelope, message in emails)

    def test_text_outside_ascii_arrives_unchanged(self, sender: Sender, arrived: ReceivedEmails) -> None:
        message = make_message("Grüße aus Köln – 你好, “quoted”.\n")
        self.send_all(sender, (ENVELOPE, message))
        assert self.same(message, arrived()[0].message)

    def test_lines_that_begin_with_dots_arrive_unchanged(self, sender: Sender, arrived: ReceivedEmails) -> None:
        message = make_message(".one\n..two\n.\nafter a lone dot\n.last\n")
        self.send_all(sender, (ENVELOPE, message), (ENVELOPE, make_message("The next one.\n", 2)))
        assert len(arrived()) == 2
        assert any(self.same(message, letter.message) for letter in arrived())

    def test_an_empty_envelope_sender_is_kept(self, sender: Sender, arrived: ReceivedEmails) -> None:
        envelope = Envelope("", "alice@example.org")
        self.send_all(sender, (envelope, make_message("A notice.\n")))
        assert arrived()[0].envelope == envelope

    def test_close_may_be_called_twice_and_never_raises(self, sender: Sender, arrived: ReceivedEmails) -> None:
        session = sender.open()
        session.close()
        session.close()
        assert not arrived()

    def test_two_sessions_at_once_do_not_disturb_each_other(self, sender: Sender, arrived: ReceivedEmails) -> None:
        first, second = sender.open(), sender.open()
        first.send(Envelope("a@news.example.org", "one@example.org"), make_message("First.\n", 1))
        second.send(Envelope("b@news.example.org", "two@example.org"), make_message("Second.\n", 2))
        first.close()
        second.send(Envelope("c@news.example.org", "three@example.org"), make_message("Third.\n", 3))
        second.close()
        recipients = sorted(letter.envelope.recipient for letter in arrived())
        assert recipients == ["one@example.org", "three@example.org", "two@example.org"]

    def test_a_sender_says_how_many_sessions_it_allows(self, sender: Sender) -> None:
        assert sender.connections >= 1
