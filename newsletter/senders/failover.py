"""Several senders in order: the next one is asked only while nothing was accepted; sends nothing itself."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from newsletter.domain.delivery.outcome import Envelope, Outcome
from newsletter.domain.errors import AuthenticationRefused, SenderTrouble
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
        self._waiting = list(senders)
        self._troubles: list[SenderTrouble] = []
        self._settled = False
        self._session = self._next()

    def _next(self) -> Session:
        while self._waiting:
            try:
                return self._waiting.pop(0).open()
            except SenderTrouble as trouble:
                self._note(trouble)
        raise _all_of(self._troubles)

    def _note(self, trouble: SenderTrouble) -> None:
        self._troubles.append(trouble)
        if self._waiting:
            _log.warning("next sender tried: %s", trouble)

    def send(self, envelope: Envelope, message: bytes) -> Outcome:
        while True:
            try:
                outcome = self._session.send(envelope, message)
            except SenderTrouble as trouble:
                self._session.close()
                if self._settled:
                    raise
                self._note(trouble)
                self._session = self._next()
            else:
                self._settled = True
                return outcome

    def close(self) -> None:
        self._session.close()


def _all_of(troubles: Sequence[SenderTrouble]) -> SenderTrouble:
    """One error for all senders: no password was taken only if every one of them says so."""
    refused = all(isinstance(trouble, AuthenticationRefused) for trouble in troubles)
    kind = AuthenticationRefused if refused else SenderTrouble
    return kind("; ".join(trouble.message for trouble in troubles), fix=troubles[0].fix)
