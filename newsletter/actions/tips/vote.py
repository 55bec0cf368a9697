"""Record how a subscriber answers "was this useful?": one answer per tip and subscriber, and the latest one counts."""

from __future__ import annotations

from dataclasses import dataclass

from newsletter.domain.archive.entries import Entry
from newsletter.domain.errors import BadToken, NotFound
from newsletter.domain.tips.tip import TipFull
from newsletter.mail.tokens import Purpose, Signer
from newsletter.ports.store import Store, Tx

READ_NEXT = 2  # related tips to show


@dataclass(frozen=True, slots=True)
class VoteView:
    """The tip in question, with its title as the subscriber received it, and related tips to read next."""

    tip: TipFull
    related: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Feedback:
    """The answers of subscribers, by the signed links in the emails they received."""

    store: Store
    signer: Signer

    def inspect(self, token: str) -> VoteView:
        """What the link in an email asks about; changes nothing, since mail scanners follow links. Raises BadToken."""
        with self.store.read() as tx:
            tip, _ = self._tip_and_subscriber(tx, token)
            return VoteView(tip, tx.archive.related(tip.card.id, READ_NEXT))

    def vote(self, token: str, *, useful: bool) -> VoteView:
        """Record the answer in place of an earlier one. Raises BadToken."""
        with self.store.write() as tx:
            tip, subscriber_id = self._tip_and_subscriber(tx, token)
            tx.tips.vote(tip.card.id, subscriber_id, useful=useful)
            return VoteView(tip, tx.archive.related(tip.card.id, READ_NEXT))

    def _tip_and_subscriber(self, tx: Tx, token: str) -> tuple[TipFull, int]:
        """The tip that was in the email, and the id of the subscriber who received it."""
        fields = self.signer.open(Purpose.USEFUL, token)
        try:
            subscriber_key, number = fields[0], int(fields[1], 36)
            issue = tx.issues.get(number)
        except (IndexError, ValueError, OverflowError, NotFound):
            raise BadToken("this email was a preview, so no answer is recorded") from None
        subscriber = tx.subscribers.by_key(subscriber_key)
        if subscriber is None or issue.tip_id is None:
            raise BadToken("this link is no longer valid")
        # Some subscribers receive a substitute instead of the tip of the issue: the answer is about theirs.
        tip = tx.tips.by_id(tx.issues.tip_of(number, subscriber.id) or issue.tip_id)
        return tip.dated(issue.day), subscriber.id
