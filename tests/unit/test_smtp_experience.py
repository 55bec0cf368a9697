"""What a sender learns about its relay: whether it can be sent several commands together, and whether it is quick."""

from __future__ import annotations

import pytest

from newsletter.domain.delivery.outcome import Deferred, Envelope, Outcome, Rejected, Sent
from newsletter.domain.errors import SenderError
from newsletter.senders.smtp.dialogue import Dialogue, Extensions, Lost, ReplyReader, Stale
from newsletter.senders.smtp.experience import FORGET_AFTER, Experience

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


# -- connections on which a relay accepts a few emails, and defers the others ------------------------

LATER = b"450 4.7.1 not now\r\n"
TOO_MANY = b"452 4.5.3 too many recipients\r\n"
ACCEPTED = (OK + OK + GO_AHEAD, QUEUED)


def deferred_until_unusable(dialogue: Dialogue, most: int = 200) -> int:
    """How many emails are deferred until the connection should not be used any more."""
    for number in range(most):
        if not dialogue.is_usable:
            return number
        assert isinstance(send(dialogue, OK + LATER + LATER, OK), Deferred)
    return most


def test_a_connection_that_accepted_emails_and_then_defers_three_in_a_row_is_not_used_any_more() -> None:
    dialogue = connection(Experience())
    for _ in range(5):
        send(dialogue, *ACCEPTED)
        for _ in range(2):
            send(dialogue, OK + LATER + LATER, OK)
    send(dialogue, *ACCEPTED)
    assert dialogue.is_usable
    assert deferred_until_unusable(dialogue) == 3


def test_so_is_one_that_defers_at_the_end_of_the_message() -> None:
    dialogue = connection(Experience())
    send(dialogue, *ACCEPTED)
    for _ in range(3):
        assert dialogue.is_usable
        send(dialogue, OK + OK + GO_AHEAD, b"451 4.3.0 not now\r\n")
    assert not dialogue.is_usable


def test_a_relay_that_defers_everybody_is_not_asked_for_other_connections() -> None:
    experience = Experience()
    assert deferred_until_unusable(connection(experience)) == 200
    dialogue = connection(experience)
    send(dialogue, *ACCEPTED)
    assert deferred_until_unusable(dialogue) == 3


def test_a_new_connection_that_did_not_help_makes_the_next_one_more_patient() -> None:
    experience, seen = Experience(), []
    for _ in range(4):
        dialogue = connection(experience)
        send(dialogue, OK + LATER + LATER, OK)
        send(dialogue, *ACCEPTED)
        seen.append(deferred_until_unusable(dialogue))
    dialogue = connection(experience)
    send(dialogue, *ACCEPTED)
    assert [*seen, deferred_until_unusable(dialogue)] == [6, 12, 24, 48, 3]


def test_too_many_recipients_are_about_the_connection_and_cost_the_email_nothing() -> None:
    dialogue = connection(Experience())
    send(dialogue, *ACCEPTED)
    dialogue.start(ALICE, b"A tip\r\n")
    with pytest.raises(Stale, match=r"4\.5\.3"):
        dialogue.receive(OK + TOO_MANY + TOO_MANY)
    assert isinstance(send(connection(Experience()), OK + TOO_MANY + TOO_MANY, OK), Deferred)


def test_a_number_of_emails_for_each_connection_is_known_when_it_was_seen_twice_and_forgotten_later() -> None:
    now = 100.0
    experience, seen = Experience(lambda: now), []
    for accepted in (4, 3, 3):
        experience.worn_out(accepted)
        seen.append(experience.limit(1000))
    now += FORGET_AFTER
    assert [*seen, experience.limit(1000)] == [1000, 1000, 3, 1000]
