"""The example of docs/senders.md, used as a reader would use it: its own tests, its entry point, and its outcomes."""

from __future__ import annotations

import importlib
import os
import re
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from newsletter.domain.delivery.outcome import Cause, Deferred, Envelope, InDoubt, Outcome, Rejected, Sent
from newsletter.domain.errors import AuthenticationFailed, SenderError
from newsletter.ports.sending import Sender
from newsletter.senders import make_sender

CHECKOUT = Path(__file__).resolve().parents[2]
PAGE = (CHECKOUT / "docs/senders.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
ENVELOPE, MESSAGE = Envelope("a@host.example", "b@host.example"), b"Subject: A tip\r\n\r\nSay their name.\r\n"


def _blocks(language: str) -> list[str]:
    return [code for name, code in BLOCKS if name == language]


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A directory with the example, as if its package were installed there."""
    sender, test = _blocks("python")
    [project] = _blocks("toml")
    (tmp_path / "mailpost.py").write_text(sender, encoding="utf-8")
    (tmp_path / "test_mailpost.py").write_text(test, encoding="utf-8")
    groups = tomllib.loads(project)["project"]["entry-points"]
    lines = [
        line
        for group, points in groups.items()
        for line in (f"[{group}]", *(f"{name} = {value}" for name, value in points.items()))
    ]
    installed = tmp_path / "mailpost-1.0.dist-info"
    installed.mkdir()
    (installed / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")
    return tmp_path


@pytest.fixture
def _installed(package: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(package))
    importlib.invalidate_caches()
    yield
    sys.modules.pop("mailpost", None)


def _sender(port: int) -> Sender:
    return make_sender(f"mailpost://key:secret@127.0.0.1:{port}/messages?per_hour=9", hostname="client.example")


def test_the_example_passes_its_own_tests_which_are_the_contract_suite(package: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:schemathesis", "-W", "error"],
        cwd=package,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(package), str(CHECKOUT)))},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\b8 passed\b", done.stdout)


@pytest.mark.usefixtures("_installed")
def test_the_example_is_found_by_the_scheme_of_its_url() -> None:
    sender = _sender(25)

    assert type(sender).__name__ == "MailpostSender"
    assert sender.connections == 4
    assert [rate.count for rate in getattr(sender, "rates", ())] == [9]


def _answered(status: int) -> Outcome:
    """What the example makes of an HTTP status."""

    class Api(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep the test output clean."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Api) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            session = _sender(server.server_port).open()
            outcome = session.send(ENVELOPE, MESSAGE)
            session.close()
        finally:
            server.shutdown()
            thread.join()
    return outcome


@pytest.mark.usefixtures("_installed")
def test_the_example_reports_what_the_api_answers() -> None:
    assert isinstance(_answered(202), Sent)
    assert isinstance(_answered(503), Deferred)
    gone, refused = _answered(410), _answered(422)
    assert isinstance(gone, Rejected)
    assert gone.cause is Cause.BAD_ADDRESS
    assert isinstance(refused, Rejected)
    assert refused.cause is Cause.OTHER
    with pytest.raises(AuthenticationFailed):
        _answered(401)


@pytest.mark.usefixtures("_installed")
def test_the_example_tells_a_lost_answer_from_a_server_that_is_not_there() -> None:
    def read_and_hang_up(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection, connection.makefile("rb") as lines:
            while lines.readline().strip():
                pass
            lines.read(len(MESSAGE))

    with socket.create_server(("127.0.0.1", 0)) as server:
        sender = _sender(server.getsockname()[1])
        thread = Thread(target=read_and_hang_up, args=(server,))
        thread.start()
        session = sender.open()
        lost = session.send(ENVELOPE, MESSAGE)
        thread.join()
    assert isinstance(lost, InDoubt)
    with pytest.raises(SenderError):
        session.send(ENVELOPE, MESSAGE)
