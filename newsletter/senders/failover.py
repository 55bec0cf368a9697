"""Failover: tries several senders in order until one of them has given an outcome."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from newsletter.domain.delivery.outcome import Envelope, Outcome
from newsletter.domain.errors import AuthenticationFailed, RelayRefusal, SenderError
from newsletter.ports.sending import Sender, Session

_log = logging.getLogger(__name__)


class FailoverSender:
    """The first sender that works. Connections and rates are the lowest of all, since any sender may have to take over."""

    def __init__(self, senders: Sequence[Sender]) -> None:
        self._senders = tuple(senders)
        self.connections = min(sender.connections for sender in self._senders)
        self.rates = tuple(rate for sender in self._senders for rate in getattr(sender, "rates", ()))

    def open(self) -> Session:
        """A session with the first sender that opens one; raises SenderError with the error of each sender if none does."""
        return _FailoverSession(self._senders)


class _FailoverSession:
    """Moves on to the next sender until one has given an outcome, and then stays with it.

    After an outcome an error is raised instead: the caller requeues the email and opens a new session, which starts with
    the first sender again.
    """

    def __init__(self, senders: Sequence[Sender]) -> None:
        self._remaining = list(senders)
        self._errors: list[SenderError] = []
        self._committed = False
        self._session = self._next()

    def _next(self) -> Session:
        while self._remaining:
            try:
                return self._remaining.pop(0).open()
            except SenderError as error:
                self._note(error)
        raise _all_of(self._errors)

    def _note(self, error: SenderError) -> None:
        self._errors.append(error)
        if self._remaining:
            _log.warning("trying the next sender: %s", error)

    def send(self, envelope: Envelope, message: bytes) -> Outcome:
        while True:
            try:
                outcome = self._session.send(envelope, message)
            except SenderError as error:
                self._session.close()
                if self._committed:
                    raise
                self._note(error)
                self._session = self._next()
            else:
                self._committed = True
                return outcome

    def close(self) -> None:
        self._session.close()


def _all_of(errors: Sequence[SenderError]) -> SenderError:
    """One error for all senders; it pauses the issue only if every one of them refuses us."""
    kinds = (AuthenticationFailed, RelayRefusal, SenderError)
    kind = next(kind for kind in kinds if all(isinstance(error, kind) for error in errors))
    return kind("; ".join(error.message for error in errors), fix=errors[0].fix)
