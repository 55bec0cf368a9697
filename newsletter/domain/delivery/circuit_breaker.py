"""The circuit breaker: pauses an issue when rejections are about us and not about single subscribers."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from newsletter.domain.delivery.outcome import Cause, Outcome, Rejected, Sent

POLICY_IN_A_ROW = 3
SAME_IN_A_ROW = 10
_PERSONAL = re.compile(r"<[^<>]*>|\S+@\S+|\d+")  # what differs between two replies that mean the same


@dataclass(slots=True)
class CircuitBreaker:
    """Counts rejections in a row; `run` holds the ids of the subscribers they hit.

    It trips after 3 policy rejections (5.7.x of RFC 3463) or 10 rejections with the same text, with nothing accepted in
    between. The caller then returns the deliveries in `run` to pending and undoes their suppressions.
    """

    run: list[int] = field(default_factory=list)
    _policy: int = 0
    _same: int = 0
    _text: str = ""

    def record_outcome(self, subscriber_id: int, outcome: Outcome | None) -> str:
        """Count one outcome; the reason to pause the issue, or "" to continue."""
        if type(outcome) is Sent:
            if self.run:
                self.run.clear()
                self._policy, self._same, self._text = 0, 0, ""
        elif isinstance(outcome, Rejected):
            self.run.append(subscriber_id)
            self._policy += outcome.cause is Cause.POLICY
            text = f"{outcome.reply.code} {outcome.reply.enhanced} {_PERSONAL.sub('', outcome.reply.text)}"
            self._same = self._same + 1 if text == self._text else 1
            self._text = text
            if self._policy >= POLICY_IN_A_ROW:
                return f"{self._policy} policy rejections in a row; the last one: {outcome.reply}"
            if self._same >= SAME_IN_A_ROW:
                return f"the same rejection {self._same} times in a row: {outcome.reply}"
        return ""
