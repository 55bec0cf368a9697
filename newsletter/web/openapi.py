"""The site as programs see it: an OpenAPI 3.1 description of every route, made from the routes; checks no request.

What a route takes and answers stands here in one table; its path, its methods and its words come from the route itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.responses import JSONResponse, Response

from newsletter import __version__
from newsletter.domain.archive.entries import MAX_QUERY
from newsletter.domain.site import Site
from newsletter.domain.subscribers.subscription import PAUSES, Frequency, Reason

Json = dict[str, Any]

HTML, TEXT, JSON = "text/html", "text/plain", "application/json"
TYPES = {TEXT: {"type": "string"}, HTML: {"type": "string"}}
PICTURES = ("image/png", "image/jpeg", "image/gif")
STATUS_DESCRIPTIONS = {
    200: "Done, or here it is.",
    202: "Taken. It is the same for known and unknown addresses: what comes next is in the mail.",
    204: "Nothing to say.",
    301: "It has another address now.",
    303: "Taken. The next page says what comes next.",
    304: "It has not changed.",
    400: "The link is not one of ours, or the request cannot be read.",
    404: "There is no such thing.",
    409: "The plan has changed since.",
    410: "The link is too old.",
    413: "Longer than any form of this site.",
    415: "Neither urlencoded, nor multipart, nor JSON.",
    422: "A field cannot be what it should be.",
    429: "Too many, from one place or altogether: see Retry-After.",
    503: "Busy, or not ready.",
}


def _text(**more: object) -> Json:
    return {"type": "string", **more}


def _object(required: tuple[str, ...] = (), **properties: Json) -> Json:
    return {"type": "object", "properties": properties, "required": list(required)}


_OPTIONAL = {"type": ["string", "null"]}
_TIME = {"type": ["string", "null"], "format": "date-time"}
SCHEMAS: dict[str, Json] = {
    "Error": _object(("error", "fix"), error=_text(description="what happened"), fix=_text(description="what to do")),
    "CheckMail": _object(("status",), status={"const": "check_mail"}),
    "SignUp": _object(("email",), email=_text(format="email"), name=_OPTIONAL),
    "SendLink": _object(("email",), email=_text(format="email")),
    "OneClick": _object((), **{"List-Unsubscribe": {"const": "One-Click", "description": "RFC 8058"}}),
    "Why": _object(
        reason={"enum": ["", *(reason.value for reason in Reason)]},
        words=_text(maxLength=300),
        season=_text(description="there: the fields are about one best tip every three months"),
        quarterly=_text(description="yes: once every three months is fine"),
    ),
    "Preferences": _object(
        ("action",),
        action={"enum": ["name", "pause", "resume", "pace", "address", "data", "leave", "erase"]},
        name=_text(),
        weeks={"enum": [*map(str, PAUSES), "until"]},
        until=_text(format="date"),
        pace={"enum": [pace.value for pace in Frequency]},
        email=_text(format="email"),
        sure=_text(description="yes: erase what is kept"),
    ),
    "MyData": _object(
        ("address", "name", "status", "pace", "source", "consent", "deliveries"),
        **{name: _text() for name in ("address", "name", "status", "pace", "source")},
        **dict.fromkeys(("signup_at", "confirmed_at", "paused_until", "left_at", "quarterly_at"), _TIME),
        new_address=_OPTIONAL,
        consent={
            "type": "array",
            "items": _object(("at", "what"), at=_TIME, what=_text(), proof=_text(), origin=_text()),
        },
        deliveries={
            "type": "array",
            "items": _object(("issue", "state"), issue={"type": "integer"}, slot=_OPTIONAL, state=_text()),
        },
    ),
    "Feed": _object(
        ("version", "title", "items"),
        version={"const": "https://jsonfeed.org/version/1.1"},
        title=_text(),
        items={"type": "array", "items": _object(("id", "url", "content_html"), id=_text(), url=_text())},
    ),
    "Nothing": _object(),
}


@dataclass(frozen=True, slots=True)
class RouteSpec:
    """What a route takes and answers. gives: status to content types; a JSON one as its schema's name. takes: a schema."""

    responses: Mapping[int, tuple[str, ...]] = field(default_factory=lambda: {200: (HTML,)})
    request_schema: str = ""
    errors: tuple[int, ...] = (503,)
    query: Mapping[str, Json] = field(default_factory=dict)


