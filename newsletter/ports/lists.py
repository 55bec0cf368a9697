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
