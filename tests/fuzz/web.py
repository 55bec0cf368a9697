"""Requests to the real web application, without sockets: any path, query, header, and body."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from urllib.parse import unquote

from newsletter.app import App
from newsletter.domain.subscribers.address import parse_address
from newsletter.domain.subscribers.subscriber import NewSubscriber
from newsletter.domain.subscribers.subscription import Status
from newsletter.domain.tips.tip import TipState, TipText, identity
from newsletter.mail.tokens import Purpose
from newsletter.settings import load_settings
from newsletter.store.sqlite.database import upgrade
from newsletter.web import make_web
from tests.fuzz.inputs import octets
from tests.support.web import FakeClock

MARK = "<b id=fuzz>"
SUBSCRIBER = "k000000000000001"


@dataclass
class _Site:
    web: Callable[..., Any]
    runner: asyncio.Runner = field(default_factory=asyncio.Runner)


@cache
def _site() -> _Site:
    folder = Path(mkdtemp(prefix="newsletter-fuzz-"))
    upgrade(folder / "newsletter.db")
    environ = {
        "NEWSLETTER_DATA_DIR": str(folder),
        "NEWSLETTER_SECRET_KEY": "a-key-that-only-tests-have",
        "NEWSLETTER_FROM": "tips@tips.example",
        "NEWSLETTER_OWNER": "owner@tips.example",
        "NEWSLETTER_BASE_URL": "https://tips.example",
        "NEWSLETTER_TRUSTED_PROXIES": "*",
        "NEWSLETTER_SENDER_URL": f"maildir://{folder}/mail",
    }
    app = App(load_settings(environ), FakeClock())
    with app.store.write() as tx:
        tx.subscribers.add(
            NewSubscriber(parse_address("anna@host.example"), "", SUBSCRIBER, Status.CONFIRMED, "test", app.clock()),
            app.clock(),
        )
        text = TipText("Use the name", "Once, *early*.", categories=("Phone",), tags=("names",), already_run=True)
        tx.tips.add(text, identity(text.title, None), "use-the-name", TipState.ARCHIVE, app.clock())
    return _Site(make_web(app))


@cache
def paths() -> list[str]:
    """Paths of every kind, with tokens that are valid."""
    app = App(load_settings({"NEWSLETTER_SECRET_KEY": "a-key-that-only-tests-have"}), FakeClock())
    sign = app.signer.sign
    tokens = {
        "confirm": sign(Purpose.CONFIRM, SUBSCRIBER, "1709643600"),
        "u": sign(Purpose.UNSUBSCRIBE, SUBSCRIBER, "a"),
        "back": sign(Purpose.RESUBSCRIBE, SUBSCRIBER, "1709643600"),
        "p": sign(Purpose.PREFERENCES, SUBSCRIBER),
        "move": sign(Purpose.MOVE, SUBSCRIBER, "1709643600"),
        "useful": sign(Purpose.USEFUL, SUBSCRIBER, "a"),
        "owner": sign(Purpose.OWNER, "approve", "2025-05-06", "use-the-name"),
    }
    signed = [f"/{name}/{token}" for name, token in tokens.items()]
    more = [f"/u/{tokens['u']}/why", f"/p/{tokens['p']}/data.json", f"/useful/{tokens['useful']}/yes"]
    plain = [
        "/",
        "/subscribe",
        "/archive",
        "/archive/page/2",
        "/archive/2025",
        "/archive/2025/page/2",
        "/categories/phone",
        "/tags/names",
        "/tips/use-the-name",
        "/search",
        "/signup/embed",
        "/signup.js",
        "/link",
        "/feed.xml",
        "/feed.json",
        "/sitemap.xml",
        "/robots.txt",
        "/logo",
        "/media/x.png",
        "/style.css",
        "/healthz",
        "/readyz",
        "/openapi.json",
        "/subscribe/sent",
    ]
    return [*plain, *signed, *more]


@dataclass(frozen=True)
class Request:
    """One request as a server passes it on. parts: the chunks of its body."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    parts: tuple[str, ...] = ()


def check_request(method: str, target: str, headers: tuple[tuple[str, str], ...], parts: tuple[str, ...]) -> None:
    """Every request has an answer that is no server error, and repeats nothing of the request as HTML."""
    site = _site()
    status, answered, body = site.runner.run(_ask(site.web, Request(method, target, headers, parts)))
    assert 200 <= status < 500 or status == 501, f"{status}: {body[:300]!r}"
    for name, value in answered:
        assert not re.search(rb"[\r\n\0]", name + value), (name, value)
    kind = dict(answered).get(b"content-type", b"")
    if b"html" in kind:
        assert MARK.encode() not in body, body[max(0, body.find(MARK.encode()) - 200) :][:500]


async def _ask(web: Callable[..., Any], request: Request) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    path, _, query = request.target.partition("?")
    raw = octets(path)
    chunks = [octets(part) for part in request.parts] or [b""]
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": request.method, "scheme": "https",
        "path": unquote(raw.decode("latin-1")), "raw_path": raw, "query_string": octets(query), "root_path": "",
        # A server refuses header lines with these characters itself.
        "headers": [(b"host", b"tips.example")] + [
            (name.lower().encode(), re.sub(rb"[\x00-\x08\x0a-\x1f\x7f]", b"", octets(value)))
            for name, value in request.headers
        ],
        "client": ("192.0.2.7", 4711), "server": ("127.0.0.1", 80),
    }  # fmt: skip
    started: dict[str, Any] = {}
    body: list[bytes] = []
    done = asyncio.Event()

    async def receive() -> dict[str, Any]:
        if chunks:
            chunk = chunks.pop(0)
            return {"type": "http.request", "body": chunk, "more_body": bool(chunks)}
        await done.wait()
        return {"type": "http.disconnect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            started.update(message)
        else:
            body.append(message.get("body", b""))
            if not message.get("more_body"):
                done.set()

    await web(scope, receive, send)
    return started["status"], list(started["headers"]), b"".join(body)