PAGE = {200: (HTML,)}
CACHEABLE = {200: (HTML,), 304: ()}
BODY_ERRORS = (400, 413, 415, 503)
ARCHIVE_PAGE = RouteSpec(CACHEABLE, errors=(404, 503))
PERSONAL_PAGE = RouteSpec(errors=(400, 503))
ROUTES: dict[str, RouteSpec] = {
    "GET /": RouteSpec(),
    "POST /subscribe": RouteSpec({202: ("CheckMail",), 303: ()}, "SignUp", (*BODY_ERRORS, 422, 429)),
    "OPTIONS /subscribe": RouteSpec({204: ()}, errors=()),
    "GET /subscribe/sent": RouteSpec(),
    "GET /signup/embed": RouteSpec(),
    "GET /signup/embed/sent": RouteSpec(),
    "GET /signup.js": RouteSpec({200: ("text/javascript",)}),
    "GET /confirm/{token}": RouteSpec({200: (HTML,), 410: (HTML,)}, errors=(400, 503)),
    "POST /confirm/{token}": RouteSpec({200: (HTML,), 410: (HTML,)}, "Nothing", BODY_ERRORS),
    "GET /u/{token}": PERSONAL_PAGE,
    "POST /u/{token}": RouteSpec(PAGE, "OneClick", (400, 413, 503)),
    "GET /u/{token}/why": PERSONAL_PAGE,
    "POST /u/{token}/why": RouteSpec(PAGE, "Why", (*BODY_ERRORS, 422)),
    "GET /p/{token}": PERSONAL_PAGE,
    "POST /p/{token}": RouteSpec({200: (HTML, "MyData")}, "Preferences", (*BODY_ERRORS, 422)),
    "GET /p/{token}/data.json": RouteSpec({200: ("MyData",)}, errors=(400, 503)),
    "GET /link": RouteSpec(),
    "POST /link": RouteSpec({200: (HTML,), 202: ("CheckMail",)}, "SendLink", (*BODY_ERRORS, 422, 429)),
    "GET /move/{token}": RouteSpec({200: (HTML,), 410: (HTML,)}, errors=(400, 503)),
    "POST /move/{token}": RouteSpec({200: (HTML,), 410: (HTML,)}, "Nothing", BODY_ERRORS),
    "GET /back/{token}": PERSONAL_PAGE,
    "POST /back/{token}": RouteSpec({200: (HTML,)}, "Nothing", (*BODY_ERRORS, 422, 429)),
    "GET /archive": ARCHIVE_PAGE,
    "GET /archive/page/{number}": ARCHIVE_PAGE,
    "GET /archive/{year}": ARCHIVE_PAGE,
    "GET /archive/{year}/page/{number}": ARCHIVE_PAGE,
    "GET /categories/{name}": ARCHIVE_PAGE,
    "GET /categories/{name}/page/{number}": ARCHIVE_PAGE,
    "GET /tags/{name}": ARCHIVE_PAGE,
    "GET /tags/{name}/page/{number}": ARCHIVE_PAGE,
    "GET /tips/{slug}": RouteSpec({**CACHEABLE, 301: ()}, errors=(404, 503)),
    "GET /search": RouteSpec(
        CACHEABLE,
        query={
            "q": _text(description=f"words; the first {MAX_QUERY} characters count"),
            "page": _text(description="which page of what is found, from 1"),
        },
        errors=(404, 503),
    ),
    "GET /useful/{token}/{answer}": RouteSpec(errors=(400, 404, 503)),
    "POST /useful/{token}/{answer}": RouteSpec(PAGE, "Nothing", (404, *BODY_ERRORS)),
    "GET /feed.xml": RouteSpec({200: ("application/atom+xml",), 304: ()}),
    "GET /feed.json": RouteSpec({200: ("Feed",), 304: ()}),
    "GET /sitemap.xml": RouteSpec({200: ("application/xml",), 304: ()}),
    "GET /robots.txt": RouteSpec({200: (TEXT,)}),
    "GET /logo": RouteSpec({200: PICTURES, 304: ()}, errors=(404,)),
    "GET /owner/{token}": PERSONAL_PAGE,
    "POST /owner/{token}": RouteSpec({200: (HTML,), 409: (HTML,)}, "Nothing", BODY_ERRORS),
    "GET /style.css": RouteSpec({200: ("text/css",), 304: ()}),
    "GET /healthz": RouteSpec({200: (TEXT,)}, errors=()),
    "GET /readyz": RouteSpec({200: (TEXT,), 503: (TEXT,)}, errors=()),
    "GET /openapi.json": RouteSpec({200: (JSON,)}, errors=()),
}
SCHEMA_TYPES = {"Feed": "application/feed+json"}
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data", JSON)


class OpenApiDescription:
    """The description of one site; made when first asked for, once."""

    def __init__(self, web: FastAPI, site: Site) -> None:
        self._web = web
        self._site = site

    def document(self) -> Response:
        """What this site takes and answers, as OpenAPI 3.1."""
        return JSONResponse(self._document, headers={"Cache-Control": "public, max-age=3600"})

    @cached_property
    def _document(self) -> Json:
        paths: dict[str, Json] = {}
        for route in self._web.routes:
            if isinstance(route, APIRoute):
                for method in sorted((route.methods or set()) - {"HEAD"}):
                    paths.setdefault(route.path, {})[method.lower()] = _operation(route, method)
        return {
            "openapi": "3.1.0",
            "info": {
                "title": self._site.title,
                "version": __version__,
                "description": "GET changes nothing. Errors and the answers to forms are JSON for who asks for it: "
                "Accept: application/json.",
            },
            "servers": [{"url": self._site.base_url}],
            "paths": paths,
            "components": {"schemas": SCHEMAS},
        }


def _operation(route: APIRoute, method: str) -> Json:
    facts = ROUTES[f"{method} {route.path}"]
    inside = [
        {"name": name, "in": "path", "required": True, "schema": _text(minLength=1)}
        for name in re.findall(r"{(\w+)}", route.path)
    ]
    asked = [{"name": name, "in": "query", "schema": schema} for name, schema in facts.query.items()]
    found: Json = {
        "summary": (route.endpoint.__doc__ or "").strip().partition("\n")[0],
        "responses": {str(status): _answer(status, kinds) for status, kinds in facts.responses.items()}
        | {str(status): _answer(status, (HTML, "Error")) for status in facts.errors},
    }
    if inside or asked:
        found["parameters"] = inside + asked
    if facts.request_schema:
        schema = {"$ref": f"#/components/schemas/{facts.request_schema}"}
        found["requestBody"] = {"content": {kind: {"schema": schema} for kind in FORMS}}
    return found


def _answer(status: int, kinds: tuple[str, ...]) -> Json:
    content = {}
    for kind in kinds:
        if kind in SCHEMAS:
            content[SCHEMA_TYPES.get(kind, JSON)] = {"schema": {"$ref": f"#/components/schemas/{kind}"}}
        else:
            content[kind] = {"schema": TYPES[kind]} if kind in TYPES else {}
    return {"description": STATUS_DESCRIPTIONS[status], **({"content": content} if content else {})}
