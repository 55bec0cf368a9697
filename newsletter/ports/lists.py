"""The lists of an installation, as the use cases see them."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from newsletter.domain.lists import MailingList


class Lists(Protocol):
    """The lists; `Tx.lists`."""

    def mine(self) -> MailingList:
        """The list that this transaction sees."""
        ...

    def shown_key(self, list_id: int | None = None) -> str:
        """The key of a list as texts and advice have it: "" for the first list, and for one that does not exist.

        list_id: that of this transaction, unless it is given.
        """
        ...

    def each(self, *, retired: bool = False) -> list[MailingList]:
        """The lists in their order, the first one first. retired: those as well."""
        ...

    def get(self, key: str) -> MailingList:
        """Raises NotFound, which names the lists there are; a retired list is found too."""
        ...

    def add(self, new: MailingList, now: datetime) -> MailingList:
        """Insert a list; its id and position follow the last ones, whatever `new` says."""
        ...

    def write(self, changed: MailingList) -> None:
        """Replace everything but the id and the key."""
        ...
