"""Compiled emails: filling one gives the same bytes as building the message, whatever the personal values are."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from email import message_from_bytes
from email.message import Message
from email.policy import compat32
from email.utils import format_datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.domain.dates import AMERICAN, DateForm
from newsletter.domain.delivery.delivery import Claim
from newsletter.domain.errors import InputError, TemplateError
from newsletter.domain.site import Site
from newsletter.domain.tips.season_rule import MONTHS
from newsletter.mail.compiled import PLACEHOLDERS, CompiledEmail, compile_email, sentinels, twin_sentinels
from newsletter.mail.headers import Headers, issue_headers
from newsletter.mail.message import build
from newsletter.mail.personalize import Personalizer
from newsletter.mail.recipient import RecipientValues, format_join_date, message_id
from newsletter.mail.tokens import Purpose, Signer
from newsletter.mail.verp import read_unsubscribe_address
from newsletter.ports.rendering import Rendered

SITE = Site("Tip of the Week", "Tip of the Week", "tips@news.example", "https://news.example")
SIGNER = Signer(["a key for these tests only"])
CLAIM = Claim(
    3, 1234, "abcdefgh12345678", "ada@bücher.example", "Ada", "2025-05-03", 1, datetime(2025, 6, 3, tzinfo=UTC)
)
Recipient = Mapping[str, str]
Render = Callable[[Recipient], Rendered]
Recipients = st.SearchStrategy[dict[str, str]]


def render(recipient: Recipient) -> Rendered:
    """A small email with placeholders in every awkward place."""
    safe = {name: html.escape(value) for name, value in recipient.items()}
    text = (
        f"{recipient['name']}{recipient['address']}, hello.\n{recipient['name']}\n. dots\n…  {recipient['name']} \n"
        f"{'long words ' * 9}{recipient['joined_on']}.{recipient['unsubscribe_url']}\n{recipient['preferences_url']}"
        f" {recipient['useful_url']}/yes"
    )
    page = (
        f'<p title="{safe["name"]}">Größe {safe["name"]} = {safe["address"]}.</p>\n'
        f'<a href="{safe["unsubscribe_url"]}">leave</a> <a href="{safe["preferences_url"]}">set</a>'
        f'<a href="{safe["useful_url"]}/yes">yes</a>{safe["joined_on"]}'
    )
    return Rendered("A tip", text, page)


def headers(recipient: Recipient, subject: str = "A tip") -> Headers:
    return issue_headers(
        SITE,
        subject=subject,
        issue=3,
        slot_or_date=date(2025, 6, 3),
        archived_at="https://news.example/tips/a",
        recipient=recipient,
    )


def compiled(how: Render) -> CompiledEmail:
    a, b = twin_sentinels("n0nce")
    return compile_email(headers(a), how(a), how(b), a, b, "b0undary")


def parts_of(message: bytes) -> tuple[Message, str, str]:
    parsed = message_from_bytes(message, policy=compat32)
    text, page = (bytes(part.get_payload(decode=True)).decode() for part in list(parsed.walk())[1:])
    return parsed, text, page


COMPILED = compiled(render)

awkward = st.one_of(
    st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=200),
    st.text(". =\"'&<>?%_-From\u200dé\U0001f469", max_size=200),
)
tails = st.one_of(st.text("abcXYZ019._~-&=?%/", max_size=150), st.text("a.", max_size=400), st.just("a" * 300))
urls = tails.map(lambda tail: f"https://news.example/u/{tail}")


def recipients(to: st.SearchStrategy[str], words: st.SearchStrategy[str], urls: st.SearchStrategy[str]) -> Recipients:
    """Recipients. to: addresses. words: names and other short texts."""
    same = {
        "message_id": st.just("<0123@news.example>"),
        "date": st.just("Tue, 03 Jun 2025 12:00:00 +0000"),
        "unsubscribe_mailto": st.just("mailto:tips+u-abc@news.example"),
    }
    pages = dict.fromkeys(("unsubscribe_url", "preferences_url", "useful_url"), urls)
    return st.fixed_dictionaries(same | pages | dict.fromkeys(("name", "address", "joined_on"), words) | {"to": to})


addresses = st.sampled_from(["ada@host.example", "o'hara=x@host.example", "josé@host.example"])
# Nearly all values need no encoding, and take the fast path.
plain_urls = st.text("abcXYZ019._~-/", max_size=50).map(lambda tail: f"https://news.example/u/{tail}")
plain_words = st.text("aZ0.~@_", max_size=70).map(lambda text: f"a{text}")
any_recipients = st.one_of(
    recipients(addresses, awkward, urls), recipients(st.just("ada@host.example"), plain_words, plain_urls)
)


def assert_both_ways_are_equal(recipient: Recipient) -> None:
    fast, slow = COMPILED.fill(recipient), build(headers(recipient), render(recipient), "b0undary")
    assert fast.split(b"\r\n\r\n", 1)[0] == slow.split(b"\r\n\r\n", 1)[0]
    (parsed, text, page), (_, slow_text, slow_page) = parts_of(fast), parts_of(slow)
    assert not parsed.defects
    assert text == slow_text
    assert html.unescape(page) == html.unescape(slow_page)


def assert_every_line_follows_the_rules(recipient: Recipient) -> None:
    body = COMPILED.fill(recipient).split(b"\r\n\r\n", 1)[1]
    for line in body.split(b"\r\n"):
        assert len(line) <= 76
        assert not line.startswith((b".", b"From "))
        assert line == line.rstrip(b" \t")
    assert b"\n" not in body.replace(b"\r\n", b"")


@given(any_recipients)
def test_filling_equals_building_part_by_part(recipient: dict[str, str]) -> None:
    assert_both_ways_are_equal(recipient)


@given(any_recipients)
def test_every_filled_line_follows_the_rules(recipient: dict[str, str]) -> None:
    assert_every_line_follows_the_rules(recipient)


@pytest.mark.parametrize("placeholder", ["name", "address", "joined_on"])
@pytest.mark.parametrize(
    "value",
    [
        "",
        ".",
        ".a",
        "a.",
        "From a",
        "From",
        " ",
        "a ",
        " a",
        "a" * 75,
        "a" * 76,
        "%s%b",
        "=",
        "=41",
        "'",
        '"',
        "&lt;",
        "<",
        ">",
    ],
)
def test_one_value_that_only_just_needs_no_encoding_or_does(placeholder: str, value: str) -> None:
    other = sentinels("other")
    recipient = other | {placeholder: value}
    assert_both_ways_are_equal(recipient)
    assert_every_line_follows_the_rules(recipient)
    page, harmless = parts_of(COMPILED.fill(recipient))[2], parts_of(COMPILED.fill(other))[2]
    assert [page.count(sign) for sign in "<>\"'"] == [harmless.count(sign) for sign in "<>\"'"]


@pytest.mark.parametrize("evil", ["a\r\nb", "a\nb", "a\rb", "a\0", "\x85", "a\u2028b", "\ud800", "x" * 1000])
@pytest.mark.parametrize("placeholder", PLACEHOLDERS)
def test_a_value_that_could_break_out_is_refused(placeholder: str, evil: str) -> None:
    with pytest.raises(InputError):
        COMPILED.fill(sentinels("x") | {placeholder: evil})


@given(st.lists(st.integers(0, 5_000_000), min_size=1, max_size=20))
def test_the_date_is_the_present_second_even_if_the_clock_goes_back(microseconds: list[int]) -> None:
    filling = Personalizer(COMPILED, site=SITE, signer=SIGNER, secret=b"s" * 16, dkim=None)
    for after in microseconds:
        now = datetime(2025, 12, 31, 23, 59, 58, tzinfo=UTC) + timedelta(microseconds=after)
        message = message_from_bytes(filling.message(CLAIM, now), policy=compat32)
        assert message["Date"] == format_datetime(now.replace(microsecond=0))


def test_a_stored_email_is_read_back_unchanged() -> None:
    recipient = sentinels("other")
    again = CompiledEmail.loads(COMPILED.dumps())
    assert again.uniform
    assert again.pieces == COMPILED.pieces
    assert again.fill(recipient) == COMPILED.fill(recipient)


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"version": 99}', b'{"version": 1, "pieces": [[]]}', b"\xff"])
def test_anything_but_a_stored_email_is_refused(data: bytes) -> None:
    with pytest.raises(InputError, match="compiled email"):
        CompiledEmail.loads(data)


def changed(text: Callable[[Recipient], str]) -> Render:
    return lambda recipient: Rendered("A tip", render(recipient).text + text(recipient), render(recipient).html)


@pytest.mark.parametrize(
    "how",
    [
        changed(lambda recipient: f"Dear {recipient['name']}," if recipient["name"] else "Hello,"),
        changed(lambda recipient: recipient["name"].upper()),
        changed(lambda recipient: recipient["address"].title()),
        changed(lambda recipient: recipient["address"][:30]),
        changed(lambda recipient: str(len(recipient["joined_on"]))),
        changed(lambda recipient: recipient["joined_on"].rjust(60)),
        lambda recipient: Rendered(f"{recipient['name']}, a tip", render(recipient).text, render(recipient).html),
    ],
)
def test_a_template_that_depends_on_a_personal_value_is_detected(how: Render) -> None:
    email = compiled(how)
    assert not email.uniform
    assert not CompiledEmail.loads(email.dumps()).uniform


def test_an_email_without_an_unsubscribe_link_is_not_compiled() -> None:
    with pytest.raises(TemplateError, match="text part of the email has no unsubscribe link"):
        compiled(lambda recipient: Rendered("A tip", "no way out", render(recipient).html))


def test_personal_values_are_the_same_on_every_retry_and_their_tokens_open() -> None:
    recipient = RecipientValues(SITE, SIGNER, b"s" * 16).values(CLAIM, "today")
    assert recipient == RecipientValues(SITE, SIGNER, b"s" * 16).values(CLAIM, "today")
    assert set(recipient) == set(PLACEHOLDERS)
    assert (recipient["to"], recipient["address"]) == ("ada@xn--bcher-kva.example", "ada@bücher.example")
    assert recipient["joined_on"] == "May 3, 2025"
    leave, settings = (recipient[name].rpartition("/")[2] for name in ("unsubscribe_url", "preferences_url"))
    assert SIGNER.open(Purpose.UNSUBSCRIBE, leave) == ("abcdefgh12345678", "3")
    assert SIGNER.open(Purpose.PREFERENCES, settings) == ("abcdefgh12345678",)
    mailto = recipient["unsubscribe_mailto"].removeprefix("mailto:").rpartition("@")[0]
    assert read_unsubscribe_address(SIGNER, mailto) == ("abcdefgh12345678", 3)


def test_message_ids_differ_by_subscriber_issue_and_secret() -> None:
    made = {
        message_id(secret, issue, who, "x.example") for secret in (b"a", b"b") for issue in (1, 2) for who in (1, 2)
    }
    assert len(made) == 8


def test_the_day_of_a_confirmation_is_that_of_the_newsletters_zone() -> None:
    evening = "2026-12-15 01:30"  # in UTC
    assert format_join_date(evening, replace(SITE, zone=ZoneInfo("America/New_York"))) == "December 14, 2026"
    assert format_join_date(evening, replace(SITE, zone=ZoneInfo("Asia/Kolkata"))) == "December 15, 2026"


def test_a_day_in_words_is_never_empty() -> None:
    british = DateForm("{day} {month} {year}", MONTHS)
    assert format_join_date("2025-05-03", SITE) == "May 3, 2025"
    assert format_join_date("2025-05-03", replace(SITE, dates=british)) == "3 May 2025"
    assert [
        format_join_date("", replace(SITE, dates=dates)) for dates in (AMERICAN, replace(british, unknown="–"))
    ] == [
        "some time ago",
        "–",
    ]
