"""Uvicorn in a thread of its own: start, wait until it listens, stop; knows nothing of what it serves."""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence

import uvicorn
from starlette.types import ASGIApp

from newsletter.domain.errors import NewsletterError

STOP_WITHIN = 5  # seconds that open requests have to end


class WebServer:
    """Serves `app` on host and port until stopped. port 0: one that is free, see `port` after `start`.

    trusted_proxies: addresses and networks whose X-Forwarded-For is believed; empty: nobody's.
    """

    def __init__(self, app: ASGIApp, host: str, port: int, *, trusted_proxies: Sequence[str] = ()) -> None:
        self.host = host
        self.port = port
        self._listening = threading.Event()
        self._thread: threading.Thread | None = None
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            ws="none",
            proxy_headers=bool(trusted_proxies),
            forwarded_allow_ips=list(trusted_proxies),
            timeout_graceful_shutdown=STOP_WITHIN,
        )
        self._server = _ObservableServer(config, self._listening)

    def start(self) -> None:
        """Come back when requests are taken. Raises NewsletterError when the port cannot be had."""
        listener = _listen(self.host, self.port)
        self.port = listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, args=(listener,), name="web", daemon=True)
        self._thread.start()
        self._listening.wait()
        if not self._server.started:
            raise NewsletterError("the web server did not start", fix="Look into the log above this line")

    def stop(self) -> None:
        """Take no more requests, end the open ones, come back when all is closed. May be called twice."""
        self._server.should_exit = True
        if self._thread:
            self._thread.join(STOP_WITHIN + 5)

    def _serve(self, listener: socket.socket) -> None:
        try:
            with listener:
                self._server.run(sockets=[listener])
        finally:
            self._listening.set()


class _ObservableServer(uvicorn.Server):
    """A server that says when it listens."""

    def __init__(self, config: uvicorn.Config, listening: threading.Event) -> None:
        super().__init__(config)
        self._listening = listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._listening.set()


def _listen(host: str, port: int) -> socket.socket:
    """A socket on host and port: bound here, because uvicorn ends the whole process when it cannot."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family)
        # Accepted sockets inherit it; asyncio sets it only on sockets of its own, and then answers wait 40 ms for an ACK.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener  # noqa: TRY300
    except OSError as error:
        raise NewsletterError(
            f"the web cannot listen on {host}:{port} ({error.strerror or error})",
            fix="Stop the program that has this port, or set NEWSLETTER_LISTEN to another one",
        ) from None
