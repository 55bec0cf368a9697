"""SMTP replies: the whole table of what they mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.domain.delivery.outcome import Cause, Deferred, InDoubt, Outcome, Rejected, Reply, Sent, Stage
from newsletter.mail.replies import classify, parse_reply

BEFORE_THE_LETTER = [Stage.CONNECT, Stage.EHLO, Stage.TLS, Stage.AUTH, Stage.MAIL]
ABOUT_THE_LETTER = [Stage.RCPT, Stage.DATA, Stage.DOT]


def verdict(outcome: Outcome | None) -> object:
    return outcome.cause if isinstance(outcome, Rejected) else type(outcome)


@pytest.mark.parametrize("stage", BEFORE_THE_LETTER)
@pytest.mark.parametrize("code", [0, 220, 250, 421, 451, 454, 503, 530, 535, 554])
def test_before_the_recipient_every_failure_is_of_the_connection(stage: Stage, code: int) -> None:
    assert classify(Reply(stage, code)) is None


@pytest.mark.parametrize("stage", ABOUT_THE_LETTER)
def test_421_is_about_the_connection_at_every_stage(stage: Stage) -> None:
    assert classify(Reply(stage, 421, "4.7.0", "Too many connections")) is None


def test_a_missing_reply_is_in_doubt_only_after_the_dot() -> None:
    assert classify(Reply(Stage.RCPT, 0)) is None
    assert classify(Reply(Stage.DATA, 0)) is None
    assert classify(Reply(Stage.DOT, 0)) == InDoubt(Reply(Stage.DOT, 0))


@pytest.mark.parametrize(
    ("stage", "code", "enhanced", "expected"),
    [
        (Stage.DOT, 250, "2.0.0", Sent),
        (Stage.DOT, 250, "", Sent),
        (Stage.DOT, 354, "", InDoubt),
        (Stage.RCPT, 354, "", type(None)),
        (Stage.DATA, 250, "", type(None)),
        (Stage.RCPT, 450, "4.2.1", Deferred),
        (Stage.DATA, 451, "", Deferred),
        (Stage.DOT, 452, "4.3.1", Deferred),
        (Stage.RCPT, 450, "4.7.1", Deferred),
        (Stage.RCPT, 550, "5.1.1", Cause.BAD_ADDRESS),
        (Stage.RCPT, 550, "5.1.10", Cause.BAD_ADDRESS),
        (Stage.RCPT, 553, "5.1.3", Cause.MAILBOX_CLOSED),
        (Stage.RCPT, 553, "5.1.8", Cause.POLICY),
        (Stage.RCPT, 553, "5.1.7", Cause.POLICY),
        (Stage.RCPT, 550, "", Cause.OTHER),
        (Stage.RCPT, 551, "", Cause.OTHER),
        (Stage.RCPT, 553, "", Cause.OTHER),
        (Stage.DOT, 550, "5.1.1", Cause.MAILBOX_CLOSED),
        (Stage.RCPT, 552, "5.2.2", Cause.MAILBOX_FULL),
        (Stage.RCPT, 552, "", Deferred),
        (Stage.DOT, 552, "5.3.4", Cause.OTHER),
        (Stage.RCPT, 554, "5.7.1", Cause.POLICY),
        (Stage.DATA, 550, "5.7.25", Cause.POLICY),
        (Stage.DOT, 550, "5.7.26", Cause.POLICY),
        (Stage.DATA, 554, "5.5.1", Cause.OTHER),
    ],
)
def test_the_table(stage: Stage, code: int, enhanced: str, expected: object) -> None:
    assert verdict(classify(Reply(stage, code, enhanced))) == expected


@given(st.sampled_from(Stage), st.integers(0, 999), st.sampled_from(["", "5.0.0", "4.4.2", "2.1.5", "5.1.2"]))
def test_every_reply_has_a_meaning_and_only_250_to_the_dot_is_sent(stage: Stage, code: int, enhanced: str) -> None:
    outcome = classify(Reply(stage, code, enhanced))
    assert isinstance(outcome, Sent) == (stage is Stage.DOT and code // 100 == 2)
    if verdict(outcome) is Cause.BAD_ADDRESS:
        assert (stage, code // 100, enhanced[:4]) == (Stage.RCPT, 5, "5.1.")


def test_a_multiline_reply_becomes_one_line_without_repeating_its_code() -> None:
    text = b"5.1.1 The email account that you tried to reach does not exist.\n5.1.1 Please try\n5.1.1  again"
    expected = Reply(
        Stage.RCPT, 550, "5.1.1", "The email account that you tried to reach does not exist. Please try again"
    )
    assert parse_reply(Stage.RCPT, 550, text) == expected


@pytest.mark.parametrize(
    ("code", "text", "enhanced", "stored"),
    [
        (250, "2.0.0 Ok: queued as 1F2", "2.0.0", "Ok: queued as 1F2"),
        (250, "Ok", "", "Ok"),
        (250, "", "", ""),
        (550, "5.1.1", "5.1.1", ""),
        (550, "4.2.1 another class", "", "4.2.1 another class"),
        (550, "5.1.1000 no code", "", "5.1.1000 no code"),
        (550, "#5.1.0 Address rejected", "5.1.0", "Address rejected"),
        (452, "4.2.02 leading zero", "4.2.2", "leading zero"),
        (452, "4.2.2\x1f full", "4.2.2", "full"),
        (554, "a\x00b\x1b[31mred\x7f\u202eevil", "", "a b [31mred evil"),
    ],
)
def test_the_enhanced_code_is_read_and_the_rest_is_cleaned(code: int, text: str, enhanced: str, stored: str) -> None:
    assert parse_reply(Stage.RCPT, code, text) == Reply(Stage.RCPT, code, enhanced, stored)


@given(
    st.sampled_from([250, 421, 452, 550]), st.sampled_from(["", "2.0.0", "5.1.1 ", "4.02.2  "]), st.text(max_size=600)
)
def test_a_line_means_the_same_with_and_without_its_newline(code: int, enhanced: str, words: str) -> None:
    text = enhanced + words
    assert parse_reply(Stage.DOT, code, text) == parse_reply(Stage.DOT, code, f"{text}\n")  # not on the fast path


@given(st.binary(max_size=3000))
def test_every_reply_fits_on_one_clean_line(octets: bytes) -> None:
    text = parse_reply(Stage.DOT, 550, octets).text
    assert len(text) <= 500
    assert text == " ".join(text.split())
    assert not any(ord(character) < 32 or 127 <= ord(character) < 160 for character in text)
