"""DKIM signatures: the examples of RFC 6376 and RFC 8463, and random messages, checked by other verifiers."""

from __future__ import annotations

import json
import subprocess
from base64 import b64decode
from datetime import UTC, datetime
from pathlib import Path

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from newsletter.domain.errors import SettingsError
from newsletter.keys import load_dkim
from newsletter.mail.dkim import OVERSIGNED, Dkim, canonical_body, canonical_field
from newsletter.mail.message import build
from tests.support.dkim_keys import ED25519, RSA, UNSUPPORTED_KEYS
from tests.support.needs import require_program, require_referees
from tests.unit.test_mail_compiled import COMPILED, any_recipients, awkward, headers, render

NOW = datetime(2026, 6, 2, 12, tzinfo=UTC)
VERIFY = Path(__file__).parents[1] / "support" / "dkim_verify.pl"


def load(*keys: tuple[str, str, str]) -> Dkim:
    found = load_dkim("news.example", keys)
    assert found
    return found


BOTH = load(("ONE", "r2026", RSA), ("TWO", "e2026", ED25519))
RECORDS = {f"{key.selector}._domainkey.news.example.": key.record for key in BOTH.keys}


def verdicts(message: bytes) -> list[bool]:
    """The verdicts of dkimpy on the two signatures."""

    def look_up(name: bytes, timeout: int = 5) -> bytes:
        return RECORDS[name.decode()].encode()

    def verdict(number: int) -> bool:
        try:
            return bool(dkim.DKIM(message).verify(idx=number, dnsfunc=look_up))
        except dkim.ValidationError:
            return False

    return [verdict(0), verdict(1)]


def signed_fields(message: bytes) -> list[str]:
    """The names in `h=` of the first signature."""
    field = b"".join(message.partition(b"\r\n")[2].split(b"; bh=")[0].split())
    names = field.split(b"h=")[1].split(b";")[0]
    return names.decode().lower().split(":")


def test_the_relaxed_form_is_that_of_the_rfc() -> None:
    """RFC 6376 section 3.4.5."""
    assert canonical_field(b"A: X") == b"a:X"
    assert canonical_field(b"B : Y\t\r\n\tZ  ") == b"b:Y Z"
    assert canonical_body(b" C \r\nD \t E\r\n\r\n\r\n") == b" C\r\nD E\r\n"


@pytest.mark.parametrize("body", [b"", b"\r\n", b" \r\n\t\r\n"])
def test_an_empty_body_has_an_empty_canonical_form(body: bytes) -> None:
    assert canonical_body(body) == b""


@given(st.text("a \t\n", max_size=60))
def test_the_canonical_body_is_that_of_dkimpy(text: str) -> None:
    body = f"{text}\n".replace("\n", "\r\n").encode()  # for a body without a final CRLF, dkimpy departs from the RFC
    assert canonical_body(body) == dkim.canonicalization.Relaxed.canonicalize_body(body)


def test_the_signature_of_rfc_8463_is_reproduced() -> None:
    """Appendix A: its key, message and signature, with the fields that this message has."""
    seed = b64decode("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")
    key = Ed25519PrivateKey.from_private_bytes(seed)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    [loaded] = load(("ONE", "brisbane", pem)).keys
    assert loaded.record == "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
    fields = [
        b"from:Joe SixPack <joe@football.example.com>",
        b"to:Suzie Q <suzie@shopping.example.net>",
        b"subject:Is dinner ready?",
        b"date:Fri, 11 Jul 2003 21:00:37 -0700 (PDT)",
        b"message-id:<20030712040037.46341.5F8J@football.example.com>",
        (
            b"dkim-signature:v=1; a=ed25519-sha256; c=relaxed/relaxed; d=football.example.com;"
            b" i=@football.example.com; q=dns/txt; s=brisbane; t=1528637909; h=from : to : subject : date :"
            b" message-id : from : subject : date; bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=; b="
        ),
    ]
    wanted = "/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11BusFa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw=="
    assert loaded.sign(b"\r\n".join(fields)) == b64decode(wanted)


@given(any_recipients)
def test_every_filled_message_verifies(recipient: dict[str, str]) -> None:
    message, body = COMPILED.fill_to_sign(recipient)
    signed = BOTH.sign(message, NOW, body=body)
    assert message == COMPILED.fill(recipient)
    assert body == canonical_body(message.partition(b"\r\n\r\n")[2])
    assert verdicts(signed) == [True, True]
    assert signed.endswith(message)


