"""The library of tips."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from newsletter.actions.calendar.explain import LintResult, WhyTip
    from newsletter.actions.tips.export import Exported
    from newsletter.actions.tips.import_tips import Report as TipsReport
    from newsletter.app.wiring import App
    from newsletter.domain.archive.entries import Votes
    from newsletter.domain.tips.tip import ConflictChoice, TipCard


class Tips:
    """The library: import, edit, order, lint and explain."""

    def __init__(self, app: App) -> None:
        self._app = app

    def import_files(
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
        return import_tips(self._app.store, found, queue=queue, dry_run=dry_run, now=self._app.clock(), take=take)

    def export(self, directory: Path, *, dry_run: bool = False) -> Exported:
        """Every tip as a Markdown file that imports as unchanged."""
        from newsletter.actions.tips.export import export_tips
        from newsletter.importers import to_markdown_file

        return export_tips(self._app.store, directory, to_markdown_file, dry_run=dry_run)

    def as_file(self, key: str) -> str:
        """One tip as a Markdown file; raises NotFound."""
        from newsletter.importers import to_markdown_file

        with self._app.store.read() as tx:
            return to_markdown_file(tx.tips.get(key).text)

    def edit(self, key: str, written: str) -> TipsReport:
        """Put a tip's file in place of the tip; another key in it moves the tip, and its old address leads on."""
        from newsletter.actions.tips.edit import edit_tip
        from newsletter.importers.markdown import parse

        return edit_tip(self._app.store, key, parse(written, f"{key}.md")[0], now=self._app.clock())

    def votes(self, tip_id: int) -> Votes:
        """How readers answered to "was this useful?"."""
        with self._app.store.read() as tx:
            return tx.tips.votes(tip_id)

    def retire(self, key: str) -> TipCard:
        """Never run this tip again."""
        from newsletter.domain.tips.tip import TipState

        with self._app.store.write() as tx:
            tx.tips.set_state(tx.tips.get(key).card.id, TipState.RETIRED)
            return tx.tips.get(key).card

    def move(self, key: str, *, before: str | None = None, first: bool = False) -> TipCard:
        """Give a tip another place in the queue."""
        with self._app.store.write() as tx:
            tx.tips.move(key, before=before, first=first)
            return tx.tips.get(key).card

    def title_today(self, key: str) -> str:
        """A tip's title as it would be in a letter of today; raises NotFound."""
        with self._app.store.read() as tx:
            return tx.tips.get(key).dated(self._app.schedule.day_of(self._app.clock())).card.title

    def why(self, key: str, on: date | None = None) -> WhyTip:
        """When a tip goes out, and why not on a date."""
        from newsletter.actions.calendar.explain import why_tip

        return why_tip(self._app.store, self._app.rules, key, self._app.clock(), on)

    def lint(self, keys: Sequence[str] = ()) -> list[LintResult]:
        """What will not age well, or not mail well."""
        from newsletter.actions.calendar.explain import lint_tips

        return lint_tips(self._app.store, tuple(keys), self._app.schedule.day_of(self._app.clock()))

    def lint_links(
        self, keys: Sequence[str] = (), progress: Callable[[int, int], None] | None = None
    ) -> list[LintResult]:
        """Which links of the tips are dead; asks the web. progress: (asked, of how many)."""
        from functools import partial

        from newsletter.actions.calendar.explain import lint_links
        from newsletter.http.link_checker import check_links

        return lint_links(self._app.store, tuple(keys), partial(check_links, on_progress=progress))

    def pin(self, key: str, slot: date) -> str:
        """Give a tip its day; its title."""
        from newsletter.actions.calendar.overrides import pin

        return pin(self._app.store, self._app.rules, key, slot, self._app.clock())

    def unpin(self, key: str) -> str:
        """Back into the queue; its title."""
        from newsletter.actions.calendar.overrides import unpin

        return unpin(self._app.store, key)

    def rerun(self, key: str, rule: str | None = None, *, unseen: bool | None = None) -> str:
        """Say when a tip may run again, and for whom; None leaves that as it is. The whole rule in words."""
        from newsletter.actions.calendar.overrides import rerun

        return rerun(self._app.store, key, rule, self._app.clock(), unseen=unseen)
