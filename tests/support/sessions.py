"""A session that is driven step by step, so that one test covers both ways of sending an email."""

from __future__ import annotations

from newsletter.domain.delivery.outcome import Envelope, Outcome
from newsletter.ports.sending import MultiplexSender, MultiplexSession


class SteppedSession:
    """A blocking session on top of `start`, `ready`, and `proceed`."""

    def __init__(self, sender: MultiplexSender, session: MultiplexSession) -> None:
        self._sender = sender
        self._session = session

    def send(self, envelope: Envelope, message: bytes) -> Outcome:
        outcome = self._session.start(envelope, message)
        while outcome is None:
            for session in self._sender.ready([self._session], 0.05):
                outcome = session.proceed()
        return outcome

    def close(self) -> None:
        self._session.close()
