"""The two feedback links below a tip in an email: GET asks, POST counts the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response

from newsletter.app import App
from newsletter.domain.errors import NotFound
from newsletter.web.lists import Lists
from newsletter.web.requests import Body

if TYPE_CHECKING:
    from newsletter.actions.tips.vote import VoteView

ANSWERS = {"yes": True, "no": False}


class FeedbackPages:
    """One method per address. They run in threads, so each may wait for the database."""

    def __init__(self, app: App, lists: Lists) -> None:
        self._app = app
        self._lists = lists

    def feedback_page(self, token: str, answer: str) -> Response:
        """A page with a button that counts the answer. Mail scanners follow both links but do not submit forms."""
        useful = _is_useful(answer)
        return self._page(self._app.feedback.inspect(token), useful=useful, counted=False)

    def vote(self, token: str, answer: str, _: Body) -> Response:
        """Count the answer, in place of an earlier one of the same subscriber."""
        useful = _is_useful(answer)
        return self._page(self._app.feedback.vote(token, useful=useful), useful=useful, counted=True)

    def _page(self, view: VoteView, *, useful: bool, counted: bool) -> Response:
        """In the looks of the list that the email is from."""
        pages = self._lists.of_id(view.list_id).pages
        return pages.page("feedback", view=view, useful=useful, counted=counted)


def _is_useful(answer: str) -> bool:
    if answer not in ANSWERS:
        raise NotFound(f"no such answer: {answer[:20]!r}")
    return ANSWERS[answer]
