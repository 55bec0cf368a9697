"""Whose trouble is it: that of the mail server, or that of one email?

A mail server that takes emails and never says so would get a copy of each at every attempt, so a run of lost replies pauses
the issue. A connection that fails may be about the email that it carried, so this email goes to the end of the queue;
if it fails there too, on a fresh connection and while others got through, the trouble is its own. Everything here is about
one batch; how often an email was in trouble is kept in its delivery.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from newsletter.domain.delivery.outcome import Reply
from newsletter.domain.english import plural

DOUBTS_IN_A_ROW = 5  # more than the number of connections
SPREAD_AFTER = 3  # emails in a row, or one for each connection; then the next ones come from elsewhere in the list
FAILURES_IN_A_ROW = 8  # more than the number of connections: the mail server is in trouble, and the batch ends
TRIES_IN_A_ROW = 2  # of one email in a batch, if no other email got through in between
MANY = 5  # troubles of one email in an issue of which others were sent
ALL_IN_DOUBT = 3  # the fewest lost replies that say something at the end of a batch that sent nothing
DOUBT_ADVICE = (
    "These subscribers may have received it, and nobody gets more than two copies. Ask your mail provider why it does not "
    "reply at the end of an email, and resume the issue when the cause is fixed"
)
_GOLDEN = 0.618034  # its multiples, without their whole part, spread evenly


@dataclass(slots=True)
class WhoseTrouble:
    """Counts what happens to the emails of one batch.

    connections: how many this process has at a time. accepted: emails of this issue that earlier batches sent. sent,
    doubts: how many emails were accepted, or not answered. spread: above 0, where to claim the next email, as a share of
    the list: its neighbors may be of the same kind. gave_up: the mail server is in trouble. trouble: what it said, until
    an email gets through.
    """

    connections: int = 1
    accepted: int = 0
    sent: int = 0
    doubts: int = 0
    spread: float = 0.0
    gave_up: bool = False
    trouble: str = ""
    _answered: int = 0
    _in_a_row: int = 0
    _doubts_in_a_row: int = 0
    _last: Reply | None = None
    _suspects: dict[int, tuple[int, int]] = field(default_factory=dict)

    def record_sent(self) -> None:
        """Count an email that was accepted."""
        self.sent += 1
        self._doubts_in_a_row = 0
        self.record_answer()

    def record_answer(self) -> None:
        """Count an email that the mail server accepted or refused: it works."""
        self._answered += 1
        if self._in_a_row:
            self._in_a_row, self.spread, self.trouble = 0, 0.0, ""

    def record_doubt(self, reply: Reply) -> str:
        """Count an email whose reply to the dot was lost; the reason to pause the issue, or "" to continue.

        Several connections may be hit at once by one domain that never replies, so their number is no run.
        """
        self.doubts += 1
        self._doubts_in_a_row += 1
        self._last = reply
        self._count()
        if self._doubts_in_a_row < self.connections + DOUBTS_IN_A_ROW:
            return ""
        return self._never_replies(f"{plural(self._doubts_in_a_row, 'email')} in a row")

    def record_failure(self, subscriber_id: int, troubles: int, attempts: int, error: str) -> bool:
        """Count a connection that failed with an email before it was accepted; is the trouble this email's own?

        troubles: how often that happened to it before, in all batches. attempts: of those that count, this one included.
        """
        answered, tries = self._suspects.pop(subscriber_id, (0, 0))
        others_got_through = self._answered > answered
        is_known = attempts > 1 or (troubles >= MANY and self.accepted + self.sent > 0)
        if troubles and (others_got_through or is_known):
            return True
        self._suspects[subscriber_id] = self._answered, 1 if others_got_through else tries + 1
        self.trouble = error
        self._count()
        self.gave_up |= self._in_a_row >= self.connections + FAILURES_IN_A_ROW
        return False

    @property
    def is_suspicious(self) -> bool:
        """Was an email in trouble, or does none get through?"""
        return bool(self._suspects or self.spread)

    def may_try(self, subscriber_id: int) -> bool:
        """May this email be tried now? False: everything that is left was in trouble, so the batch ends."""
        answered, tries = self._suspects.get(subscriber_id, (0, 0))
        if tries < TRIES_IN_A_ROW or self._answered > answered:
            return True
        self.gave_up = True
        return False

    def conclude(self) -> str:
        """The reason to pause the issue at the end of a batch, or "": it protects a list of three, too."""
        if self.sent or self.doubts < ALL_IN_DOUBT:
            return ""
        return self._never_replies(plural(self.doubts, "email"))

    def _count(self) -> None:
        self._in_a_row += 1
        if self._in_a_row >= min(self.connections, SPREAD_AFTER):
            self.spread = self._in_a_row * _GOLDEN % 1

    def _never_replies(self, emails: str) -> str:
        return f"the mail server took {emails} and did not say whether it accepted them: {self._last}. {DOUBT_ADVICE}"
