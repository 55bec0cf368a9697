"""Connections that never finish, headers without an end, and floods of them: visitors are still served."""

from __future__ import annotations

import selectors
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx
import pytest

from newsletter.web import make_web
from newsletter.web.connections import ConnectionLimits, limits_within
from newsletter.web.server import WebServer
from tests.support.web import WebHarness, open_web_harness

QUICK = ConnectionLimits(head_within=0.3, body_within=0.3, answer_within=0.3, max_head=20_000, max_connections=8)
PATIENT = ConnectionLimits(max_connections=8)
HALF = b"GET / HTTP/1.1\r\nHost: x\r\nX-a: "
HALF_A_BODY = b"POST /subscribe HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nemail="
UNREAD = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 14


@contextmanager
def serving(harness: WebHarness, limits: ConnectionLimits) -> Iterator[int]:
    server = WebServer(make_web(harness.app), "127.0.0.1", 0, limits=limits)
    server.start()
    try:
        yield server.port
    finally:
        server.stop()


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebHarness]:
    with open_web_harness(tmp_path_factory.mktemp("web")) as found:
        yield found


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def read_to_end(connection: socket.socket) -> bytes:
    """What the server still sends; b"" if it reset the connection. Fails if it neither answers nor closes."""
    received = bytearray()
    try:
        while octets := connection.recv(65_536):
            received += octets
    except ConnectionResetError:
        pass
    return bytes(received)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (HALF, b"HTTP/1.1 408"),
        (b"", b""),
        (HALF_A_BODY, b""),
        (b"POST /subscribe HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nemail\r\n", b""),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" + HALF, b"HTTP/1.1 200"),
    ],
    ids=["half a head", "nothing", "half a body", "half a chunked body", "a request and half of one"],
)
def test_a_request_that_does_not_end_is_closed(harness: WebHarness, sent: bytes, status: bytes) -> None:
    with serving(harness, QUICK) as port, connect(port) as connection:
        connection.sendall(sent)
        assert read_to_end(connection).startswith(status)


def test_a_head_that_grows_slowly_gets_no_more_time(harness: WebHarness) -> None:
    with serving(harness, QUICK) as port, connect(port) as connection:
        connection.settimeout(0.05)
        received = b""
        connection.sendall(HALF)
        for _ in range(200):  # 10 seconds
            try:
                connection.sendall(b"a")
                received += connection.recv(100)
                break
            except TimeoutError:
                continue
            except OSError:
                break
        else:
            pytest.fail("the connection was kept")
        assert received[:12] in {b"HTTP/1.1 408", b""}


@pytest.mark.parametrize("together", [4, 1_000], ids=["a few requests together", "many"])
def test_a_client_that_never_reads_is_closed(harness: WebHarness, together: int) -> None:
    request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * together

    def send_forever(connection: socket.socket) -> None:
        while True:
            connection.sendall(request)

    with serving(harness, QUICK) as port, connect(port) as connection, pytest.raises(ConnectionError):
        send_forever(connection)


@pytest.mark.parametrize("piece", [b"X: " + b"a" * 8_000 + b"\r\n", b"a" * 8_000], ids=["many", "one"])
def test_headers_without_an_end_are_refused(harness: WebHarness, piece: bytes) -> None:
    with serving(harness, PATIENT) as port, connect(port) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX: ")
        with pytest.raises(ConnectionError):  # long before the end: only what the kernel buffers is taken
            connection.sendall(piece * 5_000)


def test_large_headers_in_one_piece_are_refused(harness: WebHarness) -> None:
    with serving(harness, QUICK) as port, connect(port) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 30_000 + b"\r\n\r\n")
        assert read_to_end(connection)[:12] in {b"HTTP/1.1 400", b"HTTP/1.1 431", b""}


@pytest.mark.parametrize("half", [HALF, HALF_A_BODY, UNREAD], ids=["half a head", "half a body", "never read"])
def test_a_flood_of_half_requests_leaves_room_for_visitors(harness: WebHarness, half: bytes) -> None:
    with serving(harness, PATIENT) as port, ExitStack() as stack:
        flood = [stack.enter_context(connect(port)) for _ in range(60)]
        for connection in flood:
            try:
                connection.sendall(half)
            except ConnectionError:  # it was closed already, to make room
                continue
        for _ in range(3):
            assert httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False).status_code == 200


def test_of_connections_that_come_together_no_more_stay_than_allowed(harness: WebHarness) -> None:
    with serving(harness, PATIENT) as port, ExitStack() as stack, selectors.DefaultSelector() as readable:
        flood = 0
        for _ in range(100):
            readable.register(stack.enter_context(connect(port)), selectors.EVENT_READ)
            flood += 1
        while flood > PATIENT.max_connections:
            closed = readable.select(timeout=5)  # half of the time after which each is closed anyway
            assert closed, f"{flood} connections are open"
            for key, _ in closed:
                readable.unregister(key.fileobj)
                flood -= 1


@pytest.mark.parametrize("files", [64, 128, 256, 512, 1_024, 1_280, 4_096, 1_000_000])
def test_half_of_few_files_or_256_of_many_are_kept_for_sending(files: int) -> None:
    limits = limits_within(files)
    assert 8 <= limits.max_connections <= 512
    assert files - limits.max_connections - 4 * limits.backlog >= min(files // 2, 256)


def test_trailers_without_an_end_are_refused(harness: WebHarness) -> None:
    head = b"POST /subscribe HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n"
    with serving(harness, PATIENT) as port, connect(port) as connection:
        connection.sendall(head)
        with pytest.raises(ConnectionError):  # long before the end
            connection.sendall((b"X: " + b"a" * 8_000 + b"\r\n") * 5_000)


def test_a_trailer_is_no_header(harness: WebHarness) -> None:
    body = b"%x\r\n%s\r\n0\r\n" % (len(b"email=trailer"), b"email=trailer")
    head = b"POST /subscribe HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    with serving(harness, QUICK) as port, connect(port) as connection:
        connection.sendall(head + body + b"Accept: application/json\r\n\r\n")
        assert b"content-type: text/html" in read_to_end(connection)


def test_visitors_write_few_lines_into_the_log(harness: WebHarness, caplog: pytest.LogCaptureFixture) -> None:
    with serving(harness, QUICK) as port:
        for _ in range(20):
            with connect(port) as connection:
                connection.sendall(b"\x16\x03\x01 not HTTP\r\n\r\n")
                read_to_end(connection)
            with connect(port) as connection:
                connection.sendall(b"POST /subscribe HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")
            with connect(port) as connection:
                kind = b"Connection: close\r\nContent-Type: multipart/form-data; boundary=x\r\n"
                connection.sendall(b"POST /subscribe HTTP/1.1\r\nHost: x\r\n" + kind + b"Content-Length: 3\r\n\r\na=b")
                read_to_end(connection)
    assert len(caplog.records) <= 2
    assert "Traceback" not in caplog.text


def test_a_date_after_the_last_year_is_answered(harness: WebHarness) -> None:
    for header in ("Tue, 1 Jan 10000000000000000000 00:00:00 GMT", "Tue, 1 Jan 99999 00:00:00 GMT", "x" * 9_000):
        assert harness.http.get("/archive", headers={"If-Modified-Since": header}).status_code == 200
