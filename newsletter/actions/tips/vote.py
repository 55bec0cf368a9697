"""A reader's answer to "was this useful?": one for each tip, and the last one counts; nothing else is written down."""

from __future__ import annotations

from dataclasses import dataclass

from newsletter.domain.archive.entries import Entry
from newsletter.domain.errors import BadToken, NotFound
from newsletter.domain.tips.tip import TipFull
from newsletter.mail.tokens import Purpose, Signer
from newsletter.ports.store import Store, Tx

READ_NEXT = 2


@dataclass(frozen=True, slots=True)
class VoteView:
    """The tip that is asked about, and what may be read next."""

    tip: TipFull
    related: tuple[Entry, ...]


def inspect_link(store: Store, signer: Signer, token: str) -> VoteView:
    """What the link of a letter asks about. Reads only; raises BadToken."""
    with store.read() as tx:
        tip, _ = _asked(tx, signer, token)
        return VoteView(tip, tx.archive.related(tip.card.id, READ_NEXT))


def vote(store: Store, signer: Signer, token: str, *, useful: bool) -> VoteView:
    """Count the answer in place of an earlier one. Raises BadToken."""
    with store.write() as tx:
        tip, subscriber_id = _asked(tx, signer, token)
        tx.tips.vote(tip.card.id, subscriber_id, useful=useful)
        return VoteView(tip, tx.archive.related(tip.card.id, READ_NEXT))


def _asked(tx: Tx, signer: Signer, token: str) -> tuple[TipFull, int]:
    """The tip of the letter, and the reader it went to."""
    fields = signer.open(Purpose.USEFUL, token)
    try:
        subscriber_key, number = fields[0], int(fields[1], 36)
        issue = tx.issues.get(number)
    except (IndexError, ValueError, OverflowError, NotFound):
        raise BadToken("this letter was a preview, so no answer is counted") from None
    reader = tx.subscribers.by_key(subscriber_key)
    if reader is None or issue.tip_id is None:
        raise BadToken("this link belongs to nobody any more")
    tip = tx.tips.by_id(tx.issues.tip_of(number, reader.id) or issue.tip_id)
    return tip.dated(issue.slot or issue.due_at.date()), reader.id
