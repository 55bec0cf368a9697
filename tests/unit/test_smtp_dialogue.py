"""The SMTP dialogue alone: bytes from the server in, bytes to send out, and an outcome."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.domain.delivery.outcome import Cause, Deferred, Envelope, InDoubt, Outcome, Rejected, Sent, Stage
from newsletter.domain.errors import SenderError
from newsletter.senders.smtp import dialogue as module
from newsletter.senders.smtp.dialogue import Dialogue, Extensions, Lost, ReplyReader, Stale, with_dot

ALICE = Envelope("bounce@news.example.org", "alice@example.org")
MESSAGE = b"Subject: A tip\r\n\r\nSay their name.\r\n"
MAIL, RCPT, DATA = b"MAIL FROM:<bounce@news.example.org>\r\n", b"RCPT TO:<alice@example.org>\r\n", b"DATA\r\n"
OK, GO_AHEAD, NO = b"250 2.1.0 ok\r\n", b"354 go ahead\r\n", b"550 5.1.1 no such user\r\n"
DOT = MESSAGE + b".\r\n"


def make_dialogue(*, pipelining: bool = True, messages: int = 0) -> Dialogue:
    """A dialogue with a server; messages: how many it has accepted before."""
    dialogue = Dialogue("relay:25", ReplyReader(), Extensions(pipelining=pipelining))
    for _ in range(messages):
        answers = [OK + OK + GO_AHEAD, OK] if pipelining else [OK, OK, GO_AHEAD, OK]
        assert isinstance(talk(dialogue, answers)[1], Sent)
    return dialogue


def talk(dialogue: Dialogue, answers: Sequence[bytes]) -> tuple[list[bytes], Outcome | bytes]:
    """Give the server's answer to each thing we send; returns what we sent, and the last Step."""
    sent: list[bytes] = []
    step = dialogue.start(ALICE, MESSAGE)
    for answer in answers:
        assert isinstance(step, bytes)
        sent.append(step)
        step = dialogue.receive(answer)
    return sent, step


def drain(dialogue: Dialogue, chunks: Iterator[bytes]) -> tuple[list[bytes], str]:
    """Read as a driver reads, chunk by chunk to the end of the connection; returns what we sent, and the result in words."""
    sent: list[bytes] = []
    try:
        step = dialogue.start(ALICE, MESSAGE)
        while isinstance(step, bytes):
            sent += [step] if step else []
            step = dialogue.advance() or dialogue.receive(next(chunks, b""))
    except Lost as error:
        try:
            step = dialogue.lost(error)
        except SenderError as trouble:
            return sent, f"{type(trouble).__name__}: {trouble}"
    except SenderError as trouble:
        return sent, f"{type(trouble).__name__}: {trouble}"
    return sent, f"{step!r} {dialogue.is_usable} {dialogue.finished}"


# -- what is sent ----------------------------------------------------------------------------------


def test_a_server_with_pipelining_gets_three_commands_in_one_write() -> None:
    sent, outcome = talk(make_dialogue(), [OK + OK + GO_AHEAD, b"250 2.0.0 queued as 7\r\n"])
    assert sent == [MAIL + RCPT + DATA, DOT]
    assert isinstance(outcome, Sent)
    assert str(outcome.reply) == "250 2.0.0 queued as 7"


def test_a_server_without_pipelining_gets_one_command_at_a_time() -> None:
    sent, outcome = talk(make_dialogue(pipelining=False), [OK, OK, GO_AHEAD, OK])
    assert sent == [MAIL, RCPT, DATA, DOT]
    assert isinstance(outcome, Sent)


def test_three_replies_at_once_do_not_hurry_a_dialogue_without_pipelining() -> None:
    sent, outcome = drain(make_dialogue(pipelining=False), iter([OK + OK + GO_AHEAD, OK]))
    assert sent == [MAIL, RCPT, DATA, DOT]
    assert outcome.startswith("Sent")


@pytest.mark.parametrize(
    ("answers", "last_sent"),
    [
        ([OK + NO + b"503 5.5.1 no recipient\r\n", OK], b"RSET\r\n"),
        ([OK + NO + GO_AHEAD, b"554 5.5.1 no recipient\r\n"], b".\r\n"),
        ([OK, NO + GO_AHEAD, NO], b".\r\n"),
        ([OK + NO, b"503 5.5.1 no recipient\r\n", OK], b"RSET\r\n"),
    ],
)
def test_a_refused_recipient_ends_with_a_reset_or_with_a_lone_dot_if_data_was_accepted(
    answers: list[bytes], last_sent: bytes
) -> None:
    dialogue = make_dialogue()
    sent, outcome = talk(dialogue, answers)
    assert sent[-1] == last_sent
    assert isinstance(outcome, Rejected)
    assert outcome.cause is Cause.BAD_ADDRESS
    assert dialogue.is_usable
    assert dialogue.finished == 1


