"""One message as bytes: every parser reads it back, and every line follows the rules."""

from __future__ import annotations

import re
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.domain.errors import InputError
from newsletter.mail.message import build
from newsletter.mail.quoted_printable import quote
from newsletter.ports.rendering import Rendered

HEADERS = [("From", "Tips <tips@news.example>"), ("To", "ada@host.example"), ("Subject", "A tip")]
bodies = st.text(
    st.one_of(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), st.sampled_from(". \n\t=F–é")),
    max_size=400,
)


def parts_of(message: bytes) -> tuple[EmailMessage, str, str]:
    parsed = message_from_bytes(message, policy=default)
    assert isinstance(parsed, EmailMessage)
    text, html = (part.get_payload(decode=True) for part in parsed.iter_parts())
    assert isinstance(text, bytes)
    assert isinstance(html, bytes)
    return parsed, text.decode(), html.decode()


@given(bodies, bodies)
def test_a_parser_reads_both_parts_back(text: str, html: str) -> None:
    parsed, text_read, html_read = parts_of(build(HEADERS, Rendered("A tip", text, html), "b0undary"))
    assert not parsed.defects
    assert [part.get_content_type() for part in parsed.iter_parts()] == ["text/plain", "text/html"]
    assert [part.get_content_charset() for part in parsed.iter_parts()] == ["utf-8", "utf-8"]
    assert text_read == (text.rstrip("\r\n") + "\n").replace("\n", "\r\n")
    assert html_read == (html.rstrip("\r\n") + "\n").replace("\n", "\r\n")


@given(bodies)
def test_every_line_of_a_body_follows_the_rules(text: str) -> None:
    message = build(HEADERS, Rendered("A tip", text, text), "b0undary")
    assert message.isascii()
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n", message)
    for line in message.split(b"\r\n"):
        assert len(line) <= 76
        assert not line.startswith((b".", b"From "))
        assert line == line.rstrip(b" \t")


@pytest.mark.parametrize(
    ("text", "coded"),
    [
        (".", "=2E"),
        ("..a\n.b", "=2E.a\r\n=2Eb"),
        ("From here\nFrom\n from", "=46rom here\r\nFrom\r\n from"),
        ("a \nb\t\nc", "a=20\r\nb=09\r\nc"),
        ("a=b", "a=3Db"),
        ("é\r\nx", "=C3=A9\r\nx"),
        ("x" * 75, "x" * 75),
        ("x" * 75 + ".y", "x" * 75 + "=\r\n=2Ey"),
        ("", ""),
    ],
)
def test_quoted_printable_by_example(text: str, coded: str) -> None:
    assert quote(text) == coded


def test_a_header_or_boundary_that_would_break_the_message_is_refused() -> None:
    rendered = Rendered("A tip", "a", "<p>a")
    for headers in ([("Sub ject", "x")], [("A", "b\r\nC: d")], [("A", "b\n c")], [("A", "x" * 996)]):
        with pytest.raises(InputError):
            build(headers, rendered, "b0undary")
    for boundary in ("", "a b", 'a"b', "a\n", "x" * 61):
        with pytest.raises(ValueError, match="boundary"):
            build(HEADERS, rendered, boundary)
