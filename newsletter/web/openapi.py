"""Turn the route table into the OpenAPI 3.1 document of the site."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response

from newsletter import __version__
from newsletter.domain.site import Site
from newsletter.domain.subscribers.subscription import PAUSES, Frequency, Reason

if TYPE_CHECKING:
    from newsletter.web.routes import Route

Json = dict[str, Any]

HTML, TEXT, JSON = "text/html", "text/plain", "application/json"
BODY_ERRORS = (400, 413, 415, 503)  # of every address that reads a form
TYPES = {TEXT: {"type": "string"}, HTML: {"type": "string"}}
STATUS_DESCRIPTIONS = {
    200: "Done, or the page itself.",
    202: "Accepted. The answer is the same for known and unknown addresses; the email says what to do next.",
    204: "No content.",
    301: "The page has a new address.",
    302: "The list is the only one or has ended, so the home page has the form.",
    303: "Accepted. The next page says what to do.",
    304: "Not modified.",
    400: "The link was not made by this site, or the request cannot be read.",
    403: "The sign-up form is being abused: send it again with the solution of the challenge.",
    404: "Not found.",
    409: "The plan has changed since the email was sent.",
    410: "The link has expired.",
    413: "The body is longer than any form of this site.",
    415: "The body is not URL-encoded, multipart, or JSON.",
    422: "A field has an invalid value.",
    429: "Too many requests, from one network or overall: see Retry-After.",
    503: "The database is busy or not ready: see Retry-After.",
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
    "SignUp": _object(
        ("email",),
        email=_text(format="email"),
        name=_OPTIONAL,
        list=_text(description="the key of a list; can be repeated. Without it, the sign-up is for the first list"),
        lists=_text(description="keys of several lists, separated by commas"),
        altcha=_text(description="the solution of a challenge by the ALTCHA protocol: Base64 of JSON"),
    ),
    "NeedsProof": _object(
        ("error", "fix", "challenge"),
        error=_text(),
        fix=_text(),
        challenge=_object(
            ("algorithm", "challenge", "maxnumber", "salt", "signature"),
            algorithm={"const": "SHA-256"},
            maxnumber={"type": "integer"},
            **{name: _text() for name in ("challenge", "salt", "signature")},
        ),
    ),
    "SendLink": _object(("email",), email=_text(format="email")),
    "OneClick": _object((), **{"List-Unsubscribe": {"const": "One-Click", "description": "RFC 8058"}}),
    "Reason": _object(
        reason={"enum": ["", *(reason.value for reason in Reason)]},
        words=_text(maxLength=300),
        season=_text(description="if present, the form is about one best tip every three months"),
        quarterly=_text(description="yes: send one best tip every three months"),
    ),
    "Preferences": _object(
        ("action",),
        action={"enum": ["name", "pause", "resume", "pace", "address", "data", "leave", "erase", "join", "one-a-day"]},
        list=_text(description="the key of a list, or all; without it, the change is about the first list"),
        one_a_day=_text(description="yes: at most one email a day"),
        name=_text(),
        weeks={"enum": [*map(str, PAUSES), "until"]},
        until=_text(format="date"),
        pace={"enum": [frequency.value for frequency in Frequency]},
        email=_text(format="email"),
        sure=_text(description="yes: erase everything"),
    ),
    "MyData": _object(
        ("address", "name", "status", "pace", "source", "consent", "deliveries"),
        **{name: _text() for name in ("address", "name", "status", "pace", "source")},
        **dict.fromkeys(("signup_at", "confirmed_at", "paused_until", "left_at", "quarterly_at"), _TIME),
        new_address=_OPTIONAL,
        subscriptions={
            "type": "array",
            "description": "if there are several lists",
            "items": _object(("list", "status"), list=_text(), status=_text(), frequency=_text()),
        },
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
    "Empty": _object(),
}
SCHEMA_TYPES = {"Feed": "application/feed+json"}
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data", JSON)


class OpenApiDocument:
    """The OpenAPI document of one site, made from the rows at the first request and kept."""

    def __init__(self, rows: Sequence[Route], site: Site) -> None:
        self._rows = rows
        self._site = site

    def answer(self) -> Response:
        """An OpenAPI 3.1 description of every address of this site."""
        return JSONResponse(self._document, headers={"Cache-Control": "public, max-age=3600"})

    @cached_property
    def _document(self) -> Json:
        paths: dict[str, Json] = {}
        for row in self._rows:
            paths.setdefault(row.path, {})[row.method.lower()] = _operation(row)
        return {
            "openapi": "3.1.0",
            "info": {
                "title": self._site.title,
                "version": __version__,
                "description": "GET changes nothing. Send Accept: application/json to get errors and the answers to "
                "forms as JSON.",
            },
            "servers": [{"url": self._site.base_url}],
            "paths": paths,
            "components": {"schemas": SCHEMAS},
        }


def _operation(row: Route) -> Json:
    """One row as an Operation Object (OpenAPI 3.1 section 4.8.10)."""
    facts = row.facts
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": _text(minLength=1)}
        for name in re.findall(r"{(\w+)}", row.path)
    ] + [{"name": name, "in": "query", "schema": schema} for name, schema in facts.query.items()]
    operation: Json = {
        "summary": (row.handler.__doc__ or row.path).strip().partition("\n")[0],
        "responses": {str(status): _response(status, kinds) for status, kinds in facts.responses.items()}
        | {str(status): _response(status, (HTML, "Error")) for status in facts.errors},
    }
    if parameters:
        operation["parameters"] = parameters
    if facts.body:
        schema = {"$ref": f"#/components/schemas/{facts.body}"}
        operation["requestBody"] = {"content": {kind: {"schema": schema} for kind in FORMS}}
    return operation


def _response(status: int, kinds: tuple[str, ...]) -> Json:
    content = {}
    for kind in kinds:
        if kind in SCHEMAS:
            content[SCHEMA_TYPES.get(kind, JSON)] = {"schema": {"$ref": f"#/components/schemas/{kind}"}}
        else:
            content[kind] = {"schema": TYPES[kind]} if kind in TYPES else {}
    description = STATUS_DESCRIPTIONS.get(status) or HTTPStatus(status).phrase
    return {"description": description, **({"content": content} if content else {})}
