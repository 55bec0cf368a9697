"""Render every email to subscribers and to the owner, before MIME. Each kind has a folder of templates over a common base."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from functools import lru_cache
from pathlib import Path

from newsletter.domain.archive.entries import NO_ARCHIVE_LINKS, ArchiveLinks, preview_text
from newsletter.domain.errors import TemplateError
from newsletter.domain.site import Site
from newsletter.domain.slot_days import TUESDAYS, WEEKDAYS, SlotDays
from newsletter.domain.tips.pictures import FOLDER
from newsletter.domain.tips.tip import MAX_SUBJECT, TipText
from newsletter.ports.rendering import NO_EXTRA_VALUES, Rendered
from newsletter.rendering.inline import CachedInliner, inline
from newsletter.rendering.templates import Templates
from newsletter.rendering.text import to_text, underlined, wrap
from newsletter.rendering.translations import Translations, in_html, unbroken

COLUMN = 504  # pixels: the width of the text in emails
CACHE_SIZE = 32  # inlined emails that differ in more than links and addresses
FOOTER = ("Contact", "More resources", "Home page")  # a subscriber has signed up already
YEARS = {5: "Five years", 10: "Ten years", 15: "Fifteen years", 20: "Twenty years"}
_KIND = re.compile(r"[a-z][a-z0-9_]*\Z")


class EmailTemplates:
    """Implements `ports.rendering.Renderer`. template_dirs: each has a folder `email`; the owner's directory comes first.

    days: those of the schedule, which the welcome email names.
    """

    def __init__(self, site: Site, template_dirs: Sequence[Path], days: SlotDays = TUESDAYS) -> None:
        self._site = site
        self.templates = Templates([directory / "email" for directory in template_dirs])
        self._inlined = lru_cache(maxsize=CACHE_SIZE)(inline)
        self.translations = Translations(site.language, template_dirs)
        self.templates.environment.globals |= {
            "site": site,
            "brand": site.brand,
            "_": self.translations.gettext_function(),
            "direction": self.translations.direction,
            "when": days.when(self.translations.translate),
            "footer_links": _footer_links(site, self.translations),
        }
        self.templates.environment.filters |= {
            **self.translations.filters(),
            "weekday": lambda day: self.translations.translate(WEEKDAYS[day.weekday()]),
            "years": lambda years: self.translations.translate(YEARS[years]),
            "number": self.translations.number,
            "plain": to_text,
            "shorten": shorten,
            "unbroken": unbroken,
            "underlined": underlined,
            "wrap": wrap,
        }

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
        """The email of an issue. recipient: values or sentinels by the names of `compiled.PLACEHOLDERS`. Raises TemplateError."""
        values = {
            "tip": tip,
            "number": number,
            "slot": slot,
            "beside": archive_links,
            "preview_text": preview_text(tip),
            "online_url": self._site.url(f"/tips/{tip_key}"),
            "body_html": in_html(tip.body, self._site.url(f"/{FOLDER}/"), COLUMN),
            "body_text": to_text(tip.body),
            **recipient,
            **extra,
        }
        return self._render(kind, values)

    def transactional(self, kind: str, values: Mapping[str, object]) -> Rendered:
        """A transactional email. kind: its folder. Raises TemplateError, also for an unknown kind."""
        if not _KIND.match(kind):
            raise TemplateError(f"not a kind of email: {kind!r}")
        return self._render(kind, values, CachedInliner(values, self._inlined))

    def _render(self, kind: str, values: Mapping[str, object], inlined: Callable[[str], str] = inline) -> Rendered:
        # A subject is one line, whatever line breaks its template has (RFC 5322 section 2.2).
        subject = " ".join(self.templates.render(f"{kind}/subject.txt", values).split())
        text = self.templates.render(f"{kind}/body.txt", values)
        html = self.templates.render(f"{kind}/body.html", {**values, "subject": subject})
        return Rendered(subject, _tidy(text), inlined(html))


def shorten(text: str, width: int = MAX_SUBJECT) -> str:
    """The text in at most `width` characters, cut between words."""
    if len(text) <= width:
        return text
    return text[: width - 1].rsplit(None, 1)[0].rstrip(" ,;:.–—-") + "…"


def _footer_links(site: Site, translations: Translations) -> list[tuple[str, str]]:
    """(text, URL) of the footer links that are set, in order."""
    urls = (site.contact_url, site.resources_url, site.home_url)
    return [(translations.translate(text), url) for text, url in zip(FOOTER, urls, strict=True) if url]


def _tidy(text: str) -> str:
    """The text with at most two empty lines in a row and one newline at its end."""
    return re.sub(r"\n{4,}", "\n\n\n", text).strip("\n") + "\n"
