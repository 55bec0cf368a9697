"""Render the templates of the public pages into responses, and hold their stylesheet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from hashlib import sha256
from pathlib import Path

from starlette.responses import HTMLResponse, Response

from newsletter.domain.calendar.schedule import Schedule
from newsletter.domain.site import Site
from newsletter.rendering.data import data_dir
from newsletter.rendering.pages import PageTemplates


class Pages(PageTemplates):
    """The pages of one newsletter. own: a directory whose files override ours one by one, or None."""

    def __init__(
        self, site: Site, schedule: Schedule, own: Path | None, coming_day: Callable[[], date] | None = None
    ) -> None:
        super().__init__(site, schedule, [*([own] if own else []), data_dir() / "templates"], coming_day)
        self.own = own
        self.style = self.templates.render("style.css", {"site": site}).encode()
        self.style_tag = sha256(self.style).hexdigest()[:16]
        self.templates.environment.globals["style_url"] = self.path(f"/style.css?v={self.style_tag}")
        self.proof_script = self.templates.render("proof.js", {}).encode()
        self.proof_tag = sha256(self.proof_script).hexdigest()[:16]
        self.templates.environment.globals["proof_url"] = self.path(f"/proof.js?v={self.proof_tag}")

    def page(
        self, template: str, status: int = 200, headers: Mapping[str, str] | None = None, **values: object
    ) -> HTMLResponse:
        """One page. Raises TemplateError if `values` lacks a name that the template uses."""
        return HTMLResponse(self.templates.render(f"{template}.html", values), status, headers)

    def static(self, template: str, summary: str) -> Callable[[], Response]:
        """A handler for a page without values. summary: one sentence, for the list of addresses and for OpenAPI."""

        def handler() -> Response:
            return self.page(template)

        handler.__doc__ = summary
        return handler
