"""Templates to pages; knows no request and no row."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

from markupsafe import Markup, escape
from starlette.responses import HTMLResponse

from newsletter.domain.calendar import Schedule
from newsletter.domain.reading import Entry
from newsletter.domain.seasons import WEEKDAYS
from newsletter.domain.site import Site
from newsletter.rendering.data import data_dir
from newsletter.rendering.markdown import to_html
from newsletter.rendering.templates import Templates
from newsletter.rendering.words import Words, link, sentence, strong


class Pages:
    """The pages of one newsletter. own: a directory whose files win over ours, one by one, or None."""

    def __init__(self, site: Site, schedule: Schedule, own: Path | None) -> None:
        folders = [*([own] if own else []), data_dir() / "templates"]
        self._templates = Templates([folder / "web" for folder in folders])
        self.style = self._templates.render("style.css", {"site": site}).encode()
        self.style_tag = sha256(self.style).hexdigest()[:16]
        self._root = urlsplit(site.base_url).path
        self.words = Words(site.language, folders)
        self._templates.environment.globals |= {
            "site": site,
            "_": self.words.for_templates(),
            "language": self.words.language,
            "direction": self.words.direction,
            "weekday": self.words.say(WEEKDAYS[schedule.weekday]),
            "path": self.path,
            "style_url": self.path(f"/style.css?v={self.style_tag}"),
        }
        self._templates.environment.filters |= {
            "byline": self._byline,
            "day": self.words.day,
            "link": link,
            "markdown": _markdown,
            "sentence": sentence,
            "strong": strong,
            "told": self.words.told,
        }

    def _byline(self, tip: Entry) -> Markup:
        """The day a tip ran and its categories. Here and not in a template, which would take ten times as long."""
        ran = [f'<time datetime="{tip.ran_on}">{escape(self.words.day(tip.ran_on))}</time>'] if tip.ran_on else []
        folder = self.path("/categories/")
        labels = [f'<a href="{escape(folder + one.slug)}">{escape(one.name)}</a>' for one in tip.categories if one.slug]
        return Markup(" · ".join([*ran, *labels]))  # noqa: S704 - escaped piece by piece

    def path(self, path: str) -> str:
        """An address on this site as links write it: base_url may have a path of its own."""
        return f"{self._root}{path}"

    def page(
        self, template: str, status: int = 200, headers: Mapping[str, str] | None = None, **values: object
    ) -> HTMLResponse:
        """One page; `values` must have all that its template names, else TemplateError."""
        return HTMLResponse(self._templates.render(f"{template}.html", values), status, headers)


def _markdown(text: str) -> Markup:
    return Markup(to_html(text))  # noqa: S704 - raw HTML is escaped there
