"""For tests, here and in other packages: a sender that keeps emails in memory, and the suite that every sender passes.

Importing it needs no test framework. A class that inherits the suite defines its two fixtures.
"""

# ruff: noqa: S101, D102 - a test suite uses assert, and the names of its tests are sentences

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
    """One email as it arrived: its envelope and its bytes."""

    envelope: Envelope
    message: bytes


Answer = Outcome | SenderError
"""What a scripted sender does with one email: return an outcome, or raise an error."""


def answer(stage: Stage | str, reply: str) -> Answer:
    """What a reply of a real mail server at a stage would lead to: `answer("rcpt", "550 5.1.1 no such user")`."""
    code, _, text = reply.partition(" ")
    parsed = parse_reply(Stage(stage), int(code), text)
    return classify(parsed) or SenderError(f"the next hop answered {parsed} to {parsed.stage.upper()}")


class MemorySender:
    """Keeps what it accepts in `emails`, and every attempt in `tried`.

    script: answers in turn for all emails, or for each recipient by address; when it is used up, emails are accepted.
    fail_at: the attempts that raise SenderError; the first is 1.
    refuses_sessions: how many times `open` raises SenderError before it returns a session.
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
        self._fail_at = frozenset(fail_at)
        self._refuses = refuses_sessions
        self._lock = threading.Lock()

    def open(self) -> MemorySession:
        """A session; raises SenderError the first `refuses_sessions` times."""
        with self._lock:
            if self._refuses:
                self._refuses -= 1
                raise SenderError("the memory sender was told to refuse this session")
            self.open_sessions += 1
        return MemorySession(self)

    def take(self, email: SentEmail) -> Outcome:
        """The outcome of one email; raises SenderError if the script or `fail_at` says so."""
        with self._lock:
            self.tried.append(email)
            if len(self.tried) in self._fail_at:
                raise SenderError(f"the memory sender was told to fail at email {len(self.tried)}")
            scripted = self._by_recipient.get(email.envelope.recipient, self._in_turn)
            result = scripted.popleft() if scripted else Sent(Reply(Stage.DOT, 250, "2.0.0", "kept in memory"))
            if isinstance(result, SenderError):
                raise result
            if isinstance(result, Sent):
                self.emails.append(email)
            return result

    def close_one(self) -> None:
        """Count one open session less."""
        with self._lock:
            self.open_sessions -= 1


class MemorySession:
    """A session of a MemorySender; after an error it is closed, like the session of any other sender."""

    def __init__(self, sender: MemorySender) -> None:
        self._sender = sender
        self._closed = False

    def send(self, envelope: Envelope, message: bytes) -> Outcome:
        """Hand over the email; raises SenderError if the script says so, and if the session is closed."""
        if self._closed:
            raise SenderError("this session is closed")
        try:
            return self._sender.take(SentEmail(envelope, message))
        except SenderError:
            self.close()
            raise

    def close(self) -> None:
        """Never raises; a second call does nothing."""
        if not self._closed:
            self._closed = True
            self._sender.close_one()


ReceivedEmails = Callable[[], Sequence[SentEmail]]
"""What has reached the other side so far, in any order."""

ENVELOPE = Envelope("bounce+k3y.7@news.example.org", "alice@example.org")


def make_message(text: str, number: int = 1) -> bytes:
    """A small email in UTF-8: CRLF line endings, 8-bit, not dot-stuffed. text: ends with a newline."""
    head = (
        "From: Tip of the Week <tips@news.example.org>\nTo: alice@example.org\nSubject: A tip\n"
        f"Message-ID: <{number}@news.example.org>\nMIME-Version: 1.0\n"
        "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n"
    )
    return (head + text).replace("\n", "\r\n").encode()


class SenderContract:
    """What every sender guarantees. Inherit from it, name the class Test…, and define two fixtures: `sender` and `arrived`.

    preserves_bytes: False for a sender that shows emails instead of delivering them; `SentEmail.message` is then what it
    shows.
    """

    preserves_bytes: ClassVar[bool] = True

    def same(self, sent: bytes, got: bytes) -> bool:
        """Is this the email that was sent?"""
        if self.preserves_bytes:
            return sent == got
        text = message_from_bytes(sent, policy=policy.default).get_content()
        return text.replace("\r\n", "\n").strip() in got.decode()

    def send_all(self, sender: Sender, *emails: tuple[Envelope, bytes]) -> list[Outcome]:
        """Send emails over one session."""
        session = sender.open()
        try:
            return [session.send(envelope, message) for envelope, message in emails]
        finally:
            session.close()

    def test_one_email_arrives_once_with_its_envelope(self, sender: Sender, arrived: ReceivedEmails) -> None:
        message = make_message("Say their name.\n")
        [outcome] = self.send_all(sender, (ENVELOPE, message))
        [got] = arrived()
        assert isinstance(outcome, Sent)
        assert outcome.reply.stage is Stage.DOT
        assert got.envelope == ENVELOPE
        assert self.same(message, got.message)

    def test_many_emails_over_one_session_keep_their_own_envelopes(
        self, sender: Sender, arrived: ReceivedEmails
    ) -> None:
        emails = [
            (Envelope(f"bounce+{n}@news.example.org", f"subscriber{n}@example.org"), make_message(f"Number {n}.\n", n))
            for n in range(1, 26)
        ]
        outcomes = self.send_all(sender, *emails)
        assert [type(outcome) for outcome in outcomes] == [Sent] * len(emails)
        found = {email.envelope: email.message for email in arrived()}
        assert len(arrived()) == len(emails)
        assert all(self.same(message, found[envelope]) for envelope, message in emails)

    def test_text_that_is_not_ascii_arrives_unchanged(self, sender: Sender, arrived: ReceivedEmails) -> None:
        message = make_message("Grüße aus Köln – 你好, “quoted”.\n")
        self.send_all(sender, (ENVELOPE, message))
        assert self.same(message, arrived()[0].message)

    def test_lines_that_start_with_dots_arrive_unchanged(self, sender: Sender, arrived: ReceivedEmails) -> None:
        message = make_message(".one\n..two\n.\nafter a lone dot\n.last\n")
        self.send_all(sender, (ENVELOPE, message), (ENVELOPE, make_message("The next one.\n", 2)))
        assert len(arrived()) == 2
        assert any(self.same(message, email.message) for email in arrived())

    def test_an_empty_envelope_sender_is_preserved(self, sender: Sender, arrived: ReceivedEmails) -> None:
        envelope = Envelope("", "alice@example.org")
        self.send_all(sender, (envelope, make_message("A notification.\n")))
        assert arrived()[0].envelope == envelope

    def test_close_can_be_called_twice_and_never_raises(self, sender: Sender, arrived: ReceivedEmails) -> None:
        session = sender.open()
        session.close()
        session.close()
        assert not arrived()

    def test_two_open_sessions_do_not_affect_each_other(self, sender: Sender, arrived: ReceivedEmails) -> None:
        first, second = sender.open(), sender.open()
        first.send(Envelope("a@news.example.org", "one@example.org"), make_message("First.\n", 1))
        second.send(Envelope("b@news.example.org", "two@example.org"), make_message("Second.\n", 2))
        first.close()
        second.send(Envelope("c@news.example.org", "three@example.org"), make_message("Third.\n", 3))
        second.close()
        recipients = sorted(email.envelope.recipient for email in arrived())
        assert recipients == ["one@example.org", "three@example.org", "two@example.org"]

    def test_a_sender_says_how_many_sessions_it_allows(self, sender: Sender) -> None:
        assert sender.connections >= 1
