"""The verbs of the library, bound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from newsletter.app.parts import Parts

if TYPE_CHECKING:
    from newsletter.actions.import_tips import Report as TipsReport
    from newsletter.domain.tips import TipCard


@dataclass
class TipVerbs(Parts):
    """What one can do with tips."""

    def import_tips(
        self, paths: Sequence[Path], *, format_: str = "auto", queue: bool = False, dry_run: bool = False
    ) -> TipsReport:
        """Read tips from files and directories into the library."""
        from newsletter.actions.import_tips import import_tips
        from newsletter.importers import read

        return import_tips(self.store, read(paths, format_), queue=queue, dry_run=dry_run, now=self.clock())

    def retire_tip(self, key: str) -> TipCard:
        """Never run this tip again."""
        from newsletter.domain.tips import TipState

        with self.store.write() as tx:
            tx.tips.set_state(tx.tips.get(key).card.id, TipState.RETIRED)
            return tx.tips.get(key).card

    def move_tip(self, key: str, *, before: str | None = None, first: bool = False) -> TipCard:
        """Give a tip another place in the queue."""
        with self.store.write() as tx:
            tx.tips.move(key, before=before, first=first)
            return tx.tips.get(key).card
