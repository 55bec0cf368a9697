"""The circuit breaker: pauses an issue when rejections are about us and not about single subscribers.

It looks at rejections in a row and at their share, so that it protects a list of five as well as one of a million.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from newsletter.domain.delivery.outcome import ABOUT_THE_MAILBOX, Cause, Deferred, Outcome, Rejected, Reply, Sent

POLICY_IN_A_ROW = 3
REJECTED_IN_A_ROW = 10
QUOTA_IN_A_ROW = 10
POLICY_TRIED, POLICY_SHARE = 20, 1 / 4  # while sending: this share of at least so many emails
REJECTED_TRIED, REJECTED_SHARE = 30, 1 / 3
ALL_REJECTED = 3  # the fewest rejections that say something if nothing at all was accepted
RESUME_ADVICE = "If these mailboxes really do not exist, resume the issue; they are then left out for good"


@dataclass(slots=True)
class CircuitBreaker:
    """Counts the outcomes of one batch. `run` holds the ids of the subscribers whose rejections are to be undone.

    accepted: emails of this issue that were accepted, those of earlier batches too. trusts_mailboxes: the owner has
    resumed the issue after a pause, so rejections because of single mailboxes do not trip it again. over_quota: the last
    of many replies in a row that name a quota; sending then stops for a while, but the issue is not paused.
    """

    accepted: int = 0
    trusts_mailboxes: bool = False
    run: list[int] = field(default_factory=list)
    over_quota: Reply | None = None
    _all: list[int] = field(default_factory=list)
    _tried: int = 0
    _policy: int = 0
    _rejected: int = 0
    _policy_in_a_row: int = 0
    _rejected_in_a_row: int = 0
    _quota_in_a_row: int = 0
    _last: Reply | None = None
    _tripped: bool = False

    def record_outcome(self, subscriber_id: int, outcome: Outcome | None) -> str:
        """Count one outcome; the reason to pause the issue, or "" to continue."""
        if outcome is None:
            return ""
        self._tried += 1
        if type(outcome) is Sent:
            self.accepted += 1
            if (self.run or self._quota_in_a_row) and not self._tripped:  # later outcomes are those of emails in flight
                self.run.clear()
                self._policy_in_a_row = self._rejected_in_a_row = self._quota_in_a_row = 0
            return ""
        if isinstance(outcome, Rejected):
            return self._record_rejection(subscriber_id, outcome)
        if isinstance(outcome, Deferred) and outcome.is_quota:
            self._quota_in_a_row += 1
            if self._quota_in_a_row >= QUOTA_IN_A_ROW:
                self.over_quota = outcome.reply
        return ""

    def conclude(self) -> str:
        """The reason to pause the issue at the end of a batch, or "": the share counts, however small the list is."""
        if self._policy > self.accepted:
            return self._trip(f"{self._policy} emails were refused because of us, not because of the subscribers")
        if not self.accepted and ALL_REJECTED <= self._rejected == self._tried:
            return self._trip(f"all {self._rejected} emails were rejected", RESUME_ADVICE)
        return ""

    def _record_rejection(self, subscriber_id: int, outcome: Rejected) -> str:
        if self.trusts_mailboxes and outcome.cause in ABOUT_THE_MAILBOX:
            self._tried -= 1
            return ""
        self._last = outcome.reply
        self.run.append(subscriber_id)
        self._all.append(subscriber_id)
        if outcome.cause is Cause.POLICY:
            self._policy += 1
            self._policy_in_a_row += 1
        else:
            self._rejected += 1
            self._rejected_in_a_row += 1
        if self._policy_in_a_row >= POLICY_IN_A_ROW:
            words = (
                f"{self._policy_in_a_row} emails in a row were refused because of us, not because of the subscribers"
            )
            return self._because(words)
        if self._rejected_in_a_row >= REJECTED_IN_A_ROW:
            return self._because(f"{self._rejected_in_a_row} emails in a row were rejected", RESUME_ADVICE)
        return self._by_share()

    def _by_share(self) -> str:
        if self._tried >= POLICY_TRIED and self._policy >= POLICY_SHARE * self._tried:
            return self._trip(f"{self._policy} of {self._tried} emails were refused because of us")
        if self._tried >= REJECTED_TRIED and self._rejected >= REJECTED_SHARE * self._tried:
            return self._trip(f"{self._rejected} of {self._tried} emails were rejected", RESUME_ADVICE)
        return ""

    def _trip(self, words: str, advice: str = "") -> str:
        """With accepted emails in between, every rejection of the batch is doubtful."""
        self.run = list(self._all)
        return self._because(words, advice)

    def _because(self, words: str, advice: str = "") -> str:
        self._tripped = True
        return f"{words}; the last reply: {self._last}{f'. {advice}' if advice else ''}"
