"""Several senders in order: the next one is asked only while nothing was accepted; sends nothing itself."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from newsletter.domain.delivery.outcome import Envelope, Outcome
from newsletter.domain.errors import AuthenticationFailed, SenderError
from newsletter.ports.sending import Sender, Session

_log = logging.getLogger(__name__)


class FailoverSender:
    """The first sender that takes letters. Connections and rates are those that all allow: any may have to do."""

    def __init__(self, senders: Sequence[Sender]) -> None:
        self._senders = tuple(senders)
        self.connections = min(sender.connections for sender in self._senders)
        self.rates = tuple(rate for sender in self._senders for rate in getattr(sender, "rates", ()))

    def open(self) -> Session:
        """A session with the first sender that opens one; raises SenderTrouble with what each of them said."""
        return _FailoverSession(self._senders)


class _FailoverSession:
    """Moves on to the next sender until one has given an outcome, and then stays with that one."""

    def __init__(self, senders: Sequence[Sender]) -> None:
        self._remaining = list(senders)
        self._troubles: list[SenderError] = []
        self._committed = False
        self._session = self._next()

    def _next(self) -> Session:
        while self._remaining:
            try:
                return self._remaining.pop(0).open()
            except SenderError as trouble:
                self._note(trouble)
        raise _all_of(self._troubles)

    def _note(self, trouble: SenderError) -> None:
        self._troubles.append(trouble)
        if self._remaining:
            _log.warning("next sender tried: %s", trouble)

    def send(self, envelope: Envelope, message: bytes) -> Outcome:
        while True:
            try:
                outcome = self._session.send(envelope, message)
            except SenderError as trouble:
                self._session.close()
                if self._committed:
                    raise
                self._note(trouble)
                self._session = self._next()
            else:
                self._committed = True
                return outcome

    def close(self) -> None:
        self._session.close()


def _all_of(troubles: Sequence[SenderError]) -> SenderError:
    """One error for all senders: no password was taken only if every one of them says so."""
    refused = all(isinstance(trouble, AuthenticationFailed) for trouble in troubles)
    kind = AuthenticationFailed if refused else SenderError
    return kind("; ".join(trouble.message for trouble in troubles), fix=troubles[0].fix)
