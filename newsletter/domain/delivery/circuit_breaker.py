"""The circuit breaker: pauses an issue when rejections are about us and not about single subscribers.

It looks at rejections in a row and at their share, so that it protects a list of five as well as one of a million.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from newsletter.domain.delivery.outcome import ABOUT_THE_MAILBOX, Cause, Deferred, Outcome, Rejected, Reply, Sent
from newsletter.domain.english import plural

POLICY_IN_A_ROW = 3
REJECTED_IN_A_ROW = 10
ONE_DOMAIN_IN_A_ROW = 50  # before anything was accepted: the others may still be
QUOTA_IN_A_ROW = 10
POLICY_TRIED, POLICY_SHARE = 20, 1 / 4  # while sending: this share of at least so many emails
REJECTED_TRIED, REJECTED_SHARE = 30, 1 / 3
ALL_REJECTED = 3  # the fewest rejections that say something if nothing at all was accepted
RESUME_ADVICE = (
    "No address is suppressed, and everybody is tried again when you resume the issue. Resume it when the mail server "
    "works again, or if this is really about the mailboxes"
)
PROVIDER_ADVICE = "Ask your mail provider what this reply means, and resume the issue when the cause is fixed"

_ABOUT_US = "because of the sender (your address, account, or content), not because of the subscribers"


@dataclass(slots=True)
class CircuitBreaker:
    """Counts the outcomes of one batch. `run` holds the ids of the subscribers whose rejections are to be undone.

    accepted: emails of this issue that were accepted, those of earlier batches too. trusts_mailboxes: the owner has
    resumed the issue after a pause, so rejections because of single mailboxes do not trip it again. over_quota: the last
    of many replies in a row that name a quota; sending then stops for a while, but the issue is not paused.

    One domain that refuses us must not keep the issue from the others: its refusals in a row count only while nothing was
    accepted, or if there are as many as other rejections need. The rejections of one domain that has accepted nothing do
    not count, up to ONE_DOMAIN_IN_A_ROW of the first emails; when the issue ends, they are judged. A second refusal of the same email says nothing new, so
    only the end of the batch counts it; else an issue that was resumed would be paused by the same few for ever.
    """

    accepted: int = 0
    trusts_mailboxes: bool = False
    run: list[int] = field(default_factory=list)
    over_quota: Reply | None = None
    _all: list[int] = field(default_factory=list)
    _tried: int = 0
    _policy: int = 0
    _first_refusals: int = 0
    _rejected: int = 0
    _policy_in_a_row: int = 0
    _quota_in_a_row: int = 0
    _refusing: set[str] = field(default_factory=set)
    _rejecting: Counter[str] = field(default_factory=Counter)
    _accepting: set[str] = field(default_factory=set)
    _row: Counter[str] = field(default_factory=Counter)
    _last: Reply | None = None
    _tripped: bool = False

    def record_outcome(
        self, subscriber_id: int, outcome: Outcome | None, domain: str = "", *, is_retry: bool = False
    ) -> str:
        """Count one outcome; the reason to pause the issue, or "" to continue.

        domain: of the recipient, or "". is_retry: this email was tried before.
        """
        if outcome is None:
            return ""
        self._tried += 1
        if type(outcome) is Sent:
            self.accepted += 1
            self._accepting.add(domain)
            if (self.run or self._quota_in_a_row) and not self._tripped:  # later outcomes are those of emails in flight
                self.run.clear()
                self._refusing.clear()
                self._row.clear()
                self._policy_in_a_row = self._quota_in_a_row = 0
            return ""
        if isinstance(outcome, Rejected):
            return self._record_rejection(subscriber_id, outcome, domain, is_retry=is_retry)
        if isinstance(outcome, Deferred) and outcome.is_quota:
            self._quota_in_a_row += 1
            if self._quota_in_a_row >= QUOTA_IN_A_ROW:
                self.over_quota = outcome.reply
        return ""

    def conclude(self) -> str:
        """The reason to pause the issue at the end of a batch, or "": the share counts, however small the list is."""
        if self._policy > self.accepted:
            return self._trip(
                f"{plural(self._policy, 'email')} {'was' if self._policy == 1 else 'were'} refused {_ABOUT_US}",
                PROVIDER_ADVICE,
            )
        if not self.accepted and ALL_REJECTED <= self._rejected == self._tried:
            return self._trip(f"all {self._rejected} emails were rejected", RESUME_ADVICE)
        return ""

    def _record_rejection(self, subscriber_id: int, outcome: Rejected, domain: str, *, is_retry: bool) -> str:
        if self.trusts_mailboxes and self.accepted and outcome.cause in ABOUT_THE_MAILBOX:
            self._tried -= 1
            return ""
        self._last = outcome.reply
        self.run.append(subscriber_id)
        self._all.append(subscriber_id)
        if outcome.cause is Cause.POLICY:
            self._policy += 1
            if is_retry:
                self._tried -= 1
                return ""
            self._first_refusals += 1
            self._policy_in_a_row += 1
            self._refusing.add(domain)
        else:
            self._rejected += 1
            self._rejecting[domain] += 1
            self._row[domain] += 1
        if self._policy_in_a_row >= (REJECTED_IN_A_ROW if self._is_one_domain() else POLICY_IN_A_ROW):
            return self._because(f"{self._policy_in_a_row} emails in a row were refused {_ABOUT_US}", PROVIDER_ADVICE)
        if self._is_too_long_a_row():
            return self._trip(f"{self._row.total()} emails in a row were rejected", RESUME_ADVICE)
        return self._by_share()

    def _by_share(self) -> str:
        if self._tried >= POLICY_TRIED and self._first_refusals >= POLICY_SHARE * self._tried:
            words = f"{self._first_refusals} of {self._tried} emails were refused {_ABOUT_US}"
            return self._trip(words, PROVIDER_ADVICE)
        alone = self._by_one_domain(self._rejecting)
        rejected, tried = self._rejected - alone, self._tried - alone
        if tried >= REJECTED_TRIED and rejected >= REJECTED_SHARE * tried:
            return self._trip(f"{rejected} of {tried} emails were rejected", RESUME_ADVICE)
        return ""

    def _is_too_long_a_row(self) -> bool:
        """Are there too many rejections in a row, apart from those of one domain that accepts nothing?"""
        number = self._row.total()
        if number - self._by_one_domain(self._row) >= REJECTED_IN_A_ROW:
            return True
        return not self.accepted and not self.trusts_mailboxes and number >= ONE_DOMAIN_IN_A_ROW

    def _by_one_domain(self, rejecting: Counter[str]) -> int:
        """How many of these rejections are those of the domain with the most, if it has accepted nothing."""
        domain, number = next(iter(rejecting.most_common(1)), ("", 0))
        return number if domain and domain not in self._accepting else 0

    def _is_one_domain(self) -> bool:
        """Do the refusals in a row come from one domain, while emails were accepted?"""
        return self.accepted > 0 and len(self._refusing) == 1 and "" not in self._refusing

    def _trip(self, words: str, advice: str = "") -> str:
        """With accepted emails in between, every rejection of the batch is doubtful."""
        self.run = list(self._all)
        return self._because(words, advice)

    def _because(self, words: str, advice: str = "") -> str:
        self._tripped = True
        return f"{words}; the last reply: {self._last}{f'. {advice}' if advice else ''}"