def test_a_refused_recipient_without_pipelining_ends_with_a_reset() -> None:
    sent, outcome = talk(make_dialogue(pipelining=False), [OK, b"450 4.2.1 greylisted\r\n", OK])
    assert sent == [MAIL, RCPT, b"RSET\r\n"]
    assert isinstance(outcome, Deferred)


@pytest.mark.parametrize("pipelining", [True, False])
def test_a_refused_data_ends_with_a_reset(*, pipelining: bool) -> None:
    no = b"451 4.3.0 later\r\n"
    sent, outcome = talk(make_dialogue(pipelining=pipelining), [OK + OK + no, OK] if pipelining else [OK, OK, no, OK])
    assert sent[-1] == b"RSET\r\n"
    assert isinstance(outcome, Deferred)
    assert outcome.reply.stage is Stage.DATA


@pytest.mark.parametrize("others", [[b"503 5.5.1 no\r\n", b"503 5.5.1 no\r\n"], [OK, GO_AHEAD]])
def test_a_refused_sender_is_trouble_once_all_three_replies_are_read_and_nothing_more_is_sent(
    others: list[bytes],
) -> None:
    for messages in (0, 1):
        dialogue = make_dialogue(messages=messages)
        assert talk(dialogue, [b"451 4.3.2 slow down\r\n" + others[0]]) == ([MAIL + RCPT + DATA], b"")
        with pytest.raises(SenderError, match=r"relay:25: it answered 451 4\.3\.2 slow down to MAIL") as caught:
            dialogue.receive(others[1])
        assert isinstance(caught.value, Stale) is bool(messages), "on a used connection, another one may go on"


def test_a_refused_sender_without_pipelining_is_trouble_immediately() -> None:
    with pytest.raises(SenderError, match="to MAIL"):
        talk(make_dialogue(pipelining=False), [b"550 5.7.1 not you\r\n"])


def test_the_longer_limit_is_for_the_replies_to_a_dot() -> None:
    dialogue = make_dialogue()
    waits = []
    for answers in ([OK + OK + GO_AHEAD, OK], [OK + NO + GO_AHEAD, NO], [OK + NO + NO, OK]):
        dialogue.start(ALICE, MESSAGE)
        waits.append(dialogue.awaits_final_reply)
        for answer in answers:
            dialogue.receive(answer)
            waits.append(dialogue.awaits_final_reply)
    assert waits == [False, True, False, False, True, False, False, False, False]


@given(st.lists(st.sampled_from([b".", b"\r\n", b"\n", b"a", b"\r"])).map(b"".join))
def test_a_message_arrives_as_it_was_and_ends_at_its_only_lone_dot(message: bytes) -> None:
    data = with_dot(message)
    assert data.endswith(b".\r\n")
    body = data.removesuffix(b".\r\n")
    assert not any(line == b"." for line in body.replace(b"\r\n", b"\n").split(b"\n"))
    assert not body or body.endswith(b"\r\n")
    read = body.replace(b"\n..", b"\n.").removeprefix(b".") if body.startswith(b"..") else body.replace(b"\n..", b"\n.")
    assert read in (message, message + b"\r\n")


# -- what the server offers ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("features", "size"), [({}, None), ({"size": ""}, 0), ({"size": " 5000 "}, 5000), ({"size": "much"}, 0)]
)
def test_the_size_limit_is_the_one_the_server_names(features: dict[str, str], size: int | None) -> None:
    assert Extensions.parse(features) == Extensions(size=size)


def test_a_refusal_of_our_own_sends_nothing_and_keeps_the_connection() -> None:
    dialogue = make_dialogue()
    refusal = dialogue.start(ALICE, "Grüße".encode())
    assert isinstance(refusal, Rejected)
    assert "8BITMIME" in refusal.reply.text
    assert dialogue.is_usable
    assert dialogue.finished == 0
    assert isinstance(talk(dialogue, [OK + OK + GO_AHEAD, OK])[1], Sent)


# -- lost connections ------------------------------------------------------------------------------

END = ConnectionResetError("reset by peer")


