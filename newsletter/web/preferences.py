"""Behind the personal links: preferences, leaving and why, a new address, "send me my link"; the rules are the app's."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from fastapi import Request
from starlette.responses import JSONResponse, Response

from newsletter.actions.subscribers import preferences
from newsletter.actions.subscribers import unsubscribe as unsubscribing
from newsletter.actions.subscribers.preferences import Change
from newsletter.app import App
from newsletter.domain.errors import BadToken, InputError
from newsletter.domain.subscribers.subscriber import Subscriber
from newsletter.domain.subscribers.subscription import PAUSES, Reason, Verdict
from newsletter.mail.tokens import Purpose
from newsletter.web.errors import Answer, answer_for
from newsletter.web.pages import Pages
from newsletter.web.requests import Body, Fields, UnsubscribeMethod, origin_of, wants_json
from newsletter.web.signup import FORM_VERSION, GONE, HONEYPOT

REASONS = {
    Reason.TOO_OFTEN: "The emails come too often",
    Reason.NOT_USEFUL: "The tips aren’t useful to me",
    Reason.NO_TIME: "I don’t have time to read them",
    Reason.NEVER_ASKED: "I never signed up",
    Reason.OTHER: "Another reason",
}


class PersonalPages:
    """One method per URL. They run in threads, so each may wait for the database."""

    def __init__(self, app: App, pages: Pages) -> None:
        self._app = app
        self._pages = pages

    # -- leaving -------------------------------------------------------------------------------

    def ask_unsubscribe(self, token: str) -> Response:
        """A page with a button that unsubscribes. The letter may have been passed on: the address is not shown whole."""
        view = unsubscribing.inspect_link(self._app.store, self._app.signer, token)
        if view.verdict is Verdict.ALREADY:
            return self._unsubscribed_page(token, already=True, view=view)
        return self._unsubscribe_page(view)

    def leave(self, token: str, how: UnsubscribeMethod) -> Response:
        """Unsubscribe, by one click (RFC 8058 section 3.2: 200, no redirect, no cookie) or by the button."""
        left = self._app.subscribers.unsubscribe_by_link(token, how=how)
        return self._unsubscribed_page(token, already=left.verdict is Verdict.ALREADY, asks=not left.quarterly)

    def why(self, token: str, request: Request, fields: Fields) -> Response:
        """The answer to the one question, asked after they have left; or the consent to one tip every three months."""
        store, signer = self._app.store, self._app.signer
        if "season" in fields:
            view = unsubscribing.agree_to_quarterly(
                store,
                signer,
                token,
                agrees=fields.get("quarterly") == "yes",
                form=f"page/{FORM_VERSION}",
                origin=origin_of(request),
                now=self._app.clock(),
            )
        else:
            reason, words = fields.get("reason", ""), fields.get("words", "")
            view = unsubscribing.explain(store, signer, token, reason=reason, words=words)
        return self._unsubscribed_page(token, already=False, view=view, thanks=True)

    def _unsubscribed_page(
        self,
        token: str,
        *,
        already: bool,
        view: unsubscribing.UnsubscribeView | None = None,
        thanks: bool = False,
        asks: bool = True,
    ) -> Response:
        view = view or unsubscribing.inspect_link(self._app.store, self._app.signer, token)
        if view.verdict is Verdict.DO:  # they have come back since
            return self._unsubscribe_page(view)
        asks = asks and bool(view.address) and view.status == "unsubscribed"
        action = self._pages.path(f"/u/{token}/why") if asks else ""
        return self._pages.page("left", already=already, why=action, reasons=REASONS, view=view, thanks=thanks)

    def _unsubscribe_page(self, view: unsubscribing.UnsubscribeView) -> Response:
        return self._pages.page("leave", address=masked_address(view.address), quarterly=view.ends_quarterly)

    # -- the way back --------------------------------------------------------------------------

    def ask_resubscribe(self, token: str) -> Response:
        """A page with a button, from the last mail: its press is a new sign-up, to be confirmed like the first."""
        reader = unsubscribing.find_resubscriber(self._app.store, self._app.signer, token)
        return self._pages.page("back", address=masked_address(reader.address))

    def resubscribe(self, token: str, request: Request, _: Body) -> Response:
        """A confirmation mail is on its way, or none is needed: the answer is that of the sign-up form."""
        self._app.subscribers.resubscribe(token, form=f"back/{FORM_VERSION}", origin=origin_of(request))
        return self._pages.page("sent")

    # -- preferences ---------------------------------------------------------------------------

    def preferences(self, token: str) -> Response:
        """Where the reader stands, and all they can change."""
        return self._preferences(preferences.inspect_link(self._app.store, self._app.signer, token))

    def change_preferences(self, token: str, fields: Fields) -> Response:
        """One change; `action` says which. What cannot be done is said on the same page."""
        match fields.get("action"):
            case "leave":
                return self._unsubscribe_from_preferences(token)
            case "data":
                return self.data(token)
            case "erase":
                return self._erase(token, fields)
        try:
            reader = self._app.subscribers.change_preferences(token, self._change(fields))
        except InputError as error:
            reader = preferences.inspect_link(self._app.store, self._app.signer, token)
            return self._preferences(reader, answer_for(error))
        if reader is None:
            raise BadToken("this link belongs to nobody any more")
        return self._preferences(reader, done=fields.get("action", ""))

    def data(self, token: str) -> Response:
        """Everything we keep of this reader."""
        found = preferences.my_data(self._app.store, self._app.signer, token)
        return JSONResponse(found, headers={"Content-Disposition": 'attachment; filename="my-data.json"'})

    def _change(self, fields: Mapping[str, str]) -> Change:
        match fields.get("action"):
            case "name":
                return preferences.rename(fields.get("name", ""))
            case "pause":
                return self._pause(fields)
            case "resume":
                return preferences.resume
            case "pace":
                return preferences.set_frequency(fields.get("pace", ""))
            case "address":
                return preferences.ask_to_move(fields.get("email", ""))
            case _:
                raise InputError("nothing was selected", fix="Go back and choose one of the buttons")

    def _pause(self, fields: Mapping[str, str]) -> Change:
        weeks, until = fields.get("weeks", ""), fields.get("until", "")
        if weeks in {"", "until"} and until:
            return preferences.pause_to(until, self._app.schedule.zone)
        return preferences.pause(int(weeks) if weeks.isascii() and weeks.isdecimal() and len(weeks) < 4 else 0)

    def _unsubscribe_from_preferences(self, token: str) -> Response:
        subscriber_key = self._app.signer.open(Purpose.PREFERENCES, token)[0]
        unsubscribe_token = self._app.signer.sign(Purpose.UNSUBSCRIBE, subscriber_key)
        left = self._app.subscribers.unsubscribe_by_link(unsubscribe_token, how="preferences")
        return self._unsubscribed_page(unsubscribe_token, already=left.verdict is Verdict.ALREADY)

    def _erase(self, token: str, fields: Mapping[str, str]) -> Response:
        if fields.get("sure") != "yes":
            problem = InputError("nothing was deleted", fix="Check the box first, because this cannot be undone")
            return self._preferences(
                preferences.inspect_link(self._app.store, self._app.signer, token), answer_for(problem)
            )
        self._app.subscribers.change_preferences(token, preferences.erase_me(self._app.signer))
        return self._pages.page("erased")

    def _preferences(self, reader: Subscriber, problem: Answer | None = None, done: str = "") -> Response:
        zone = self._app.schedule.zone
        today = self._app.clock().astimezone(zone).date()
        return self._pages.page(
            "preferences",
            problem.status if problem else 200,
            reader=reader,
            standing=reader.display_status,
            problem=problem,
            done=done,
            pauses=PAUSES,
            until=reader.paused_until.astimezone(zone).date() if reader.paused_until else None,
            earliest=(today + timedelta(days=1)).isoformat(),
            latest=(today + timedelta(days=365)).isoformat(),
        )

    # -- a new address, and the way back here --------------------------------------------------

    def ask_move(self, token: str) -> Response:
        """A page with a button, at the new address."""
        verdict, address = preferences.inspect_move_link(self._app.store, self._app.signer, token, self._app.clock())
        return self._move_page("move" if verdict is Verdict.DO else "moved", verdict, address)

    def move(self, token: str, _: Body) -> Response:
        """Letters go there from now on."""
        verdict, address = preferences.move(self._app.store, self._app.signer, token, self._app.clock())
        return self._move_page("moved", verdict, address)

    def _move_page(self, page: str, verdict: Verdict, address: str) -> Response:
        if verdict is Verdict.STALE:
            return self._pages.page("stale", GONE)
        return self._pages.page(page, address=address)

    def ask_link(self) -> Response:
        """The form of "send me my link"."""
        return self._pages.page("link", error=None, email="", trap=HONEYPOT)

    def send_link(self, request: Request, fields: Fields) -> Response:
        """The answer is the same for known and unknown addresses, and for the honeypot."""
        email = fields.get("email", "")
        if not fields.get(HONEYPOT):
            try:
                self._app.subscribers.send_link(email, origin=origin_of(request))
            except InputError as error:
                if wants_json(request):
                    raise
                return self._pages.page("link", 422, error=answer_for(error), email=email, trap=HONEYPOT)
        if wants_json(request):
            return JSONResponse({"status": "check_mail"}, 202, {"Vary": "Accept"})
        return self._pages.page("link_sent", headers={"Vary": "Accept"})


def masked_address(address: str) -> str:
    """`reader@host.example` as `r***@host.example`."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}***@{domain}"
