"""The preferences page behind a personal link, moving to a new address, and requesting the personal link by email."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from fastapi import Request
from starlette.responses import JSONResponse, Response

from newsletter.app import App
from newsletter.domain.errors import BadToken, InputError
from newsletter.domain.lists import ALL_LISTS
from newsletter.domain.subscribers.address import parse_address
from newsletter.domain.subscribers.subscriber import Subscriber
from newsletter.domain.subscribers.subscription import ON_THE_LIST, PAUSES, Verdict
from newsletter.web.errors import Answer, answer_for
from newsletter.web.pages import Pages
from newsletter.web.requests import Body, Fields, origin_of, wants_json
from newsletter.web.shown_lists import shown_list
from newsletter.web.signup import GONE, HONEYPOT
from newsletter.web.unsubscribe import UnsubscribePages


class PreferencesPages:
    """One method per address. They run in threads, so each may wait for the database."""

    def __init__(self, app: App, pages: Pages, unsubscribe: UnsubscribePages) -> None:
        self._app = app
        self._pages = pages
        self._unsubscribe = unsubscribe

    # -- preferences ---------------------------------------------------------------------------

    def preferences_page(self, token: str) -> Response:
        """The subscriber's status and everything they can change."""
        return self._preferences(token, self._app.preferences.view(token))

    def change_preferences(self, token: str, fields: Fields) -> Response:
        """Make one change, named by the field `action`. Problems are shown on the same page."""
        match fields.get("action"):
            case "leave":
                return self._unsubscribe_now(token, fields.get("list", ""))
            case "data":
                return self.data(token)
            case "erase":
                return self._erase(token, fields)
        try:
            subscriber = self._change(token, fields)
        except InputError as error:
            subscriber = self._app.preferences.view(token)
            return self._preferences(token, subscriber, answer_for(error), about=fields.get("list", ""))
        if subscriber is None:
            raise BadToken("this link is no longer valid")
        done, about = fields.get("action", ""), fields.get("list", "")
        return self._preferences(token, subscriber, done=done, new_address=fields.get("email", ""), about=about)

    def data(self, token: str) -> Response:
        """Everything stored about the subscriber, as a JSON file."""
        document = self._app.preferences.data(token)
        return JSONResponse(document, headers={"Content-Disposition": 'attachment; filename="my-data.json"'})

    def _change(self, token: str, fields: Mapping[str, str]) -> Subscriber | None:
        preferences, key = self._app.preferences, fields.get("list", "")
        match fields.get("action"):
            case "name":
                return preferences.rename(token, fields.get("name", ""))
            case "pause":
                return self._pause(token, fields)
            case "resume":
                return preferences.resume(token, key)
            case "pace":
                return preferences.set_frequency(token, fields.get("pace", ""), key)
            case "join" | "one-a-day" as action:
                wanted = fields.get("one_a_day") == "yes"
                return preferences.join(token, key) if action == "join" else preferences.set_one_a_day(token, wanted)
            case "address":
                return preferences.ask_to_move(token, fields.get("email", ""))
            case _:
                raise InputError("nothing was selected", fix="Go back and choose one of the buttons")

    def _pause(self, token: str, fields: Mapping[str, str]) -> Subscriber | None:
        weeks, until, key = fields.get("weeks", ""), fields.get("until", ""), fields.get("list", "")
        if weeks in {"", "until"} and until:
            return self._app.preferences.pause_until(token, until, key)
        number = int(weeks) if weeks.isascii() and weeks.isdecimal() and len(weeks) < 4 else 0
        return self._app.preferences.pause(token, number, key)

    def _unsubscribe_now(self, token: str, list_key: str) -> Response:
        unsubscribe_token = self._app.preferences.unsubscribe_token(token, list_key)
        links = self._app.unsubscribe_links
        end = links.unsubscribe_all if list_key == ALL_LISTS else links.unsubscribe
        done = end(unsubscribe_token, how="preferences")
        return self._unsubscribe.unsubscribed_page(unsubscribe_token, already=done.verdict is Verdict.ALREADY)

    def _erase(self, token: str, fields: Mapping[str, str]) -> Response:
        """Erase everything, in two steps: without the field `sure`, the answer is a page that asks again."""
        if fields.get("sure") != "yes":
            subscriber = self._app.preferences.view(token)
            offered = self._app.preferences.lists(token)
            on_list = any(one.status in ON_THE_LIST for one in (subscriber, *(found.subscriber for found in offered)))
            return self._pages.page("erase", 422, address=subscriber.address, on_list=on_list, back=self._path(token))
        self._app.preferences.erase(token)
        return self._pages.page("erased")

    def _path(self, token: str) -> str:
        return self._pages.path(f"/p/{token}")

    def _preferences(
        self,
        token: str,
        subscriber: Subscriber,
        problem: Answer | None = None,
        done: str = "",
        new_address: str = "",
        about: str = "",
    ) -> Response:
        """The page. about: the key of the list that the change, or the problem, is about."""
        zone = self._app.schedule.zone
        today = self._app.clock().astimezone(zone).date()
        lists = [
            (shown_list(self._app, self._pages, one.list_id), one.subscriber, one.may_join)
            for one in self._app.preferences.lists(token)
        ]
        return self._pages.page(
            "preferences_of_lists" if lists else "preferences",
            problem.status if problem else 200,
            reader=subscriber,
            standing=subscriber.display_status,
            problem=problem,
            done=done,
            new_address=parse_address(new_address).text if done == "address" else "",
            pauses=PAUSES,
            pause_ends={weeks: today + timedelta(weeks=weeks) for weeks in PAUSES},
            until=subscriber.paused_until.astimezone(zone).date() if subscriber.paused_until else None,
            day_of=self._app.site.day_of,
            lists=lists,
            is_subscribed=any(found.status in ON_THE_LIST for _, found, _ in lists),
            about=next((one for one, _, _ in lists if one.key == about), None),
            earliest=(today + timedelta(days=1)).isoformat(),
            latest=(today + timedelta(days=365)).isoformat(),
        )

    # -- a new address -------------------------------------------------------------------------

    def move_page(self, token: str) -> Response:
        """A page with a button that moves the subscription to the new address. Mail scanners do not submit forms."""
        verdict, address = self._app.preferences.view_move(token)
        return self._address_page("confirm_address" if verdict is Verdict.DO else "address_changed", verdict, address)

    def move(self, token: str, _: Body) -> Response:
        """Move the subscription: emails go to the new address from now on."""
        verdict, address = self._app.preferences.move(token)
        return self._address_page("address_changed", verdict, address)

    def _address_page(self, page: str, verdict: Verdict, address: str) -> Response:
        if verdict is Verdict.STALE:
            return self._pages.page("expired_link", GONE)
        return self._pages.page(page, address=address)

    # -- the personal link by email ------------------------------------------------------------

    def link_page(self) -> Response:
        """The form that requests the personal link by email."""
        return self._pages.page("manage_link", error=None, email="", trap=HONEYPOT)

    def send_link(self, request: Request, fields: Fields) -> Response:
        """Email the personal link. The answer is the same for known and unknown addresses, and for bots."""
        email = fields.get("email", "")
        if not fields.get(HONEYPOT):
            try:
                self._app.preferences.send_link(email, origin=origin_of(request))
            except InputError as error:
                if wants_json(request):
                    raise
                return self._pages.page("manage_link", 422, error=answer_for(error), email=email, trap=HONEYPOT)
        if wants_json(request):
            return JSONResponse({"status": "check_mail"}, 202, {"Vary": "Accept"})
        return self._pages.page("manage_link_sent", headers={"Vary": "Accept"})
