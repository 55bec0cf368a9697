"""The page behind the four links of a preview email, for the owner: GET shows the action, POST performs it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.responses import Response

from newsletter.app import App
from newsletter.domain.calendar.overrides import Action
from newsletter.domain.errors import Refused
from newsletter.web.pages import Pages
from newsletter.web.requests import Body

if TYPE_CHECKING:
    from newsletter.actions.owner.links import SlotView

CONFLICT = 409


@dataclass(frozen=True, slots=True)
class ActionTexts:
    """The texts of one action: the question, its button, the confirmation, and its label among the other actions."""

    question: str
    button: str
    done: str
    label: str


ACTION_TEXTS = {
    Action.APPROVE: ActionTexts("Approve this issue?", "Yes, approve it", "This issue is approved", "Approve"),
    Action.SKIP: ActionTexts("Skip this week?", "Yes, skip this week", "This week will be skipped", "Skip this week"),
    Action.SWAP: ActionTexts("Swap these two tips?", "Yes, swap them", "The tips have been swapped", "Swap with next"),
    Action.HOLD: ActionTexts("Hold this issue?", "Yes, hold it", "This issue is on hold", "Hold"),
    Action.UNDO: ActionTexts("Undo your decision?", "Yes, undo it", "Your decision is undone", "Undo"),
}


class OwnerLinks:
    """One method per address. They run in threads, so each may wait for the database."""

    def __init__(self, app: App, pages: Pages) -> None:
        self._app = app
        self._pages = pages

    def action_page(self, token: str) -> Response:
        """A page that shows what the link would do, with a button. Mail scanners follow links but do not submit forms."""
        return self._page(self._app.preview_links.view(token))

    def act(self, token: str, _: Body) -> Response:
        """Perform the action. If the plan has changed since the email, approvals and swaps are asked for again."""
        before = self._app.preview_links.view(token)
        try:
            after = self._app.preview_links.act(token)
        except Refused as error:
            return self._page(before, problem=str(error), status=CONFLICT)
        asks_again = (
            before.changed and before.action in (Action.APPROVE, Action.SWAP) and after.override == before.override
        )
        is_shown_again = before.other_words and before.action is Action.APPROVE
        return self._page(after, done=not asks_again, is_shown_again=is_shown_again)

    def _page(
        self,
        view: SlotView,
        *,
        done: bool = False,
        is_shown_again: bool = False,
        problem: str = "",
        status: int = 200,
    ) -> Response:
        left_out = {view.action, Action.UNDO}
        if view.line and view.line.tip is None:  # skipped, or nothing is left to send
            left_out |= {Action.SWAP, Action.SKIP}
        others = [(action.value, words.label) for action, words in ACTION_TEXTS.items() if action not in left_out]
        return self._pages.page(
            "owner",
            status,
            view=view,
            words=ACTION_TEXTS[view.action],
            others=others,
            done=done,
            is_shown_again=is_shown_again,
            problem=problem,
            undo=_undo(view) if done else None,
        )


def _undo(view: SlotView) -> Action | None:
    """What takes back the action that was just done: a second swap, or the end of the override."""
    if view.action is Action.SWAP:
        return Action.SWAP
    return Action.UNDO if view.override else None