@given(any_recipients, awkward.filter(str.strip))
def test_every_built_message_verifies(recipient: dict[str, str], subject: str) -> None:
    signed = BOTH.sign(build(headers(recipient, subject), render(recipient), "b0undary"), NOW)
    assert verdicts(signed) == [True, True]
    assert max(map(len, signed.partition(b"\r\nFrom:")[0].split(b"\r\n"))) < 78


LETTER_SIGNED = BOTH.sign(build(headers(dict.fromkeys(("name", "address"), "x") | {
    "to": "ada@host.example", "message_id": "<1@news.example>", "date": "Tue, 02 Jun 2026 12:00:00 +0000",
    "unsubscribe_url": "https://news.example/u/abc", "unsubscribe_mailto": "mailto:tips+u-abc@news.example",
}), render(dict.fromkeys(("name", "address", "joined_on", "unsubscribe_url", "preferences_url", "useful_url"), "x")), "b"), NOW)  # fmt: skip


def test_both_fields_of_one_click_are_signed_and_four_fields_are_oversigned() -> None:
    names = signed_fields(LETTER_SIGNED)
    assert {"list-unsubscribe", "list-unsubscribe-post", "message-id", "mime-version", "content-type"} <= set(names)
    assert [name for name in dict.fromkeys(names) if names.count(name) == 2] == [name.lower() for name in OVERSIGNED]


@pytest.mark.parametrize("field", OVERSIGNED)
def test_a_second_field_breaks_the_signature(field: str) -> None:
    top, _, rest = LETTER_SIGNED.partition(b"\r\nFrom:")
    assert verdicts(b"%b\r\n%b: another\r\nFrom:%b" % (top, field.encode(), rest)) == [False, False]


@pytest.mark.parametrize(
    ("old", "new"),
    [(b"/u/abc>", b"/u/abd>"), (b"=One-Click", b"=Two-Click"), (b"hello", b"hallo"), (b"ada@host", b"eve@host")],
)
def test_a_change_breaks_the_signature(old: bytes, new: bytes) -> None:
    assert old in LETTER_SIGNED
    assert verdicts(LETTER_SIGNED.replace(old, new)) == [False, False]


def test_a_relay_may_fold_a_field_and_remove_trailing_spaces() -> None:
    changed = LETTER_SIGNED.replace(b"List-Post: NO", b"List-post:\r\n\t NO ") + b"\r\n"
    assert verdicts(changed) == [True, True]


def test_a_verifier_outside_python_agrees() -> None:
    require_program("dkimproxy-verify")  # comes with Mail::DKIM; Debian 12's knows no Ed25519
    command = ["perl", str(VERIFY), BOTH.keys[0].record]
    verdict = [
        subprocess.run(command, input=message, capture_output=True, timeout=60, check=True).stdout.decode()  # noqa: S603
        for message in (LETTER_SIGNED, LETTER_SIGNED.replace(b"hello", b"hallo"))
    ]
    assert "rsa-sha256: pass" in verdict[0]
    assert "rsa-sha256: fail" in verdict[1]


def test_a_verifier_outside_python_agrees_with_both_signatures() -> None:
    command = [require_program("node"), str(require_referees() / "dkim.mjs"), json.dumps(RECORDS)]
    verdict = [
        subprocess.run(command, input=message, capture_output=True, timeout=60, check=True).stdout.decode().split("\n")  # noqa: S603
        for message in (LETTER_SIGNED, LETTER_SIGNED.replace(b"hello", b"hallo"))
    ]
    assert sorted(verdict[0]) == ["", "ed25519-sha256: pass", "rsa-sha256: pass"]
    assert sorted(verdict[1]) == ["", "ed25519-sha256: neutral", "rsa-sha256: neutral"]


def test_without_a_key_there_is_no_signature() -> None:
    assert load_dkim("news.example", [("ONE", "", ""), ("TWO", "", "")]) is None


@pytest.mark.parametrize(
    ("selector", "pem", "words"),
    [
        ("s", "", "ONE_SELECTOR is set without ONE_KEY"),
        ("", RSA, "ONE_KEY is set without ONE_SELECTOR"),
        ("s", RSA.replace("A", "B"), "cannot be read"),
        ("s", UNSUPPORTED_KEYS["locked"], "cannot be read"),
        ("s", UNSUPPORTED_KEYS["too short"], "neither RSA of 2048 to 4096 bits nor Ed25519"),
        ("s", UNSUPPORTED_KEYS["another kind"], "neither RSA of 2048 to 4096 bits nor Ed25519"),
    ],
)
def test_an_unusable_key_is_named(selector: str, pem: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words) as caught:
        load(("ONE", selector, pem))
    assert caught.value.fix
    assert "PRIVATE" not in str(caught.value)
