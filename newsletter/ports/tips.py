"""The library of tips, as the use cases see it; `Tx.tips`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Protocol

from newsletter.domain.archive.entries import ShownWords, Votes
from newsletter.domain.tips.tip import TipCard, TipFull, TipHistory, TipState, TipText


class Tips(Protocol):
    """The tips in the order of the queue. Positions only grow; the tip with the lowest one is next."""

    def cards(self) -> list[TipCard]:
        """Every tip without its text, in queue order."""
        ...

    def all(self) -> list[TipFull]:
        """Every tip with its text, in queue order."""
        ...

    def get(self, key: str) -> TipFull:
        """Raises NotFound."""
        ...

    def by_id(self, tip_id: int) -> TipFull:
        """Raises NotFound."""
        ...

    def identities(self) -> Mapping[str, int]:
        """The id of each tip by its identity; see `domain.tips.tip.identity`."""
        ...

    def sources(self) -> list[tuple[int, str, str, str]]:
        """(id of the tip, name of the source, its identity there, fingerprint) of everything that was imported."""
        ...

    def record_source(self, tip_id: int, source: str, identity: str, fingerprint: str) -> None: ...
    def version(self) -> int:
        """A number that grows with every change of any tip; within a transaction, it does not change by others."""
        ...

    def add(
        self, text: TipText, identity: str, key: str, state: TipState, now: datetime, *, shown: ShownWords | None = None
    ) -> TipCard:
        """Append a tip to the queue. shown: what `shown_words` says of the text, if that was computed before."""
        ...

    def assign(self, tip_id: int) -> None:
        """Move a tip of another list to the end of the queue of this one."""
        ...

    def names(self) -> Mapping[str, str]:
        """The titles of all tips by their keys."""
        ...

    def rewrite(
        self,
        tip_id: int,
        found: TipText,
        now: datetime,
        *,
        edited: bool,
        complete_state: TipState | None = None,
        identity: str | None = None,
        shown: ShownWords | None = None,
    ) -> None:
        """Replace the text of a tip. An approval of another text, and the preview that showed it, no longer count.

        edited: the text contains changes by the owner. complete_state: also set the state (a teaser was completed).
        identity: also set the identity and the day of publication. shown: as in `add`.
        """
        ...

    def optimize_search(self) -> None:
        """Compact the search index after many tips were written; takes 10 ms per thousand tips."""
        ...

    def set_state(self, tip_id: int, state: TipState, *, sent_on: date | None = None) -> None: ...
    def set_problem(self, tip: TipFull, problem: str) -> bool:
        """Record why no email can be made of a tip, as a clause, or that nothing is wrong (""); did that change anything?

        tip: as it was checked; nothing is recorded about a text that has been changed since.
        """
        ...

    def unretire(self, tip_id: int, *, otherwise: TipState) -> None:
        """Give a retired tip the state back that it had before; `otherwise` if an older version retired it."""
        ...

    def move(self, key: str, *, before: str | None = None, first: bool = False) -> None:
        """Move a tip to the front of the queue, before another tip, or (neither given) to its end; raises NotFound."""
        ...

    def key_taken(self, key: str) -> bool:
        """Is or was this the key of a tip?"""
        ...

    def is_key(self, key: str) -> bool: ...
    def change_key(self, tip_id: int, key: str) -> None:
        """Give a tip another key; the old one redirects to it from now on."""
        ...

    def histories(self) -> Mapping[int, TipHistory]:
        """What is known about every tip beside its text, by its id, in the order of the queue."""
        ...

    def restore(self, tip_id: int, history: TipHistory) -> None:
        """Write a history, except for the order. Former keys that are taken are left out."""
        ...

    def arrange(self, tip_ids: Sequence[int]) -> None:
        """Give these tips the places that they have now, in this order; all others stay where they are."""
        ...

    def has_sent(self) -> bool:
        """Was an issue ever sent from this database?"""
        ...

    def vote(self, tip_id: int, subscriber_id: int, *, useful: bool) -> None:
        """Record the answer of a subscriber; it replaces an earlier one."""
        ...

    def votes(self, tip_id: int) -> Votes: ...
    def useful(self) -> Mapping[str, int]:
        """Tip key to the number of subscribers who found it useful; tips without one are left out."""
        ...
