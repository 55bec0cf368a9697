"""Header fields: exact, read back by two decoders, and safe against injection."""

from __future__ import annotations

import re
from base64 import b64decode
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from email.header import decode_header, make_header
from email.utils import parseaddr, parsedate_to_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.domain.errors import InputError
from newsletter.domain.site import Site
from newsletter.mail.compiled import sentinels
from newsletter.mail.headers import (
    Headers,
    format_date,
    issue_headers,
    link,
    mailbox,
    phrase,
    transactional_headers,
    unstructured,
)
from newsletter.mail.message import header_block

SITE = Site(
    title="Tip of the Week",
    from_name="Tip of the Week",
    from_address="tips@news.example",
    base_url="https://news.example",
    reply_to="editor@news.example",
)
RECIPIENT = {
    "to": "ada@host.example",
    "message_id": "<0123@news.example>",
    "date": "Tue, 03 Jun 2025 12:00:00 +0000",
    "unsubscribe_url": "https://news.example/u/abc.3.0123456789012345678901",
    "unsubscribe_mailto": "mailto:tips+u-abc@news.example",
}
NOON = datetime(2025, 6, 3, 12, tzinfo=UTC)
one_line = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=120)


def headers_of(subject: str = "Say what happens next", site: Site = SITE, **recipient: str) -> Headers:
    return issue_headers(
        site,
        subject=subject,
        issue=3,
        slot_or_date=date(2025, 6, 3),
        archived_at="https://news.example/tips/next",
        recipient=RECIPIENT | recipient,
    )


def second_decoder(value: str) -> str:
    """Decode RFC 2047 by its grammar, written for this test: spaces between encoded words are not text."""
    unfolded = re.sub(r"\r\n(?=[ \t])", "", value)
    words = re.findall(r"=\?UTF-8\?B\?([A-Za-z0-9+/=]*)\?=", unfolded)
    if not words:
        return unfolded
    assert re.fullmatch(r"(=\?UTF-8\?B\?[A-Za-z0-9+/=]*\?= ?)+", unfolded)
    return "".join(b64decode(word, validate=True).decode() for word in words)


def test_one_issue_has_exactly_these_fields() -> None:
    expected = b"""\
From: Tip of the Week <tips@news.example>
To: ada@host.example
Reply-To: editor@news.example
Subject: Say what happens next
Date: Tue, 03 Jun 2025 12:00:00 +0000
Message-ID: <0123@news.example>
List-ID: Tip of the Week <tips.news.example>
List-Unsubscribe: <https://news.example/u/abc.3.0123456789012345678901>,
 <mailto:tips+u-abc@news.example>
List-Unsubscribe-Post: List-Unsubscribe=One-Click
List-Help: <mailto:editor@news.example?subject=help>
List-Archive: <https://news.example/archive>
List-Subscribe: <https://news.example/>
List-Post: NO
Archived-At: <https://news.example/tips/next>
Feedback-ID: 3:2025-06-03:weekly:newsexample
Content-Language: en
Auto-Submitted: auto-generated
X-Auto-Response-Suppress: OOF, AutoReply
Precedence: bulk
"""
    assert header_block(headers_of()) == expected.replace(b"\n", b"\r\n")


def test_a_transactional_email_has_no_list_fields() -> None:
    headers = transactional_headers(
        SITE, to="ada@host.example", subject="Confirm", message_id="<1@x>", date=NOON, kind="confirm"
    )
    names = [name for name, _ in headers]
    assert ("Auto-Submitted", "auto-generated") in headers
    assert ("Date", "Tue, 03 Jun 2025 12:00:00 +0000") in headers
    assert not [name for name in names if name.startswith("List-") or name == "Precedence"]


@given(one_line)
def test_two_decoders_read_every_subject_back(subject: str) -> None:
    value = unstructured(subject, offset=9)
    assert second_decoder(value) == subject
    assert str(make_header(decode_header(re.sub(r"\r\n(?= )", "", value)))) == subject
    assert all(len(line) <= 76 for line in f"Subject: {value}".split("\r\n"))
    assert value.isascii()


