"""What a sender learns about its relay: whether it can be sent several commands together, and whether it is quick."""

from __future__ import annotations

import pytest

from newsletter.domain.delivery.outcome import Envelope, Outcome, Rejected, Sent
from newsletter.domain.errors import SenderError
from newsletter.senders.smtp.dialogue import Dialogue, Extensions, Lost, ReplyReader
from newsletter.senders.smtp.experience import Experience

ALICE = Envelope("bounce@news.example.org", "alice@example.org")
OK, GO_AHEAD, QUEUED = b"250 ok\r\n", b"354 go ahead\r\n", b"250 queued\r\n"
LATE, GONE, BUSY = TimeoutError(), Lost("it closed the connection"), b"421 4.3.2 busy\r\n"


def connection(experience: Experience) -> Dialogue:
    """The dialogue of a new connection to a server that offers PIPELINING."""
    return Dialogue("relay:25", ReplyReader(), Extensions(pipelining=True), experience)


def send(dialogue: Dialogue, *answers: bytes | OSError) -> Outcome | None:
    """Send a message; None if the connection fails before it was accepted."""
    try:
        step = dialogue.start(ALICE, b"A tip\r\n")
        for answer in answers:
            assert isinstance(step, bytes)
            try:
                if isinstance(answer, OSError):
                    raise answer
                step = dialogue.receive(answer)
            except OSError as error:
                step = dialogue.lost(error)
    except SenderError:
        return None
    assert not isinstance(step, bytes)
    return step


@pytest.mark.parametrize(
    "answers",
    [
        [OK, LATE],  # it reads one command and drops the others
        [LATE],
        [OK, GONE],
        [b"503 5.5.0 protocol error\r\n"],
        [OK + b"503 5.5.1 one at a time\r\n"],
        [OK + OK + b"503 5.5.1 one at a time\r\n"],
        [OK + OK + OK],
    ],
)
def test_a_server_that_fails_at_a_first_group_of_commands_gets_single_commands(answers: list[bytes | OSError]) -> None:
    experience = Experience()
    assert send(connection(experience), *answers) is None
    following = connection(experience)
    assert not following.pipelines
    assert isinstance(send(following, OK, OK, GO_AHEAD, QUEUED), Sent)
    assert not connection(experience).pipelines


@pytest.mark.parametrize("answers", [[GONE], [BUSY], [OK + BUSY], [b"550 5.7.1 go away\r\n" * 3, OK]])
def test_trouble_that_is_not_about_pipelining_does_not_end_it(answers: list[bytes | OSError]) -> None:
    experience = Experience()
    assert send(connection(experience), *answers) is None
    assert connection(experience).pipelines


def test_a_server_that_has_answered_a_group_is_not_suspected_any_more() -> None:
    experience = Experience()
    assert isinstance(send(connection(experience), OK + OK + GO_AHEAD, QUEUED), Sent)
    assert send(connection(experience), OK, LATE) is None
    assert connection(experience).pipelines


def test_a_refusal_of_a_recipient_with_503_stands_once_it_answers_a_single_command() -> None:
    experience = Experience()
    refusal = b"503 5.5.1 no\r\n"
    assert send(connection(experience), OK + refusal + refusal) is None
    assert isinstance(send(connection(experience), OK, refusal, OK), Rejected)


def test_pipelining_gets_a_second_chance_if_single_commands_fail_as_well_but_not_forever() -> None:
    experience = Experience()
    for _ in range(3):
        assert connection(experience).pipelines
        assert send(connection(experience), OK, LATE) is None
        assert not connection(experience).pipelines
        assert send(connection(experience), OK, LATE) is None
    assert not connection(experience).pipelines


def test_a_relay_is_quick_until_it_was_slow_once() -> None:
    experience, seen = Experience(), []
    for step in (list, experience.was_slow):
        step()
        experience.worked(pipelining=True)
        seen.append(experience.is_quick)
    assert seen == [True, False]
