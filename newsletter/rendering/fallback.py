"""Emails to the owner with our own templates if hers cannot be used: an alert about a broken template must reach her."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date

from newsletter.domain.archive.entries import NO_ARCHIVE_LINKS, ArchiveLinks
from newsletter.domain.errors import TemplateError
from newsletter.domain.tips.tip import TipText
from newsletter.ports.rendering import NO_EXTRA_VALUES, Rendered, Renderer


@dataclass(frozen=True)
class FallbackRenderer:
    """Implements ports.rendering.Renderer. ours: for these kinds, if `own` raises TemplateError or cannot be made."""

    own: Callable[[], Renderer]
    ours: Callable[[], Renderer]
    kinds: Collection[str]

    def issue(
        self,
        tip: TipText,
        *,
        tip_key: str,
        number: int,
        slot: date,
        recipient: Mapping[str, str],
        archive_links: ArchiveLinks = NO_ARCHIVE_LINKS,
        kind: str = "issue",
        extra: Mapping[str, object] = NO_EXTRA_VALUES,
    ) -> Rendered:
        """The email of an issue. Raises TemplateError."""

        def render(renderer: Renderer) -> Rendered:
            return renderer.issue(
                tip,
                tip_key=tip_key,
                number=number,
                slot=slot,
                recipient=recipient,
                archive_links=archive_links,
                kind=kind,
                extra=extra,
            )

        return self._render(kind, render)

    def transactional(self, kind: str, values: Mapping[str, object]) -> Rendered:
        """A transactional email. Raises TemplateError."""
        return self._render(kind, lambda renderer: renderer.transactional(kind, values))

    def _render(self, kind: str, render: Callable[[Renderer], Rendered]) -> Rendered:
        try:
            return render(self.own())
        except TemplateError:
            if kind not in self.kinds:
                raise
            return render(self.ours())
