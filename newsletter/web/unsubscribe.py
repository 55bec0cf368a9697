"""Unsubscribe: the page behind the link of every email, one click in the email program, the reason, and resubscribing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

from newsletter.app import App
from newsletter.domain.lists import FIRST_LIST
from newsletter.domain.slot_days import listed
from newsletter.domain.subscribers.address import masked_address
from newsletter.domain.subscribers.subscription import Reason, Verdict
from newsletter.web.pages import Pages
from newsletter.web.requests import Body, Fields, origin_of, read_fields
from newsletter.web.shown_lists import ShownList, shown_list, shown_lists
from newsletter.web.signup import FORM_VERSION

if TYPE_CHECKING:
    from newsletter.actions.subscribers.unsubscribe import UnsubscribeView

REASONS = {
    Reason.TOO_OFTEN: "The emails come too often",
    Reason.NOT_USEFUL: "The tips aren’t useful to me",
    Reason.NO_TIME: "I don’t have time to read them",
    Reason.NEVER_ASKED: "I never signed up",
    Reason.OTHER: "Another reason",
}
ALL = "all"


async def read_unsubscribe_method(request: Request, body: Body) -> str:
    """How someone unsubscribes: "one-click" for the body of RFC 8058 section 3.1, "page" for the button, ALL for that button.

    A body that cannot be read still unsubscribes: a mail program that sends it oddly must not fail.
    """
    try:
        fields = await read_fields(request, body)
    except HTTPException:
        return "page"
    if fields.get("List-Unsubscribe") == "One-Click":
        return "one-click"
    return ALL if fields.get("all") == "yes" else "page"


UnsubscribeMethod = Annotated[str, Depends(read_unsubscribe_method)]


class UnsubscribePages:
    """One method per address. They run in threads, so each may wait for the database."""

    def __init__(self, app: App, pages: Pages) -> None:
        self._app = app
        self._pages = pages

    def unsubscribe_page(self, token: str) -> Response:
        """A page with a button that unsubscribes. The address is masked, since emails are forwarded."""
        view = self._app.unsubscribe_links.view(token)
        if view.verdict is Verdict.ALREADY:
            return self.unsubscribed_page(token, already=True, view=view)
        return self._button_page(token, view)

    def unsubscribe(self, token: str, how: UnsubscribeMethod) -> Response:
        """Unsubscribe with one click (RFC 8058 section 3.2: status 200, no redirect, no cookie) or with the button."""
        links = self._app.unsubscribe_links
        done = links.unsubscribe_all(token, how="page") if how == ALL else links.unsubscribe(token, how=how)
        return self.unsubscribed_page(token, already=done.verdict is Verdict.ALREADY, asks=not done.quarterly)

    def save_reason(self, token: str, request: Request, fields: Fields) -> Response:
        """Save why someone unsubscribed, or their consent to one tip every three months."""
        links = self._app.unsubscribe_links
        if "season" in fields:
            # The form and the origin are kept as proof of this consent.
            agrees, form = fields.get("quarterly") == "yes", f"page/{FORM_VERSION}"
            view, saved = links.set_quarterly(token, agrees=agrees, form=form, origin=origin_of(request)), "quarterly"
        else:
            view = links.save_reason(token, reason=fields.get("reason", ""), comment=fields.get("words", ""))
            saved = "reason"
        return self.unsubscribed_page(token, already=False, view=view, saved=saved)

    def unsubscribed_page(
        self,
        token: str,
        *,
        already: bool,
        view: UnsubscribeView | None = None,
        saved: str = "",
        asks: bool = True,
    ) -> Response:
        """The page after unsubscribing. asks: ask for the reason. saved: "reason" or "quarterly"."""
        view = view or self._app.unsubscribe_links.view(token)
        if view.verdict is Verdict.DO:  # subscribed again in the meantime
            return self._button_page(token, view)
        asks = asks and bool(view.address) and view.status == "unsubscribed"
        action = self._pages.path(f"/u/{token}/why") if asks else ""
        return self._pages.page(
            "unsubscribed",
            already=already,
            why=action,
            reasons=REASONS,
            view=view,
            thanks=bool(saved),
            saved=saved,
            title=self._titles(view),
            others=self._others(token, view),
            all=self._pages.path(f"/u/{token}"),
        )

    def _titles(self, view: UnsubscribeView) -> str:
        """The title of the list that the link is about, or the titles of all of them."""
        titles = [self._app.of_list_id(one).site.title for one in view.ends or (view.list_id,)]
        return listed(titles, self._pages.translations.translate)

    def _others(self, token: str, view: UnsubscribeView) -> list[tuple[ShownList, str]]:
        """The other lists that somebody is subscribed to, each with the address that ends it."""
        links = self._app.unsubscribe_links
        return [
            (shown_list(self._app, self._pages, one), self._pages.path(f"/u/{links.token_for(token, one)}"))
            for one in view.others
        ]

    def _button_page(self, token: str, view: UnsubscribeView) -> Response:
        is_offered = view.status in {"confirmed", "paused"} and not view.ends_quarterly and not view.ends
        preferences = self._app.unsubscribe_links.preferences_token(token)
        of_list = self._app.of_list_id(view.list_id)
        return self._pages.page(
            "unsubscribe",
            title=self._titles(view),
            list_key=of_list.list_key,
            is_named=view.list_id != FIRST_LIST or bool(view.ends or view.others),
            address=masked_address(view.address),
            quarterly=view.ends_quarterly,
            standing=view.status,
            preferences=self._pages.path(f"/p/{preferences}") if is_offered else "",
        )

    # -- resubscribe ---------------------------------------------------------------------------

    def resubscribe_page(self, token: str) -> Response:
        """A page with a button that signs up again; the unsubscribe email links here."""
        subscriber, list_id = self._app.unsubscribe_links.resubscriber(token)
        lists = shown_lists(self._app, self._pages, [list_id])
        return self._pages.page("resubscribe", address=masked_address(subscriber.address), lists=lists)

    def resubscribe(self, token: str, request: Request, _: Body) -> Response:
        """Sign up again. The answer is the same as that of the sign-up form, and a confirmation email follows."""
        subscriber, list_id = self._app.unsubscribe_links.resubscriber(token)
        self._app.signup.subscribe(
            subscriber.address,
            subscriber.name,
            form=f"back/{FORM_VERSION}",
            origin=origin_of(request),
            personal=True,
            lists=[list_id],
        )
        return self._pages.page("signup_sent")
