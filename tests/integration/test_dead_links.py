"""Tests of checking links against a real server (dead, moved, slow, and in a loop), and that private hosts are never reached."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

import pytest

from newsletter.domain.tips.links import LinkAnswer, LinkProblem
from newsletter.domain.tips.lint import Level
from newsletter.http import link_checker as links
from newsletter.http.link_checker import check_links
from newsletter.http.public_web import is_public
from newsletter.testing import MemorySender
from tests.support.library import add_tip
from tests.support.publishing import open_app_harness


class Site(BaseHTTPRequestHandler):
    """A server whose answer depends on the path. requests: (method, path) of each."""

    requests: list[tuple[str, str]]

    def do_HEAD(self) -> None:
        self.requests.append((self.command, self.path))
        match self.path.strip("/").split("/"):
            case ["head-refused"] if self.command == "HEAD":
                self._answer(405)
            case ["head-cut"] if self.command == "HEAD":
                self.close_connection = True
            case ["to", code, *where]:
                self._answer(int(code), "/" + "/".join(where))
            case ["out", *where]:
                self._answer(302, "http://" + "/".join(where))
            case ["circle"]:
                self._answer(302, "/circle")
            case ["further", *_]:
                self._answer(302, f"{self.path}x/")
            case ["slow"]:
                self.wfile.write(b"HTTP/1.1 200 OK\r\n")
                self.wfile.flush()
                self.server.request_timeout.wait(20)  # type: ignore[attr-defined]
            case [code] if code.isdecimal():
                self._answer(int(code))
            case _:
                self._answer(200)

    do_GET = do_HEAD  # noqa: N815 - the name that http.server expects

    def _answer(self, status: int, location: str = "") -> None:
        self.send_response(status)
        if location:
            self.send_header("Location", location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Write no log."""


@contextmanager
def site() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """The URL of the server, and its requests so far."""
    handler = type("Recorded", (Site,), {"requests": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    server.request_timeout = threading.Event()  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", handler.requests  # type: ignore[attr-defined]
    finally:
        server.request_timeout.set()  # type: ignore[attr-defined]
        server.shutdown()
        thread.join()
        server.server_close()


def one(url: str, *, request_timeout: float = 5.0) -> LinkAnswer:
    return check_links([url], is_allowed=lambda _: True, request_timeout=request_timeout)[url]


def test_a_page_that_exists_is_requested_once_with_head() -> None:
    with site() as (base, requests):
        assert one(f"{base}/ü?q=ä b#part") == LinkAnswer(200)
        assert requests == [("HEAD", "/%C3%BC?q=%C3%A4%20b")]


@pytest.mark.parametrize("path", ["head-refused", "head-cut"])
def test_a_site_that_does_not_support_head_is_requested_again_with_get(path: str) -> None:
    with site() as (base, requests):
        assert one(f"{base}/{path}") == LinkAnswer(200)
        assert [method for method, _ in requests] == ["HEAD", "GET"]


@pytest.mark.parametrize("status", [404, 410, 403, 500])
def test_the_status_of_an_error_is_returned(status: int) -> None:
    with site() as (base, _):
        assert one(f"{base}/{status}") == LinkAnswer(status)


def test_a_permanent_redirect_is_returned_and_a_temporary_one_is_not() -> None:
    with site() as (base, _):
        assert one(f"{base}/to/301/new") == LinkAnswer(200, moved_to=f"{base}/new")
        assert one(f"{base}/to/302/new") == LinkAnswer(200)
        assert one(f"{base}/to/302/to/301/new") == LinkAnswer(200), "the target of a temporary redirect may change"
        assert one(f"{base}/to/301/404") == LinkAnswer(404, moved_to=f"{base}/404")


@pytest.mark.parametrize(("path", "number"), [("/circle", 1), ("/further/", links.MAX_REDIRECTS + 1)])
def test_endless_redirects_are_given_up(path: str, number: int) -> None:
    with site() as (base, requests):
        assert one(f"{base}{path}") == LinkAnswer(trouble=LinkProblem.LOOP)
    assert len(requests) == number


def test_a_slow_site_times_out() -> None:
    with site() as (base, _):
        assert one(f"{base}/slow", request_timeout=0.3).trouble is LinkProblem.TIMEOUT


def test_a_closed_port_is_a_failed_connection() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert one(f"http://127.0.0.1:{port}/").trouble is LinkProblem.BROKEN


@pytest.mark.parametrize(
    "url", ["http://a.invalid/", "http://[::1/", "http://a.example:port/", f"http://{'x' * 70}.example/"]
)
def test_a_url_without_a_valid_host_is_a_problem(url: str) -> None:
    assert one(url).trouble is LinkProblem.NO_HOST


def test_private_hosts_are_reached_neither_directly_nor_by_redirect() -> None:
    with site() as (base, requests):
        assert check_links([base])[base].trouble is LinkProblem.PRIVATE
        assert requests == []
        hops: list[object] = []
        url = f"{base}/out/127.0.0.1:1/"
        answer = check_links([url], is_allowed=lambda address: not (hops.append(address) or len(hops) > 1))[url]  # type: ignore[func-returns-value]
        assert answer.trouble is LinkProblem.PRIVATE
        assert len(requests) == 1


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "169.254.169.254", "192.168.1.1", "100.64.0.1", "0.0.0.0", "224.0.0.1", "::1", "fe80::1",  # noqa: S104
        "fd00::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::", "ff02::1",
    ],
)  # fmt: skip
def test_private_addresses_are_recognized_in_every_notation(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:4700::6810:84e5", "64:ff9b::5db8:d822"])
def test_public_addresses_are_allowed(address: str) -> None:
    assert is_public(ip_address(address))


def test_at_most_the_maximum_of_links_is_checked_and_each_once() -> None:
    with site() as (base, requests):
        urls = [f"{base}/{n}x" for n in range(links.MAX_LINKS + 3)]
        seen: list[tuple[int, int]] = []
        found = check_links([*urls, *urls[:5]], is_allowed=lambda _: True, on_progress=lambda *n: seen.append(n))
        assert len(requests) == links.MAX_LINKS
    assert [answer.trouble for answer in found.values()].count(LinkProblem.NOT_CHECKED) == 3
    assert seen[-1] == (links.MAX_LINKS, links.MAX_LINKS)


def test_the_findings_of_a_library_give_tip_line_and_reason(tmp_path: Path) -> None:
    with open_app_harness(tmp_path, MemorySender()) as harness:
        add_tip(harness.files, "Linked", body="One.\n\nSee [this](http://127.0.0.1:1/secret).")
        add_tip(harness.files, "Plain")
        linked, plain = harness.tips.lint_links()

    assert (linked.key, plain.findings) == ("linked", ())
    (finding,) = linked.findings
    assert (finding.part, finding.line, finding.level) == ("body", 3, Level.ERROR)
    assert "private network" in finding.reason
