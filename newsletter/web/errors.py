"""Turn every error into a page or JSON that tells the visitor what happened and what to do next."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from fastapi import FastAPI, Request
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from newsletter.domain.english import sentence
from newsletter.domain.errors import (
    BadToken,
    Busy,
    InputError,
    NewsletterError,
    NotFound,
    SampleLink,
    SchemaError,
    Unavailable,
)
from newsletter.domain.lists import NoneChosen, NotOffered
from newsletter.domain.subscribers.address import BadAddress
from newsletter.domain.subscribers.signup_limits import NeedsProof, TooMany
from newsletter.web.headers import StrictHeaders
from newsletter.web.pages import Pages
from newsletter.web.requests import wants_json

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """An error page: status, heading, what happened, what to do next. about_lists: the wrong field names lists."""

    status: int
    heading: str
    text: str
    next: str
    about_lists: bool = False


NOT_FOUND = Answer(
    404,
    "Page not found",
    "The address may be incomplete, or the page may have moved.",
    "Search for a tip or browse all tips.",
)
BAD_LINK = Answer(
    400,
    "This link doesn’t work",
    "It is incomplete or no longer valid. Email programs sometimes break long links in two.",
    "Open it again from the email, or use the link at the bottom of a newer one.",
)
TEST_LINK = Answer(
    200,
    "This is a test",
    "The link works. It comes from a preview or a test email and belongs to no subscriber, so it changes nothing.",
    "",
)
BAD_ADDRESS = Answer(
    422, "Please check your entry", "This is not a valid email address.", "Enter it as name@example.com"
)
NOT_OFFERED = Answer(
    422,
    "Please check your entry",
    "This newsletter takes no sign-ups.",
    "Choose from the newsletters on this page.",
    about_lists=True,
)
NONE_CHOSEN = Answer(
    422, "Please check your entry", "You did not choose a newsletter.", "Choose at least one", about_lists=True
)
BUSY = Answer(503, "One moment, please", "We’re busy right now. Nothing was lost.", "Try again in a minute.")
CLOSED = Answer(
    503,
    "Please come back later",
    "We can’t read or save anything right now, so nothing has changed.",
    "Try again in a few hours.",
)
BROKEN = Answer(
    500, "Something went wrong", "This is our error, and it has been logged.", "Try again in a few minutes."
)
BY_CLASS: dict[type[NewsletterError], Answer] = {
    SampleLink: TEST_LINK,
    BadToken: BAD_LINK,
    NotFound: NOT_FOUND,
    Busy: BUSY,
    SchemaError: BUSY,
    Unavailable: CLOSED,
    NewsletterError: BROKEN,
}
OF_A_FIELD: dict[type[Exception], Answer] = {BadAddress: BAD_ADDRESS, NotOffered: NOT_OFFERED, NoneChosen: NONE_CHOSEN}
HEADINGS = {
    400: "We can’t read this request",
    405: "This is not possible here",
    413: "Request too large",
    415: "We can’t read this kind of form",
}


def answer_for(error: Exception) -> Answer:
    """What a visitor is told. Our own messages are for the owner, except those about a form field."""
    if found := OF_A_FIELD.get(type(error)):
        return found
    if isinstance(error, InputError):
        return Answer(422, "Please check your entry", f"{sentence(error.message)}.", error.fix)
    if isinstance(error, TooMany):
        text = f"{sentence(error.message)}."
        may_repeat = isinstance(error, NeedsProof)
        return (
            Answer(403, "One more step", text, error.fix)
            if may_repeat
            else Answer(429, "Too many requests", text, error.fix)
        )
    if isinstance(error, HTTPException):
        if error.status_code == 404:
            return NOT_FOUND
        heading = HEADINGS.get(error.status_code, HEADINGS[400])
        return Answer(error.status_code, heading, str(error.detail), "Go back and submit the form again.")
    return next((BY_CLASS[kind] for kind in type(error).__mro__ if kind in BY_CLASS), BROKEN)


def answer_errors(web: FastAPI, pages: Pages, strict: StrictHeaders) -> None:
    """Answer every error of `web` with a page, or with JSON if the client prefers it."""

    def respond(request: Request, error: Exception) -> Response:
        answer = answer_for(error)
        if answer.status >= 500 and isinstance(error, NewsletterError):
            log.error("%s %s: %s", request.method, _route(request), error)
        headers = dict(getattr(error, "headers", None) or {})
        if seconds := {503: "60", 429: "3600"}.get(answer.status):
            headers["Retry-After"] = seconds
        if wants_json(request):
            document = {"error": answer.text.rstrip("."), "fix": answer.next}
            if isinstance(error, NotOffered):  # a program needs the keys
                document = {"error": error.message, "fix": error.fix}
            return JSONResponse(document, answer.status, headers)
        return pages.page("error", answer.status, headers, answer=answer)

    def respond_outside(request: Request, error: Exception) -> Response:
        """Starlette answers unexpected errors outside all middleware, and raises them again so that they are logged."""
        response = respond(request, error)
        strict.apply(MutableHeaders(raw=response.raw_headers), request.url.path, request.headers.get("origin", ""))
        return response

    web.add_exception_handler(HTTPException, respond)
    web.add_exception_handler(NewsletterError, respond)
    web.add_exception_handler(Exception, respond_outside)


def _route(request: Request) -> str:
    """The path with its placeholder, since a token must never be logged."""
    return getattr(request.scope.get("route"), "path", "?")
