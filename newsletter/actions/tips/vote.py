"""Record how a subscriber answers "was this useful?": one answer per tip and subscriber, and the latest one counts."""

from __future__ import annotations

from dataclasses import dataclass

from newsletter.domain.archive.entries import Entry
from newsletter.domain.errors import BadToken, NotFound
from newsletter.domain.lists import list_of_issue
from newsletter.domain.tips.tip import TipFull
from newsletter.mail.tokens import Purpose, Signer
from newsletter.ports.store import Store, Tx

READ_NEXT = 2  # related tips to show


@dataclass(frozen=True, slots=True)
class VoteView:
    """The tip in question, with its title as the subscriber received it, related tips to read next, and their list."""

    tip: TipFull
    related: tuple[Entry, ...]
    list_id: int


@dataclass(frozen=True, slots=True)
class Feedback:
    """The answers of subscribers, by the signed links in the emails they received."""

    store: Store
    signer: Signer

    def inspect(self, token: str) -> VoteView:
        """What the link in an email asks about; changes nothing, since mail scanners follow links. Raises BadToken."""
        with self.store.read() as tx:
            of_list, tip, _ = self._found(tx, token)
            return VoteView(tip, of_list.archive.related(tip.card.id, READ_NEXT), of_list.list_id)

    def vote(self, token: str, *, useful: bool) -> VoteView:
        """Record the answer in place of an earlier one. Raises BadToken."""
        with self.store.write() as tx:
            of_list, tip, subscriber_id = self._found(tx, token)
            tx.tips.vote(tip.card.id, subscriber_id, useful=useful)
            return VoteView(tip, of_list.archive.related(tip.card.id, READ_NEXT), of_list.list_id)

    def _found(self, tx: Tx, token: str) -> tuple[Tx, TipFull, int]:
        """The transaction as the list of the issue sees it, the tip in the email, and the id of the subscriber."""
        fields = self.signer.open(Purpose.USEFUL, token)
        try:
            subscriber_key, number = fields[0], int(fields[1], 36)
            tx = tx.of_list(list_of_issue(number))
            issue = tx.issues.get(number)
        except (IndexError, ValueError, OverflowError, NotFound):
            raise BadToken("this email was a preview, so no answer is recorded") from None
        subscriber = tx.subscribers.by_key(subscriber_key)
        if subscriber is None or issue.tip_id is None:
            raise BadToken("this link is no longer valid")
        # Some subscribers receive a substitute instead of the tip of the issue: the answer is about theirs.
        tip = tx.tips.by_id(tx.issues.tip_of(number, subscriber.id) or issue.tip_id)
        return tx, tip.dated(issue.day), subscriber.id
