"""What happens behind each URL: a verb of the app or a look into the store, then a page; decides no rule itself."""

from __future__ import annotations

from datetime import date
from itertools import groupby
from typing import Any

from fastapi import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response

from newsletter.actions import confirm as confirming
from newsletter.actions import leave as leaving
from newsletter.app import App
from newsletter.domain.errors import BadToken, InputError, NewsletterError, NotFound
from newsletter.domain.subscription import Verdict
from newsletter.domain.tips import TipCard, TipState
from newsletter.mail.tokens import Purpose
from newsletter.web.bodies import Body, Fields, How, wants_json
from newsletter.web.errors import answer_for
from newsletter.web.pages import Pages

FORM_VERSION = "1"  # of the words beside the form: a new number with every change of what people agree to
HONEYPOT = "message"  # a field nobody sees; only programs fill it
LATEST = 5
GONE = 410


class Doors:
    """One method per URL. They run in threads, so each may wait for the database."""

    def __init__(self, app: App, pages: Pages) -> None:
        self._app = app
        self._pages = pages

    # -- coming in -----------------------------------------------------------------------------

    def home(self) -> Response:
        """The sign-up form and the latest tips."""
        return self._form()

    def subscribe(self, request: Request, fields: Fields) -> Response:
        """Take the form. The answer is the same for every address that is one, and for the honeypot."""
        in_json = wants_json(request)
        email, name = fields.get("email", ""), fields.get("name", "")
        if not fields.get(HONEYPOT):
            form = f"{'json' if in_json else 'page'}/{FORM_VERSION}"
            try:
                self._app.subscribe(email, name, form=form, origin=request.client.host if request.client else "")
            except InputError as error:
                if in_json:
                    raise
                return self._form(422, error=error, email=email, name=name)
        if in_json:
            return JSONResponse({"status": "check_mail"}, 202, {"Vary": "Accept"})
        return RedirectResponse(self._pages.path("/subscribe/sent"), 303, {"Vary": "Accept"})

    def sent(self) -> Response:
        """What comes next."""
        return self._pages.page("sent")

    def ask_confirm(self, token: str) -> Response:
        """A page with a button: mail scanners follow links, but press nothing."""
        view = confirming.look(self._app.store, self._app.signer, token, self._app.clock())
        return self._confirm_page("confirm" if view.verdict is Verdict.DO else "confirmed", view)

    def confirm(self, token: str, _: Body) -> Response:
        """Confirm, once."""
        return self._confirm_page("confirmed", self._app.confirm(token))

    # -- leaving -------------------------------------------------------------------------------

    def ask_leave(self, token: str) -> Response:
        """A page with a button. The letter may have been passed on, so the address is not shown whole."""
        view = leaving.look(self._app.store, self._app.signer, token)
        if view.verdict is Verdict.ALREADY:
            return self._pages.page("left", already=True)
        return self._pages.page("leave", address=veiled(view.address))

    def leave(self, token: str, how: How) -> Response:
        """RFC 8058 section 3.2: 200, no redirect, no cookie; the same for the button."""
        left = self._app.leave(token, how=how)
        return self._pages.page("left", already=left.verdict is Verdict.ALREADY)

    def preferences(self, token: str) -> Response:
        """Where the reader stands."""
        view = leaving.look(self._app.store, self._app.signer, token, purpose=Purpose.PREFERENCES)
        if not view.status:
            raise BadToken("this link belongs to nobody any more")
        return self._pages.page("preferences", view=view)

    def change_preferences(self, token: str, fields: Fields) -> Response:
        """Leave, which is all there is to change so far."""
        subscriber_key = self._app.signer.open(Purpose.PREFERENCES, token)[0]
        if fields.get("action") != "leave":
            raise InputError("nothing was chosen", fix="Go back and press the button")
        left = self._app.leave(self._app.signer.sign(Purpose.UNSUBSCRIBE, subscriber_key), how="preferences")
        return self._pages.page("left", already=left.verdict is Verdict.ALREADY)

    # -- reading -------------------------------------------------------------------------------

    def archive(self) -> Response:
        """All tips that ran, newest first."""
        years = groupby(self._published(), key=lambda one: one[1].year if one[1] else None)
        return self._pages.page("archive", years=[(year, list(tips)) for year, tips in years])

    def tip(self, slug: str) -> Response:
        """One tip that ran, whole."""
        with self._app.store.read() as tx:
            tip = tx.tips.get(slug)
        if not is_public(tip.card):
            raise NotFound(f"the tip {slug!r} has not run yet")
        return self._pages.page("tip", tip=tip, ran_on=published_on(tip.card))

    def style(self, request: Request) -> Response:
        """The one stylesheet; its address changes with its content, so it may be kept for ever."""
        tag = f'"{self._pages.style_tag}"'
        fresh = request.query_params.get("v") == self._pages.style_tag
        headers = {"ETag": tag, "Cache-Control": f"public, max-age={31_536_000 if fresh else 3_600}"}
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(self._pages.style, media_type="text/css", headers=headers)

    # -- for machines --------------------------------------------------------------------------

    def healthz(self) -> Response:
        """The process answers."""
        return PlainTextResponse("ok\n")

    def readyz(self) -> Response:
        """The database answers, and it is the one this program knows."""
        try:
            with self._app.store.read() as tx:
                tx.notices.waiting()
        except NewsletterError as error:
            return PlainTextResponse(f"{type(error).__name__}\n", 503)
        return PlainTextResponse("ready\n")

    # -- helpers -------------------------------------------------------------------------------

    def _form(self, status: int = 200, *, error: InputError | None = None, email: str = "", name: str = "") -> Response:
        latest = self._published()[:LATEST]
        answer = answer_for(error) if error else None
        return self._pages.page("signup", status, tips=latest, error=answer, email=email, name=name, trap=HONEYPOT)

    def _confirm_page(self, page: str, view: confirming.ConfirmView | confirming.Confirmed) -> Response:
        if view.verdict is Verdict.STALE:
            return self._pages.page("stale", GONE)
        values: dict[str, Any] = {"address": view.address}
        if page == "confirmed":
            values["already"] = view.verdict is Verdict.ALREADY
        return self._pages.page(page, **values)

    def _published(self) -> list[tuple[TipCard, date | None]]:
        with self._app.store.read() as tx:
            ran = [(card, published_on(card)) for card in tx.tips.cards() if is_public(card)]
        return sorted(ran, key=lambda one: (one[1] or date.min, one[0].id), reverse=True)


def is_public(card: TipCard) -> bool:
    """May anybody read it? What waits in the queue stays a surprise; what was retired stays where letters link to."""
    ran = card.state in {TipState.SENT, TipState.ARCHIVE} or card.last_sent_on is not None
    return card.complete and ran


def published_on(card: TipCard) -> date | None:
    """The day it ran last, here or before this system."""
    return card.last_sent_on or card.published_on


def veiled(address: str) -> str:
    """`reader@host.example` as `r***@host.example`."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}***@{domain}"
