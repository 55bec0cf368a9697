"""The sign-up form on its page, in an iframe and for scripts, and the confirmation of a sign-up."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, RedirectResponse, Response

from newsletter.app import App
from newsletter.domain.errors import Busy, InputError
from newsletter.domain.lists import MOST, frame_height
from newsletter.domain.subscribers.signup_limits import NeedsProof, TooMany
from newsletter.domain.subscribers.subscription import Verdict
from newsletter.web.errors import Answer, answer_for
from newsletter.web.headers import is_among
from newsletter.web.lists import Lists
from newsletter.web.pages import Pages
from newsletter.web.requests import Body, origin_of, read_body, read_fields, wants_json
from newsletter.web.shown_lists import shown_lists

if TYPE_CHECKING:
    from newsletter.actions.subscribers.confirm import Confirmation

FORM_VERSION = "1"  # of the text beside the form; kept as proof of consent, so raise it whenever that text changes
HONEYPOT = "message"  # a hidden field that only bots fill in
SOLUTION = "altcha"  # the field that ALTCHA's scripts use
LATEST_TIPS = 5
FEW_TIPS = 3  # of each list, if there are several
KEPT = ("email", "name", "ticket", "list", "lists", "offered")  # fields that the page of a proof sends again
GONE = 410
RETRY_AFTER = {"Retry-After": "3600"}
VARY = {"Vary": "Accept"}
SCRIPT = """(function (script) {
  var frame = document.createElement("iframe");
  frame.src = new URL(%s, script.src).href;
  frame.title = %s;
  frame.loading = "lazy";
  frame.style.cssText = "width:100%%;max-width:34rem;height:%srem;border:0;color-scheme:light dark";
  script.parentNode.insertBefore(frame, script);
})(document.currentScript);
"""


class SignupPages:
    """One method per address. Those that write run in threads, where they may wait for the database."""

    def __init__(self, app: App, pages: Pages, lists: Lists) -> None:
        self._app = app
        self._pages = pages
        self._lists = lists

    # -- the form ------------------------------------------------------------------------------

    def home(self) -> Response:
        """The sign-up form, for every public list if there are several, and the latest tips."""
        return self._form("signup", None)

    def list_page(self, key: str) -> Response:
        """The sign-up form of one list and its latest tips; the home page has the form of an only list."""
        found = self._lists.get(key)
        if found.app.site.is_retired or not self._lists.newsletters():
            return RedirectResponse(self._pages.path("/"), 302)
        return self._form("signup", [key])

    def embed(self, request: Request) -> Response:
        """The sign-up form without anything around it, for an iframe."""
        return self._form("signup_embed", _keys_in(request))

    def sent(self, request: Request) -> Response:
        """The page after the sign-up form, which says what to do next."""
        keys = _keys_in(request)
        one = keys[0] if len(keys) == 1 and self._lists.is_offered(keys[0]) else ""
        again = self._pages.root(f"/lists/{one}" if one else "/")
        return self._pages.page("signup_sent", again=f"{again}#signup")

    def embed_sent(self, request: Request) -> Response:
        """The same page for the sign-up form in the iframe."""
        return self._pages.page(
            "signup_embed_sent", again=self._pages.path(f"/signup/embed{_query(_keys_in(request))}")
        )

    def script(self, request: Request) -> Response:
        """A script for other sites: it inserts the iframe in its own place."""
        path = self._pages.path(f"/signup/embed{_query(_keys_in(request))}")
        title = self._pages.translations.translate("Sign up")
        headers = {"Cache-Control": "public, max-age=3600", "Cross-Origin-Resource-Policy": "cross-origin"}
        script = SCRIPT % (json.dumps(path), json.dumps(title), frame_height(len(_keys_in(request))))
        return Response(script, 200, headers, "text/javascript")

    async def subscribe(self, request: Request) -> Response:
        """Submit the form. The answer is the same for every valid address and for bots that fill in the hidden field."""
        # Read here and not by dependencies of FastAPI, which would double the cost of this page.
        fields = await read_fields(request, await read_body(request))
        try:  # usually takes a millisecond, and passing it to a thread would cost as much again
            return self._submit(request, fields, no_wait=True)
        except Busy:
            return await run_in_threadpool(self._submit, request, fields)

    def _submit(self, request: Request, fields: Mapping[str, str], *, no_wait: bool = False) -> Response:
        in_json, framed = wants_json(request), fields.get("in") == "frame"
        email, name = fields.get("email", ""), fields.get("name", "")
        offered, chosen = fields.get("offered", "").split(), fields.get("list", "").split()
        if not fields.get(HONEYPOT):
            kind = "json" if in_json else "frame" if framed else "page"
            try:
                self._app.signup.subscribe(
                    email,
                    name,
                    form=f"{kind}/{FORM_VERSION}",
                    origin=origin_of(request),
                    proven=self._is_proven(request, fields.get("ticket", "")),
                    solution=fields.get(SOLUTION, ""),
                    wait=fields.get("wait", ""),
                    no_wait=no_wait,
                    lists=_lists_in(fields),
                )
            except NeedsProof as error:
                return self._ask_for_proof(error, fields, in_json=in_json, framed=framed)
            except (InputError, TooMany) as error:
                if in_json:
                    raise
                page = "signup_embed" if framed else "signup"
                still, answer = [key for key in offered if self._lists.is_offered(key)], answer_for(error)
                # A form on another site may name a list that has ended: then the page offers all that there are.
                keys = None if answer.about_lists and len(still) < 2 else still
                return self._form(page, keys, answer, email=email, name=name, ticked=chosen)
        if in_json:
            return JSONResponse({"status": "check_mail"}, 202, VARY)
        # 303: a reload of the next page must not send the form again (RFC 9110 section 15.4.4).
        path = ("/signup/embed/sent" if framed else "/subscribe/sent") + _query(offered)
        return RedirectResponse(self._pages.path(path), 303, VARY)

    def preflight(self) -> Response:
        """CORS preflight of a script on another site; the headers name the allowed origin."""
        return Response(status_code=204, headers={"Access-Control-Max-Age": "3600"})

    # -- the confirmation ----------------------------------------------------------------------

    def confirm_page(self, token: str) -> Response:
        """A page with a button that confirms the sign-up. Mail scanners follow links but do not submit forms."""
        view = self._app.confirm_links.view(token)
        return self._confirm_page("confirm" if view.verdict is Verdict.DO else "confirmed", view)

    def confirm(self, token: str, _: Body) -> Response:
        """Confirm the sign-up; confirming twice changes nothing."""
        return self._confirm_page("confirmed", self._app.confirm_links.confirm(token))

    # -- helpers -------------------------------------------------------------------------------

    def _is_proven(self, request: Request, ticket: str) -> bool:
        """Was the form loaded before it was sent: from this site, or from a site that the owner allows?"""
        # A script on an allowed site has no ticket, but its browser names the site.
        if is_among(request.headers.get("origin", ""), self._app.settings.allowed_origins):
            return True
        return self._app.signup.is_ticket_valid(ticket)

    def _ask_for_proof(self, error: NeedsProof, fields: Mapping[str, str], *, in_json: bool, framed: bool) -> Response:
        """The same for every address. RFC 9110 section 15.5.4: a client may repeat a refused request with other proof."""
        email, answer = fields.get("email", ""), answer_for(error)
        challenge = self._app.signup.new_challenge(email)
        if in_json:
            document = {"error": answer.text.rstrip("."), "fix": answer.next, "challenge": challenge}
            return JSONResponse(document, answer.status, VARY)
        wait = self._app.signup.new_wait(email, fields.get("wait", ""))
        return self._pages.page(
            "signup_embed_proof" if framed else "signup_proof",
            answer.status,
            VARY,
            challenge=json.dumps(challenge),
            wait=wait,
            again=fields.get("wait") == wait.token,
            fields={name: fields[name] for name in KEPT if name in fields},
            solution=SOLUTION,
        )

    def _form(
        self,
        page: str,
        keys: Sequence[str] | None = (),
        answer: Answer | None = None,
        *,
        email: str = "",
        name: str = "",
        ticked: Collection[str] | None = None,
    ) -> Response:
        """The form. keys: the lists that it offers, () for the first one; None for every public one if there are several.

        ticked: those that are chosen already; by default the first one that is offered.
        """
        if page == "signup":  # its tips change with the version
            self._lists.version()
        offered = self._lists.newsletters() if keys is None else self._lists.offer(keys)
        of = self._lists.get(offered[0].key) if len(offered) == 1 else self._lists.first
        values: dict[str, Any] = {"email": email, "name": name, "error": answer, "trap": HONEYPOT}
        values |= {"ticket": self._app.signup.new_ticket(), "offered": offered}
        values["ticked"] = [one.key for one in offered[:1]] if ticked is None else ticked
        values["welcome_series"] = self._lists.series_of(of.app.list_key)
        if page == "signup":
            values["tips"] = of.newest(LATEST_TIPS)
            several = offered if len(offered) > 1 else ()
            values["tips_of"] = {one.key: self._lists.get(one.key).newest(LATEST_TIPS)[:FEW_TIPS] for one in several}
            own = f"/lists/{offered[0].key}" if len(offered) == 1 else "/"
            values["canonical"] = f"{self._app.site.base_url}{own}"
        status = answer.status if answer else 200
        return of.pages.page(page, status, RETRY_AFTER if status == 429 else None, **values)

    def _confirm_page(self, page: str, view: Confirmation) -> Response:
        if view.verdict is Verdict.STALE:
            return self._pages.page("expired_link", GONE)
        values: dict[str, Any] = {"address": view.address, "lists": shown_lists(self._app, self._pages, view.lists)}
        if page == "confirmed":
            values["already"] = view.verdict is Verdict.ALREADY
        return self._pages.page(page, **values)


def _lists_in(fields: Mapping[str, str]) -> str | None:
    """The keys of the lists that a form asks for; None if it says nothing about lists, which means the first one."""
    named = [fields[name] for name in ("list", "lists", "offered") if name in fields]
    return " ".join(named[:-1] if "offered" in fields else named) if named else None


def _keys_in(request: Request) -> list[str]:
    return request.query_params.getlist("list")[:MOST]


def _query(keys: Sequence[str]) -> str:
    """The part of an address that names the lists that a form offers."""
    return f"?{urlencode([('list', key) for key in keys])}" if keys else ""
