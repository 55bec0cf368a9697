"""Run Uvicorn in a thread: start it, wait until it listens, and stop it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Sequence

import uvicorn
from starlette.types import ASGIApp

from newsletter.domain.errors import NewsletterError
from newsletter.web.connections import BoundedProtocol, ConnectionLimits, bounded_by, default_limits
from newsletter.web.proxies import TrustedProxies
from newsletter.web.quiet import quiet_logs

STOP_WITHIN = 5  # seconds that open requests get to finish


class WebServer:
    """Serves `app` on host and port until stopped. With port 0 the system picks one; read `port` after `start`.

    trusted_proxies: addresses and networks whose X-Forwarded-For header is trusted, or `*`; none by default.
    limits: what a connection may cost; by default what the file descriptors of this process allow.
    """

    def __init__(
        self,
        app: ASGIApp,
        host: str,
        port: int,
        *,
        trusted_proxies: Sequence[str] = (),
        limits: ConnectionLimits | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self._listening = threading.Event()
        self._thread: threading.Thread | None = None
        limits = limits or default_limits()
        config = uvicorn.Config(
            TrustedProxies(trusted_proxies).around(app) if trusted_proxies else app,
            http=bounded_by(limits),
            backlog=limits.backlog,
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            ws="none",
            proxy_headers=False,  # with `*`, those of Uvicorn believe the first hop, which a visitor may forge
            timeout_graceful_shutdown=STOP_WITHIN,
        )
        self._server = _ObservableServer(config, self._listening)

    def start(self) -> None:
        """Start, and return once requests are accepted. Raises NewsletterError if the port is not available."""
        quiet_logs()
        listener = _listen(self.host, self.port)
        self.port = listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, args=(listener,), name="web", daemon=True)
        self._thread.start()
        self._listening.wait()
        if not self._server.started:
            raise NewsletterError("the web server did not start", fix="Read the log messages above this one")

    def stop(self) -> None:
        """Accept no more requests, finish the open ones, and return when all is closed. Safe to call twice."""
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
    """A server that sets an event when it listens, and closes connections whose time is over."""

    def __init__(self, config: uvicorn.Config, listening: threading.Event) -> None:
        super().__init__(config)
        self._listening = listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._listening.set()

    async def on_tick(self, counter: int) -> bool:
        if counter % 10 == 0:  # once a second
            now = time.monotonic()
            for connection in list(self.server_state.connections):
                if isinstance(connection, BoundedProtocol):
                    connection.expire(now)
        return await super().on_tick(counter)


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket on host and port. Bound here, because uvicorn exits the whole process if binding fails."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family)
        # Accepted sockets inherit this option, and asyncio sets it only on sockets that it opens itself. Without it,
        # responses wait 40 ms for a delayed ACK.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener  # noqa: TRY300
    except OSError as error:
        raise NewsletterError(
            f"the web server cannot listen on {host}:{port} ({error.strerror or error})",
            fix="Stop the program that uses this port, or set NEWSLETTER_LISTEN to another port",
        ) from None
