"""Whose trouble is it: that of the mail server, or that of one email? Counts emails that got no reply they can count on.

A mail server that takes emails and never says so would make a copy of each attempt, so a run of lost replies pauses the
issue. Everything here is about one batch; how often one email was in trouble is kept in its delivery.
"""

from __future__ import annotations

from dataclasses import dataclass

from newsletter.domain.delivery.outcome import Reply
from newsletter.domain.english import plural

DOUBTS_IN_A_ROW = 5  # with one connection
SPREAD = 3  # emails that are tried elsewhere in the list once every connection is in trouble
ALL_IN_DOUBT = 3  # the fewest lost replies that say something at the end of a batch that sent nothing
DOUBT_ADVICE = (
    "These subscribers may have received it, and nobody gets more than two copies. Ask your mail provider why it does not "
    "reply at the end of an email, and resume the issue when the cause is fixed"
)


@dataclass(slots=True)
class WhoseTrouble:
    """Counts what happens to the emails of one batch. connections: how many this process has at a time."""

    connections: int = 1
    sent: int = 0
    doubts: int = 0
    _doubts_in_a_row: int = 0
    _last: Reply | None = None

    def record_sent(self) -> None:
        """Count an email that was accepted."""
        self.sent += 1
        self._doubts_in_a_row = 0

    def record_doubt(self, reply: Reply) -> str:
        """Count an email whose reply to the dot was lost; the reason to pause the issue, or "" to continue.

        Several connections may be hit at once by one domain that never replies, so their number is no run.
        """
        self.doubts += 1
        self._doubts_in_a_row += 1
        self._last = reply
        if self._doubts_in_a_row < max(DOUBTS_IN_A_ROW, self.connections + SPREAD):
            return ""
        return self._never_replies(f"{plural(self._doubts_in_a_row, 'email')} in a row")

    def conclude(self) -> str:
        """The reason to pause the issue at the end of a batch, or "": it protects a list of three, too."""
        if self.sent or self.doubts < ALL_IN_DOUBT:
            return ""
        return self._never_replies(plural(self.doubts, "email"))

    def _never_replies(self, emails: str) -> str:
        return f"the mail server took {emails} and did not say whether it accepted them: {self._last}. {DOUBT_ADVICE}"
