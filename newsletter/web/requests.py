"""Read requests: the body with a size limit, its form fields, the client's address, and the wanted content type."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import Depends, Request
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Message

from newsletter.domain.lists import MOST

MAX_BODY = 16_384  # octets; the longest real form has under 1,000
MAX_FIELDS = 20 + MOST  # a form may have a checkbox for each list
REPEATED = frozenset({"list", "lists"})  # the fields that may occur several times; their values are joined by spaces


def origin_of(request: Request) -> str:
    """The client's IP address, taken from X-Forwarded-For if a trusted proxy sent the request; "" if unknown."""
    return request.client.host if request.client else ""


async def read_body(request: Request) -> bytes:
    """The whole body. Raises HTTPException 413 as soon as it is longer than MAX_BODY."""
    too_long = HTTPException(413, "The request is larger than any form on this site.")
    # Refuse a body that says it is too long before reading it; chunked bodies are counted below.
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > MAX_BODY:
        raise too_long
    body = bytearray()
    chunks: AsyncIterator[bytes] = request.stream()
    try:
        async for chunk in chunks:
            body += chunk
            if len(body) > MAX_BODY:
                raise too_long
    except ClientDisconnect:  # nobody reads this response; an error would be logged with its traceback
        raise HTTPException(400, "The request is incomplete.") from None
    return bytes(body)


Body = Annotated[bytes, Depends(read_body)]


async def read_fields(request: Request, body: Body) -> dict[str, str]:
    """The text fields of a urlencoded, multipart or JSON body.

    Raises HTTPException 400 if the body cannot be read, 415 for other content types.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        fields = _json_fields(body) if kind == "application/json" else await _form_fields(request, kind, body)
        "".join(fields.values()).encode()  # a lone surrogate is not valid text, and no database accepts it
    except (ValueError, RecursionError):
        raise HTTPException(400, "The request cannot be read.") from None
    return fields


async def _form_fields(request: Request, kind: str, body: bytes) -> dict[str, str]:
    if (
        kind == "application/x-www-form-urlencoded"
    ):  # parsed here: every browser sends it, and it takes a third of the time
        return _joined(parse_qsl(body.decode("latin-1"), keep_blank_values=True, max_num_fields=MAX_FIELDS))
    if kind != "multipart/form-data":
        if body:
            raise HTTPException(415, "Send the form as URL-encoded, multipart, or JSON data.")
        return {}

    async def replay() -> Message:  # the body was read already, to check its length
        return {"type": "http.request", "body": body, "more_body": False}

    async with Request(request.scope, replay).form(max_files=0, max_fields=MAX_FIELDS) as form:
        return _joined([(name, value) for name, value in form.multi_items() if isinstance(value, str)])


def _json_fields(body: bytes) -> dict[str, str]:
    found = json.loads(body)
    if not isinstance(found, dict):
        raise HTTPException(400, "Send one JSON object.")
    pairs = [(name, value) for name, value in found.items() if isinstance(value, str)]
    listed = ((name, found.get(name)) for name in REPEATED)
    more = [
        (name, each) for name, value in listed if isinstance(value, list) for each in value if isinstance(each, str)
    ]
    return _joined(pairs + more)


def _joined(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    fields = dict(pairs)
    for name in REPEATED & fields.keys():
        fields[name] = " ".join(value for other, value in pairs if other == name)
    return fields


Fields = Annotated[dict[str, str], Depends(read_fields)]


def wants_json(request: Request) -> bool:
    """Does Accept prefer application/json to text/html? (RFC 9110 section 12.5.1)"""
    weights = {"application/json": 0.0, "text/html": 0.0}
    for part in ",".join(request.headers.getlist("accept")).split(","):
        kind, *parameters = (piece.strip().lower() for piece in part.split(";"))
        if kind in weights:
            weights[kind] = next((_weight(text) for text in parameters if text.startswith("q=")), 1.0)
    return weights["application/json"] > weights["text/html"]


def _weight(text: str) -> float:
    try:
        return float(text.removeprefix("q="))
    except ValueError:
        return 0.0
