"""Coming in: the sign-up form in every shape, what follows it, and the confirmation; the rules are the app's."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, RedirectResponse, Response

from newsletter.actions.subscribers import confirm as confirm_action
from newsletter.app import App
from newsletter.app.signup_limits import TooMany
from newsletter.domain.errors import BadToken, Busy, InputError
from newsletter.domain.subscribers.subscription import Verdict
from newsletter.mail.tokens import Purpose
from newsletter.mail.verp import base36
from newsletter.web.errors import Answer, answer_for
from newsletter.web.headers import is_among
from newsletter.web.pages import Pages
from newsletter.web.requests import Body, origin_of, read_body, read_fields, wants_json

FORM_VERSION = "1"  # of the words beside the form: a new number with every change of what people agree to
HONEYPOT = "message"  # a field nobody sees; only programs fill it
LATEST_TIPS = 5
GONE = 410
FORM_AGE = (timedelta(seconds=2), timedelta(hours=24))  # how long somebody may look at a form before they send it
RETRY_AFTER = {"Retry-After": "3600"}
SCRIPT = """(function (script) {
  var frame = document.createElement("iframe");
  frame.src = new URL(%s, script.src).href;
  frame.title = %s;
  frame.loading = "lazy";
  frame.style.cssText = "width:100%%;max-width:34rem;height:32rem;border:0;color-scheme:light dark";
  script.parentNode.insertBefore(frame, script);
})(document.currentScript);
"""


class Signup:
    """One method per URL. Those that write run in threads, where they may wait for the database."""

    def __init__(self, app: App, pages: Pages) -> None:
        self._app = app
        self._pages = pages

    # -- the form ------------------------------------------------------------------------------

    def home(self) -> Response:
        """The sign-up form and the latest tips."""
        return self._form("signup")

    def embed(self) -> Response:
        """The form alone, for an iframe."""
        return self._form("embed")

    def script(self) -> Response:
        """One line on another site: puts the iframe where it stands."""
        import json

        path, title = self._pages.path("/signup/embed"), self._pages.translations.translate("Signup for FREE Tips!")
        headers = {"Cache-Control": "public, max-age=3600", "Cross-Origin-Resource-Policy": "cross-origin"}
        return Response(SCRIPT % (json.dumps(path), json.dumps(title)), 200, headers, "text/javascript")

    async def subscribe(self, request: Request) -> Response:
        """Take the form. The answer is the same for every address that is one, and for the honeypot."""
        fields = await read_fields(request, await read_body(request))  # as dependencies they would cost as much again
        try:  # a millisecond, as a rule: to hand it to a thread costs as much again
            return self._submit(request, fields, no_wait=True)
        except Busy:
            return await run_in_threadpool(self._submit, request, fields)

    def _submit(self, request: Request, fields: Mapping[str, str], *, no_wait: bool = False) -> Response:
        in_json, framed = wants_json(request), fields.get("in") == "frame"
        email, name = fields.get("email", ""), fields.get("name", "")
        if not fields.get(HONEYPOT):
            kind = "json" if in_json else "frame" if framed else "page"
            try:
                self._app.subscribers.subscribe(
                    email,
                    name,
                    form=f"{kind}/{FORM_VERSION}",
                    origin=origin_of(request),
                    proven=self._has_valid_ticket(request, fields.get("ticket", "")),
                    no_wait=no_wait,
                )
            except (InputError, TooMany) as error:
                if in_json:
                    raise
                return self._form("embed" if framed else "signup", answer_for(error), email=email, name=name)
        if in_json:
            return JSONResponse({"status": "check_mail"}, 202, {"Vary": "Accept"})
        path = "/signup/embed/sent" if framed else "/subscribe/sent"
        return RedirectResponse(self._pages.path(path), 303, {"Vary": "Accept"})

    def preflight(self) -> Response:
        """What a browser asks before a script of another site may post JSON; `headers` says to whom it is allowed."""
        return Response(status_code=204, headers={"Access-Control-Max-Age": "3600"})

    def sent(self) -> Response:
        """What comes next."""
        return self._pages.page("sent")

    def embed_sent(self) -> Response:
        """The same in an iframe."""
        return self._pages.page("embed_sent")

    # -- the confirmation ----------------------------------------------------------------------

    def ask_confirm(self, token: str) -> Response:
        """A page with a button: mail scanners follow links, but press nothing."""
        view = confirm_action.inspect_link(self._app.store, self._app.signer, token, self._app.clock())
        return self._confirm_page("confirm" if view.verdict is Verdict.DO else "confirmed", view)

    def confirm(self, token: str, _: Body) -> Response:
        """Confirm, once."""
        return self._confirm_page("confirmed", self._app.subscribers.confirm(token))

    # -- helpers -------------------------------------------------------------------------------

    def _has_valid_ticket(self, request: Request, ticket: str) -> bool:
        """Did somebody look at a form of ours, or at one on a site the owner named?"""
        if is_among(request.headers.get("origin", ""), self._app.settings.allowed_origins):
            return True
        try:
            (made_at,) = self._app.signer.open(Purpose.FORM, ticket)
            age = timedelta(seconds=self._app.clock().timestamp() - int(made_at, 36))
        except (BadToken, ValueError, OverflowError):
            return False
        return FORM_AGE[0] <= age <= FORM_AGE[1]

    def _form(self, page: str, answer: Answer | None = None, *, email: str = "", name: str = "") -> Response:
        ticket = self._app.signer.sign(Purpose.FORM, base36(int(self._app.clock().timestamp())))
        values: dict[str, Any] = {"email": email, "name": name, "error": answer, "trap": HONEYPOT, "ticket": ticket}
        if page == "signup":
            with self._app.store.archive() as archive:
                values["tips"] = archive.newest(LATEST_TIPS)
        status = answer.status if answer else 200
        return self._pages.page(page, status, RETRY_AFTER if status == 429 else None, **values)

    def _confirm_page(self, page: str, view: confirm_action.ConfirmView | confirm_action.Confirmed) -> Response:
        if view.verdict is Verdict.STALE:
            return self._pages.page("stale", GONE)
        values: dict[str, Any] = {"address": view.address}
        if page == "confirmed":
            values["already"] = view.verdict is Verdict.ALREADY
        return self._pages.page(page, **values)
