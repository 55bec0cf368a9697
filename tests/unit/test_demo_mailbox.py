"""The mailbox page of the demo, and the port of the demo."""

import re
import urllib.request
from collections.abc import Iterator
from email import message_from_bytes, policy
from http.server import ThreadingHTTPServer
from threading import Thread

import pytest

from newsletter.cli.demo.mailbox_page import Email, page_of
from newsletter.cli.demo.port import reserved_port

MESSAGE = b"""Subject: A <tip>
From: Tips <tips@home.example>
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary=x

--x
Content-Type: text/plain

Leave: https://home.example/u/1?a=b&c=d
--x
Content-Type: text/html

<html><head><title>A</title></head><body><a href="https://home.example/u/1">leave</a></body></html>
--x--
"""


@pytest.fixture
def mailbox() -> Iterator[str]:
    email = Email("anna@home.example", MESSAGE, message_from_bytes(MESSAGE, policy=policy.default))
    server = ThreadingHTTPServer(("127.0.0.1", 0), page_of([email]))
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as response:  # noqa: S310
        return str(response.read().decode())


def test_the_links_of_an_email_open_in_a_tab_that_can_send_forms(mailbox: str) -> None:
    page = fetch(f"{mailbox}/0")
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in page
    assert '<head><base target="_blank"><title>' in fetch(f"{mailbox}/0/html")
    assert re.search(r'<a href="https://home\.example/u/1\?a=b&amp;c=d" target="_blank">', page)


def test_the_list_names_subject_and_recipient_as_text(mailbox: str) -> None:
    page = fetch(f"{mailbox}/")
    assert "<b>A &lt;tip&gt;</b><small>to anna@home.example</small>" in page


def test_two_demos_get_two_ports() -> None:
    with reserved_port() as one, reserved_port() as other:
        assert one != other
    with reserved_port() as again:
        assert again in (one, other)
