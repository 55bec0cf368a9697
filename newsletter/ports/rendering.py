"""Rendering: templates and values in, the parts of an email out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from newsletter.domain.archive.entries import NO_ARCHIVE_LINKS, ArchiveLinks
from newsletter.domain.tips.tip import TipText


@dataclass(frozen=True, slots=True)
class Rendered:
    """An email before it becomes a MIME message.

    subject: a single line. text: the plain-text part. html: the HTML part, with its CSS inlined.
    """

    subject: str
    text: str
    html: str


NO_EXTRA_VALUES: Mapping[str, object] = {}


class Renderer(Protocol):
    """Renders emails from templates. Every method raises TemplateError, with the file and the line."""

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
        """Render the weekly email.

        recipient: a value or a sentinel for every placeholder in `mail.compiled.PLACEHOLDERS`. kind: a folder whose
        templates override those of the issue, such as `preview`. extra: more values for these templates.
        """
        ...

    def transactional(self, kind: str, values: Mapping[str, object]) -> Rendered:
        """Render a transactional email; `kind` is its folder in templates/email."""
        ...
