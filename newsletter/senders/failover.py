"""Failover: tries several senders in order until one of them has given an outcome, and remembers which one did not work."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock

from newsletter.domain.delivery.outcome import Envelope, Outcome, Stage
from newsletter.domain.errors import AuthenticationFailed, RelayRefusal, SenderError
from newsletter.ports.sending import Sender, Session

_log = logging.getLogger(__name__)

FIRST_WAIT, LONGEST_WAIT = 60.0, 600.0  # seconds for which a sender that does not work comes last
_ABOUT_AN_EMAIL = (Stage.RCPT, Stage.DATA, Stage.DOT)  # trouble here may be that of one email
_TROUBLES = 2  # such troubles in a row that are the sender's own


class FailoverSender:
    """The first sender that works. Connections and rates are the lowest of all, since any sender may have to take over.

    One that does not work comes last for 1, 2, 4, … up to 10 minutes. Then one session tries it again: its time-out would
    otherwise be paid by every connection.
    """

    def __init__(self, senders: Sequence[Sender], monotonic: Callable[[], float] = time.monotonic) -> None:
        self._candidates = [_Candidate(sender) for sender in senders]
        self._monotonic = monotonic
        self._lock = Lock()
        self.connections = min(sender.connections for sender in senders)
        self.rates = tuple(rate for sender in senders for rate in getattr(sender, "rates", ()))

    def open(self) -> Session:
        """A session with the first sender that opens one; raises SenderError with the error of each sender if none does."""
        return _FailoverSession(self)

    def candidates(self) -> list[_Candidate]:
        """All senders, in the order in which a new session should try them."""
        now = self._monotonic()
        with self._lock:
            found = sorted(self._candidates, key=lambda one: one.not_before > now)  # stable: in their order
            if found[0].wait and found[0].not_before <= now:
                # This session tries it; the others need not. A connection may take minutes to fail.
                found[0].not_before, found[0].is_probed = now + LONGEST_WAIT, True
        return found

    def worked(self, candidate: _Candidate) -> None:
        """A session with it has given its first outcome."""
        with self._lock:
            candidate.wait = candidate.not_before = 0.0
            candidate.troubles = 0
            candidate.working += 1

    def ended(self, candidate: _Candidate) -> None:
        """A session with it that worked has ended."""
        with self._lock:
            candidate.working -= 1

    def failed(self, candidate: _Candidate, error: SenderError) -> None:
        """A session with it has failed before it gave an outcome.

        While other sessions with it work, it may only take no more of them.
        """
        is_about_an_email = error.reply is not None and error.reply.stage in _ABOUT_AN_EMAIL
        with self._lock:
            candidate.troubles += 1
            if candidate.working or (is_about_an_email and candidate.troubles < _TROUBLES):
                return
            now = self._monotonic()
            if candidate.wait and now < candidate.not_before and not candidate.is_probed:
                return  # one of those that were opened together with the one that counted
            candidate.wait = min(2 * candidate.wait, LONGEST_WAIT) or FIRST_WAIT
            candidate.not_before, candidate.is_probed = now + candidate.wait, False


@dataclass(slots=True)
class _Candidate:
    """A sender. working: its sessions that gave an outcome. not_before: until then (monotonic seconds) it comes last."""

    sender: Sender
    working: int = 0
    troubles: int = 0
    wait: float = 0.0
    not_before: float = 0.0
    is_probed: bool = False


class _FailoverSession:
    """Moves on to the next sender until one has given an outcome, and then stays with it.

    After an outcome an error is raised instead: the caller requeues the email and opens a new session.
    """

    def __init__(self, parent: FailoverSender) -> None:
        self._parent = parent
        self._remaining = parent.candidates()
        self._errors: list[SenderError] = []
        self._committed = self._is_closed = False
        self._candidate = self._remaining[0]
        self._session = self._next()

    def _next(self) -> Session:
        while self._remaining:
            self._candidate = self._remaining.pop(0)
            try:
                return self._candidate.sender.open()
            except SenderError as error:
                self._note(error)
        raise _all_of(self._errors)

    def _note(self, error: SenderError) -> None:
        self._parent.failed(self._candidate, error)
        self._errors.append(error)
        if self._remaining:
            _log.warning("trying the next sender: %s", error)

    def send(self, envelope: Envelope, message: bytes) -> Outcome:
        while True:
            try:
                outcome = self._session.send(envelope, message)
            except SenderError as error:
                if self._committed:
                    self.close()
                    raise
                self._session.close()
                self._note(error)
                self._session = self._next()
            else:
                if not self._committed:
                    self._committed = True
                    self._parent.worked(self._candidate)
                return outcome

    def close(self) -> None:
        if self._committed and not self._is_closed:
            self._is_closed = True
            self._parent.ended(self._candidate)
        self._session.close()


def _all_of(errors: Sequence[SenderError]) -> SenderError:
    """One error for all senders; it pauses the issue only if every one of them refuses us."""
    kinds = (AuthenticationFailed, RelayRefusal, SenderError)
    kind = next(kind for kind in kinds if all(isinstance(error, kind) for error in errors))
    return kind("; ".join(error.message for error in errors), fix=errors[0].fix)
