"""The pages for the two feedback links in an email: a page that asks, and a button that records the answer."""

from __future__ import annotations

from starlette.responses import Response

from newsletter.app import App
from newsletter.domain.errors import NotFound
from newsletter.web.pages import Pages
from newsletter.web.requests import Body

ANSWERS = {"yes": True, "no": False}


class Feedback:
    """One method per URL. They run in threads."""

    def __init__(self, app: App, pages: Pages) -> None:
        self._app = app
        self._pages = pages

    def ask(self, token: str, answer: str) -> Response:
        """A page with a button: mail scanners follow both links, but submit no forms."""
        useful = _useful(answer)
        view = self._app.feedback.inspect(token)
        return self._pages.page("useful", view=view, useful=useful, counted=False)

    def vote(self, token: str, answer: str, _: Body) -> Response:
        """Record the answer."""
        useful = _useful(answer)
        view = self._app.feedback.vote(token, useful=useful)
        return self._pages.page("useful", view=view, useful=useful, counted=True)


def _useful(answer: str) -> bool:
    if answer not in ANSWERS:
        raise NotFound(f"no such answer: {answer[:20]!r}")
    return ANSWERS[answer]