@pytest.mark.parametrize("answers", [[], [OK], [OK + OK]])
@pytest.mark.parametrize(
    ("messages", "error", "kind"),
    [(0, END, SenderError), (1, END, Stale), (0, TimeoutError(), SenderError), (1, TimeoutError(), SenderError)],
)
def test_a_connection_lost_before_the_message_is_stale_only_if_it_worked_before_and_was_not_slow(
    answers: list[bytes], messages: int, error: OSError, kind: type[SenderError]
) -> None:
    dialogue = make_dialogue(messages=messages)
    talk(dialogue, answers)
    with pytest.raises(SenderError, match=r"^relay:25: (reset by peer|it gave no reply in time)$") as caught:
        dialogue.lost(error)
    assert type(caught.value) is kind


@pytest.mark.parametrize("error", [END, TimeoutError(), Lost("it closed the connection")])
def test_only_a_message_that_was_sent_to_its_dot_is_in_doubt(error: OSError) -> None:
    dialogue = make_dialogue(messages=1)
    talk(dialogue, [OK + OK + GO_AHEAD])
    outcome = dialogue.lost(error)
    assert isinstance(outcome, InDoubt)
    assert str(outcome.reply).startswith("no reply to the dot: ")


@pytest.mark.parametrize(
    ("error", "messages", "is_stale"), [(END, 0, False), (END, 1, True), (TimeoutError(), 1, False)]
)
def test_a_message_that_was_cut_off_is_trouble(error: OSError, messages: int, *, is_stale: bool) -> None:
    dialogue = make_dialogue(messages=messages)
    talk(dialogue, [OK + OK + GO_AHEAD])
    with pytest.raises(SenderError, match="in the middle of the message") as caught:
        dialogue.lost(error, unsent=True, last=(250, b"2.0.0 what?"))
    assert isinstance(caught.value, Stale) is is_stale


@pytest.mark.parametrize(
    ("heard", "reply"),
    [
        (OK, "rcpt no reply to RCPT: reset by peer"),
        (OK + OK, "data no reply to DATA: reset by peer"),
    ],
)
def test_a_connection_that_was_lost_at_an_email_says_where(heard: bytes, reply: str) -> None:
    dialogue = make_dialogue()
    talk(dialogue, [heard])
    with pytest.raises(SenderError) as caught:
        dialogue.lost(END)
    assert caught.value.reply
    assert f"{caught.value.reply.stage} {caught.value.reply}" == reply


def test_the_refusal_of_a_server_that_cut_a_message_off_counts() -> None:
    dialogue = make_dialogue()
    talk(dialogue, [OK + OK + GO_AHEAD])
    outcome = dialogue.lost(END, unsent=True, last=(552, b"5.3.4 too long"))
    assert isinstance(outcome, Rejected)
    assert str(outcome.reply) == "552 5.3.4 too long"


@pytest.mark.parametrize("answers", [[OK + NO], [OK + NO + NO], [OK + NO + GO_AHEAD]])
@pytest.mark.parametrize("error", [END, TimeoutError()])
def test_the_verdict_on_a_recipient_stands_if_the_connection_is_lost_afterwards(
    answers: list[bytes], error: OSError
) -> None:
    dialogue = make_dialogue(messages=1)
    talk(dialogue, answers)
    outcome = dialogue.lost(error, unsent=True)
    assert isinstance(outcome, Rejected)
    assert outcome.reply.stage is Stage.RCPT


# -- servers out of step ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "words"),
    [(b"421 4.3.2 going down\r\n", "421 4.3.2 going down"), (b"250 hm\r\n", "before it was asked"), (b"25", "before")],
)
def test_words_that_nobody_asked_for_end_the_connection_before_anything_is_sent(said: bytes, words: str) -> None:
    dialogue = make_dialogue()
    assert isinstance(talk(dialogue, [OK + OK + GO_AHEAD, OK + said])[1], Sent)
    with pytest.raises(Lost, match=words) as caught:
        dialogue.start(ALICE, MESSAGE)
    with pytest.raises(Stale, match=words):
        dialogue.lost(caught.value)


def test_a_421_to_the_dot_is_trouble_and_not_doubt() -> None:
    dialogue = make_dialogue(messages=1)
    with pytest.raises(Lost) as caught:
        talk(dialogue, [OK + OK + GO_AHEAD, b"421-4.3.0 out\r\n421 4.3.0 of disk\r\n"])
    with pytest.raises(SenderError, match=r"421 4\.3\.0 out of disk"):
        dialogue.lost(caught.value)