@given(one_line.filter(lambda text: text.strip() == text and text != ""))
def test_every_display_name_is_read_back_with_its_address(name: str) -> None:
    block = header_block(headers_of(site=replace(SITE, from_name=name)))
    assert all(len(line) <= 78 for line in block.split(b"\r\n"))
    value = re.sub(r"\r\n(?= )", "", dict(headers_of(site=replace(SITE, from_name=name)))["From"])
    assert parseaddr(value)[1] == "tips@news.example"
    shown = value.removesuffix(" <tips@news.example>")
    plain = parseaddr(value)[0] if shown.startswith('"') else shown
    assert second_decoder(plain) == name
    assert str(make_header(decode_header(plain))) == name


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Tip of the Week", "Tip of the Week"),
        ("Tips, weekly", '"Tips, weekly"'),
        ('The "good" tip \\ week', '"The \\"good\\" tip \\\\ week"'),
        ("=?UTF-8?Q?x?=", "=?UTF-8?B?PT9VVEYtOD9RP3g/PQ==?="),
        ("Grüße", "=?UTF-8?B?R3LDvMOfZQ==?="),
    ],
)
def test_a_display_name_is_as_plain_as_it_can_be(name: str, shown: str) -> None:
    assert phrase(name, offset=6) == shown


def test_replies_go_to_the_bare_address_of_a_name() -> None:
    fields = dict(headers_of(site=replace(SITE, reply_to="The Editor <editor@news.example>", contact_url="")))
    assert fields["Reply-To"] == "editor@news.example"
    assert fields["List-Help"] == "<mailto:editor@news.example?subject=help>"


@pytest.mark.parametrize("evil", ["\r\nBcc: x@y.example", "\n", "\r", "\0", "\x7f", "\x85", "\u2028", "\x1b[2J", "\t"])
def test_no_value_can_end_its_header_field(evil: str) -> None:
    for broken in (
        lambda: headers_of(subject=f"a{evil}b"),
        lambda: headers_of(site=replace(SITE, from_name=f"a{evil}b")),
        lambda: headers_of(site=replace(SITE, title=f"a{evil}b")),
        lambda: headers_of(site=replace(SITE, reply_to=f"a{evil}@b.example")),
        lambda: headers_of(site=replace(SITE, language=f"en{evil}")),
        lambda: headers_of(site=replace(SITE, contact_url=f"https://a.example/{evil}")),
        lambda: headers_of(to=f"ada@host.example{evil}"),
        lambda: headers_of(message_id=f"<1{evil}@x>"),
        lambda: headers_of(unsubscribe_url=f"https://a.example/{evil}"),
        lambda: header_block([("X-A", f"a{evil}b")]),
        lambda: header_block([(f"X{evil}", "a")]),
    ):
        with pytest.raises(InputError):
            broken()


@given(st.text("abcdefghijklmnopqrstuvwxyzABC019._-", min_size=1, max_size=400))
def test_list_unsubscribe_is_never_encoded_and_folded_only_at_its_comma(token: str) -> None:
    url, mailto = f"https://news.example/u/{token}", f"mailto:tips+{token}@news.example"
    block = header_block(headers_of(unsubscribe_url=url, unsubscribe_mailto=mailto))
    assert f"List-Unsubscribe: <{url}>,\r\n <{mailto}>\r\n".encode() in block
    assert b"\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in block


def test_a_url_that_must_not_be_in_a_header_is_refused() -> None:
    for url in (
        "javascript:alert(1)",
        "https://a b",
        "https://ä.example/",
        "https://a>b",
        "/u/x",
        "https://" + "a" * 999,
    ):
        with pytest.raises(InputError):
            link(url)


def test_an_address_shows_its_domain_in_ascii() -> None:
    assert mailbox("info@bücher.example") == "info@xn--bcher-kva.example"
    assert mailbox("info@faß.example") == "info@xn--fa-hia.example"
    assert mailbox("josé@host.example") == "josé@host.example"
    for broken in ("ada", "a b@c.example", "<a@b.example>", "a@b.example,c@d.example", "@b.example", "a@"):
        with pytest.raises(InputError):
            mailbox(broken)


def test_a_date_is_in_utc_and_needs_a_time_zone() -> None:
    at = datetime(2025, 6, 3, 8, 0, 5, tzinfo=timezone(timedelta(hours=-4)))
    assert format_date(at) == "Tue, 03 Jun 2025 12:00:05 +0000"
    assert parsedate_to_datetime(format_date(at)) == at
    with pytest.raises(ValueError, match="aware"):
        format_date(datetime(2025, 6, 3, 8))  # noqa: DTZ001 - naive on purpose


def test_sentinels_are_accepted_as_values() -> None:
    marks = sentinels("n0nce")
    recipient = {name: marks[name] for name in RECIPIENT}
    block = header_block(headers_of("Say it", SITE, **recipient)).decode()
    assert all(marks[name] in block for name in RECIPIENT)
