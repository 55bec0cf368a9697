"""Every mail a reader or the owner gets, before MIME: one folder of templates each, over one base."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

from markupsafe import Markup

from newsletter.domain.errors import TemplateError
from newsletter.domain.ports import Rendered
from newsletter.domain.site import Site
from newsletter.domain.tips import TipText
from newsletter.mail.personal import day_in_words
from newsletter.rendering.inline import inline
from newsletter.rendering.markdown import to_html
from newsletter.rendering.templates import Templates
from newsletter.rendering.text import to_text, underlined, wrap

MAX_SUBJECT = 60
_KIND = re.compile(r"[a-z][a-z0-9_]*\Z")
_RIGHT_TO_LEFT = ("ar", "fa", "he", "ur")


class Letters:
    """The `Renderer` of domain/ports.py. template_dirs: each holds a folder `email`; the owner's first."""

    def __init__(self, site: Site, template_dirs: Sequence[Path]) -> None:
        self._site = site
        self._templates = Templates([directory / "email" for directory in template_dirs])
        self._templates.environment.globals |= {
            "site": site,
            "direction": "rtl" if site.language.startswith(_RIGHT_TO_LEFT) else "ltr",
            "footer_links": _footer_links(site),
        }
        self._templates.environment.filters |= {
            "day": day_in_words,
            "shorten": shorten,
            "underlined": underlined,
            "wrap": wrap,
        }

    def issue(self, tip: TipText, *, tip_key: str, number: int, slot: date, person: Mapping[str, str]) -> Rendered:
        """The weekly letter; raises TemplateError."""
        values = {
            "tip": tip,
            "number": number,
            "slot": slot,
            "online_url": self._site.url(f"/tips/{tip_key}"),
            "body_html": Markup(to_html(tip.body)),  # noqa: S704 - markdown-it escapes raw HTML
            "body_text": to_text(tip.body),
            **person,
        }
        return self._render("issue", values)

    def notice(self, kind: str, values: Mapping[str, object]) -> Rendered:
        """A transactional mail; raises TemplateError, also for a kind that has no folder."""
        if not _KIND.match(kind):
            raise TemplateError(f"not a kind of mail: {kind!r}")
        return self._render(kind, values)

    def _render(self, kind: str, values: Mapping[str, object]) -> Rendered:
        subject = " ".join(self._templates.render(f"{kind}/subject.txt", values).split())
        text = self._templates.render(f"{kind}/body.txt", values)
        html = self._templates.render(f"{kind}/body.html", {**values, "subject": subject})
        return Rendered(subject, _tidy(text), inline(html))


def shorten(text: str, width: int = MAX_SUBJECT) -> str:
    """At most `width` characters, cut after a word."""
    if len(text) <= width:
        return text
    return text[: width - 1].rsplit(None, 1)[0].rstrip(" ,;:.–—-") + "…"


def _footer_links(site: Site) -> list[tuple[str, str]]:
    """The links of the footer that are set, in their order."""
    links = [
        ("Sign up", site.url("/")),
        ("Contact", site.contact_url),
        ("More resources", site.resources_url),
        ("Home page", site.home_url),
    ]
    return [(words, url) for words, url in links if url]


def _tidy(text: str) -> str:
    """Never more than two empty lines, one line end at the end."""
    return re.sub(r"\n{4,}", "\n\n\n", text).strip("\n") + "\n"
