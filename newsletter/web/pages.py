"""Pages as answers, and their stylesheet; knows no request and no row."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from starlette.responses import HTMLResponse

from newsletter.domain.calendar.schedule import Schedule
from newsletter.domain.site import Site
from newsletter.rendering.data import data_dir
from newsletter.rendering.pages import PageTemplates


class Pages(PageTemplates):
    """The pages of one newsletter. own: a directory whose files win over ours, one by one, or None."""

    def __init__(self, site: Site, schedule: Schedule, own: Path | None) -> None:
        super().__init__(site, schedule, [*([own] if own else []), data_dir() / "templates"])
        self.style = self.templates.render("style.css", {"site": site}).encode()
        self.style_tag = sha256(self.style).hexdigest()[:16]
        self.templates.environment.globals["style_url"] = self.path(f"/style.css?v={self.style_tag}")

    def page(
        self, template: str, status: int = 200, headers: Mapping[str, str] | None = None, **values: object
    ) -> HTMLResponse:
        """One page; `values` must have all that its template names, else TemplateError."""
        return HTMLResponse(self.templates.render(f"{template}.html", values), status, headers)
