"""When refusals are about us and not about the readers: the breaker that pauses an issue."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from newsletter.domain.delivery.outcome import Cause, Outcome, Rejected, Sent

POLICY_IN_A_ROW = 3
SAME_IN_A_ROW = 10
_PERSONAL = re.compile(r"<[^<>]*>|\S+@\S+|\d+")


@dataclass(slots=True)
class CircuitBreaker:
    """Counts refusals that came one after the other; `run` holds the subscribers they hit.

    Trips after 3 policy refusals (5.7.x) or 10 refusals with the same words, with nothing accepted
    in between. Whoever trips it puts `run` back to pending and suppresses nobody of it.
    """

    run: list[int] = field(default_factory=list)
    _policy: int = 0
    _same: int = 0
    _words: str = ""

    def record_outcome(self, subscriber_id: int, outcome: Outcome | None) -> str:
        """Take one outcome; the reason to pause the issue, or "" to go on."""
        if type(outcome) is Sent:
            if self.run:
                self.run.clear()
                self._policy, self._same, self._words = 0, 0, ""
        elif isinstance(outcome, Rejected):
            self.run.append(subscriber_id)
            self._policy += outcome.cause is Cause.POLICY
            words = f"{outcome.reply.code} {outcome.reply.enhanced} {_PERSONAL.sub('', outcome.reply.text)}"
            self._same = self._same + 1 if words == self._words else 1
            self._words = words
            if self._policy >= POLICY_IN_A_ROW:
                return f"{self._policy} policy rejections in a row; the last one: {outcome.reply}"
            if self._same >= SAME_IN_A_ROW:
                return f"the same rejection {self._same} times in a row: {outcome.reply}"
        return ""