@pytest.mark.parametrize(
    ("answers", "kind"),
    [([OK + OK + GO_AHEAD, GO_AHEAD], InDoubt), ([OK + NO + NO, b"502 5.5.1 no RSET here\r\n"], Rejected)],
)
def test_a_server_whose_reply_makes_no_sense_gets_no_other_message(answers: list[bytes], kind: type[Outcome]) -> None:
    dialogue = make_dialogue()
    _, outcome = talk(dialogue, answers)
    assert isinstance(outcome, kind)
    assert not dialogue.is_usable


@pytest.mark.parametrize("early", [b"250 2.0.0 taken\r\n", b"354 go ahead\r\n", b"250 2.0", b"hello\r\n"])
@pytest.mark.parametrize("pipelining", [True, False])
def test_a_reply_that_comes_before_the_message_does_not_count_for_it(early: bytes, *, pipelining: bool) -> None:
    answers = [OK + OK + GO_AHEAD + early] if pipelining else [OK, OK, GO_AHEAD + early]
    dialogue = make_dialogue(pipelining=pipelining)
    with pytest.raises((SenderError, Lost)) as caught:
        talk(dialogue, answers)
    if isinstance(caught.value, Lost):
        with pytest.raises(SenderError):
            dialogue.lost(caught.value)
    assert dialogue.is_busy


def test_a_refusal_that_comes_before_the_message_is_one() -> None:
    dialogue = make_dialogue()
    sent, outcome = talk(dialogue, [OK + OK + GO_AHEAD + b"554 5.6.0 no\r\n"])
    assert isinstance(outcome, Rejected)
    assert (sent, outcome.reply.stage, dialogue.is_usable) == ([MAIL + RCPT + DATA], Stage.DATA, False)


@pytest.mark.parametrize(
    "said",
    [
        *[b"hello\r\n", b"2500 ok\r\n", b"25\r\n", b"\r\n", b"250-ok\r\n" * 200],
        *[b"250-ok\r\n550 no\r\n", b"550-no\r\n250 ok\r\n", b"250-ok\r\n421 closing\r\n"],
    ],
)
def test_anything_but_a_reply_ends_the_connection(said: bytes) -> None:
    with pytest.raises(Lost, match=r"not an SMTP reply|two codes"):
        talk(make_dialogue(), [said])


def test_a_reply_without_an_end_is_given_up() -> None:
    dialogue = make_dialogue()
    talk(dialogue, [b"250 " + b"x" * 10_000])
    dialogue.receive(b"x" * 10_000)
    with pytest.raises(Lost, match="does not end"):
        dialogue.receive(b"x")


# -- chunks ----------------------------------------------------------------------------------------

REPLIES = st.sampled_from(
    [
        OK, OK, OK, GO_AHEAD, GO_AHEAD, NO, b"250\r\n", b"250-2.0.0 a\r\n250 2.0.0 b\r\n", b"250 bare\n",
        b"451 4.3.0 later\r\n", b"550-5.1.1 no\r\n550-5.1.1 such\r\n550 5.1.1 user\r\n", b"554 5.7.1 listed\r\n",
        b"421 4.3.2 closing\r\n", b"garbage\r\n", b"250 2.0.0 trunc", b"354\r\n", b"",
    ]
)  # fmt: skip


@given(st.lists(REPLIES, min_size=1, max_size=6), st.lists(st.integers(1, 40)), st.booleans(), st.integers(0, 1))
def test_the_outcome_does_not_depend_on_how_replies_are_cut_into_chunks(
    replies: list[bytes],
    cuts: list[int],
    pipelining: bool,  # noqa: FBT001 - hypothesis gives it by position
    messages: int,
) -> None:
    """A 354 ends a chunk: a server that says more with it speaks before it has the message."""
    stream = b"".join(replies)
    waits = [0, *(found.end() for found in re.finditer(rb"354[^\n]*\n", stream)), len(stream)]
    results = []
    for way in ([*accumulate(cuts)], range(len(stream)), []):
        at = sorted({*waits, *(end for end in way if end < len(stream))})
        chunks = [stream[start:end] for start, end in pairwise(at)]
        results.append(drain(make_dialogue(pipelining=pipelining, messages=messages), iter(chunks)))
    assert results[0] == results[1] == results[2]


def test_the_dialogue_imports_neither_sockets_nor_clocks() -> None:
    assert module.__file__
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name for name in imported if not name.startswith("newsletter.")} == {
        "__future__",
        "collections.abc",
        "re",
        "typing",
    }
