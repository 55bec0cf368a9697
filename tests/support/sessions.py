"""A session that is driven step by step, so that one test serves both ways of carrying a letter."""

from __future__ import annotations

from newsletter.domain.delivery.outcome import Envelope, Outcome
from newsletter.ports.sending import MultiplexSender, MultiplexSession


class SteppedSession:
    """Looks like a session that waits; inside, `start`, `ready` and `proceed` do the work."""

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
