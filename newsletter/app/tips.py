"""The verbs of the library, bound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from newsletter.app.wiring import Parts

if TYPE_CHECKING:
    from newsletter.actions.tips.export import Exported
    from newsletter.actions.tips.import_tips import Report as TipsReport
    from newsletter.domain.archive.entries import Votes
    from newsletter.domain.tips.tip import ConflictChoice, TipCard
    from newsletter.rendering.preflight import Finding


@dataclass
class TipVerbs(Parts):
    """What one can do with tips."""

    def import_tips(
        self,
        paths: Sequence[Path],
        *,
        format_: str = "auto",
        queue: bool = False,
        dry_run: bool = False,
        take: ConflictChoice | None = None,
    ) -> TipsReport:
        """Read tips from files and directories into the library."""
        from newsletter.actions.tips.import_tips import import_tips
        from newsletter.importers import read

        found = read(paths, format_)
        return import_tips(self.store, found, queue=queue, dry_run=dry_run, now=self.clock(), take=take)

    def export_tips(self, directory: Path, *, dry_run: bool = False) -> Exported:
        """Every tip as a Markdown file that imports as unchanged."""
        from newsletter.actions.tips.export import export_tips
        from newsletter.importers import to_markdown_file

        return export_tips(self.store, directory, to_markdown_file, dry_run=dry_run)

    def tip_file(self, key: str) -> str:
        """One tip as a Markdown file; raises NotFound."""
        from newsletter.importers import to_markdown_file

        with self.store.read() as tx:
            return to_markdown_file(tx.tips.get(key).text)

    def edit_tip(self, key: str, written: str) -> TipsReport:
        """Put a tip's file in place of the tip; another key in it moves the tip, and its old address leads on."""
        from newsletter.actions.tips.edit import edit_tip
        from newsletter.importers.markdown import parse

        return edit_tip(self.store, key, parse(written, f"{key}.md")[0], now=self.clock())

    def preflight(self, letter: bytes) -> list[Finding]:
        """What mail programs and their filters will find in a finished letter."""
        from newsletter.rendering.preflight import preflight

        return preflight(letter)

    def show_letter(self, letter: bytes, findings: Sequence[Finding]) -> Path:
        """Write the letter beside its checks as a page in the data directory, and open the browser, where there is one."""
        import webbrowser

        from newsletter.rendering.side_by_side import side_by_side

        page = (self.settings.data_dir / "preview.html").resolve()
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(side_by_side(letter, findings), encoding="utf-8")
        webbrowser.open(page.as_uri())
        return page

    def votes(self, tip_id: int) -> Votes:
        """How readers answered to "was this useful?"."""
        with self.store.read() as tx:
            return tx.tips.votes(tip_id)

    def retire_tip(self, key: str) -> TipCard:
        """Never run this tip again."""
        from newsletter.domain.tips.tip import TipState

        with self.store.write() as tx:
            tx.tips.set_state(tx.tips.get(key).card.id, TipState.RETIRED)
            return tx.tips.get(key).card

    def move_tip(self, key: str, *, before: str | None = None, first: bool = False) -> TipCard:
        """Give a tip another place in the queue."""
        with self.store.write() as tx:
            tx.tips.move(key, before=before, first=first)
            return tx.tips.get(key).card
