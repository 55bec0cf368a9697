"""A mail server that does not open, greet, or renew connections: the issue goes on with those that are open."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from newsletter.actions.delivery.opening import open_session
from newsletter.domain.delivery.issue import IssueState
from newsletter.domain.errors import SenderError
from newsletter.senders import make_sender
from newsletter.senders.smtp.reach import Address, reach_any
from tests.support.faulty_smtp import DROP, STALL, Fault, FaultySmtp, ServerBehavior
from tests.support.publishing import AppHarness, open_app_harness, subscriber_addresses

MANY = 60
LONG = "greeting_timeout=5m"  # a test that waits for it fails


@contextmanager
def app_harness(
    directory: Path, *faults: Fault, options: tuple[str, ...] = (LONG,), login: str = "", **behavior: object
) -> Iterator[tuple[AppHarness, FaultySmtp]]:
    with (
        FaultySmtp(faults, ServerBehavior(**behavior)) as server,  # type: ignore[arg-type]
        open_app_harness(
            directory, sender_url=server.url("connections=10", *options, login=login), second_process="0"
        ) as harness,
    ):
        yield harness, server


def got(server: FaultySmtp) -> list[str]:
    return sorted(email.recipient for email in server.emails)


@pytest.mark.parametrize(
    ("stage", "does", "pipelining"),
    [
        ("banner", STALL, True),
        ("banner", STALL, False),
        ("banner", DROP, True),
        ("banner", "421 4.3.2 too many connections", True),
        ("banner", "554 5.7.1 service refused", True),
        ("banner", "554 5.7.1 service refused", False),
        ("ehlo", STALL, True),
        ("ehlo", "450 4.7.0 slow down", False),
    ],
)
def test_a_mail_server_that_takes_two_of_ten_connections_gets_the_issue_over_two(
    tmp_path: Path, stage: str, does: str, *, pipelining: bool
) -> None:
    with app_harness(tmp_path, Fault(stage, does, first=2), pipelining=pipelining) as (harness, server):
        harness.start(MANY)
        done = harness.round()

        assert (done.trouble, done.paused, harness.issue().state) == ("", "", IssueState.DONE)
        assert got(server) == subscriber_addresses(MANY)
        assert harness.broken() == []


@pytest.mark.parametrize("pipelining", [True, False])
def test_connections_are_renewed_beside_the_sending(tmp_path: Path, *, pipelining: bool) -> None:
    """After ten messages, each of the two connections is renewed; the mail server greets only one of the new ones."""
    options = ("per_connection=10", LONG)
    faults = [Fault("banner", STALL, first=3, times=8)]
    with app_harness(tmp_path, *faults, options=options, pipelining=pipelining) as (harness, server):
        harness.start(MANY)
        harness.round()

        assert got(server) == subscriber_addresses(MANY)
        assert harness.broken() == []


@pytest.mark.parametrize("pipelining", [True, False])
def test_a_mail_server_that_hangs_up_between_messages_gets_the_email_over_another_connection(
    tmp_path: Path, *, pipelining: bool
) -> None:
    class Short(FaultySmtp):
        """It closes each connection after two messages."""

        def fault(self, stage: str, recipient: str) -> Fault | None:
            count = getattr(here, "messages", 0)
            if stage == "mail" and count == 2:
                return Fault("mail", DROP)
            here.messages = count + (stage == "mail")
            return super().fault(stage, recipient)

    here = threading.local()
    with (
        Short(behavior=ServerBehavior(pipelining=pipelining)) as server,
        open_app_harness(tmp_path, sender_url=server.url("connections=2", LONG)) as harness,
    ):
        harness.start(9)
        done = harness.round()

        assert (got(server), done.trouble) == (subscriber_addresses(9), "")
        assert {harness.row(address).attempts for address in subscriber_addresses(9)} == {1}


def test_a_wrong_password_is_tried_once(tmp_path: Path) -> None:
    with app_harness(tmp_path, login="me:wrong@", users={"me": "right"}) as (harness, server):
        harness.start(MANY)
        done = harness.round()

        assert "535" in done.paused
        assert server.connections == 1
        assert harness.counts() == {"pending": MANY}


@pytest.mark.parametrize("stage", ["banner", "ehlo", "auth"])
def test_a_stop_does_not_wait_for_a_connection_that_opens(tmp_path: Path, stage: str) -> None:
    with app_harness(tmp_path, Fault(stage, STALL), login="me:right@", users={"me": "right"}) as (harness, server):
        harness.start(3)
        stopper = stop_when_it_stalls(harness, server)
        harness.round()
        stopper.join()

        assert harness.counts() == {"pending": 3}


def test_a_stop_does_not_wait_for_the_connection_of_transactional_emails(tmp_path: Path) -> None:
    with app_harness(tmp_path, Fault("banner", STALL)) as (harness, server):
        harness.owner.alert("A test", ["It happened."], "Do something")
        stopper = stop_when_it_stalls(harness, server)
        with pytest.raises(SenderError, match="stopped"):
            harness.transactional.send()
        stopper.join()
        with harness.store.read() as tx:
            assert tx.transactional.waiting() == 1


def stop_when_it_stalls(harness: AppHarness, server: FaultySmtp) -> threading.Thread:
    def stop() -> None:
        server.stalling.wait()
        harness.stop.set()

    thread = threading.Thread(target=stop)
    thread.start()
    return thread


def test_a_session_is_opened_before_the_stop(tmp_path: Path) -> None:
    open_session(make_sender(f"maildir://{tmp_path}/m", hostname="x.example"), threading.Event()).close()


# -- addresses -------------------------------------------------------------------------------------


def test_an_address_that_leads_nowhere_does_not_keep_the_others_waiting() -> None:
    with ExitStack() as stack:
        nowhere, works = black_hole(stack), stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        found = [addresses(nowhere[1])[0], addresses(works.getsockname()[1])[0]]
        with closing(reach_any(found, timeout=60, stagger=0.01)) as connected:
            assert connected.getpeername() == works.getsockname()
            assert connected.gettimeout() == 60


def test_an_address_that_refuses_is_followed_by_the_next_immediately() -> None:
    with socket.create_server(("127.0.0.1", 0)) as works:
        found = [*addresses(1), *addresses(works.getsockname()[1])]
        with closing(reach_any(found, timeout=60, stagger=60)) as connected:
            assert connected.getpeername() == works.getsockname()


def test_addresses_that_all_lead_nowhere_have_one_time_limit_together() -> None:
    with ExitStack() as stack:
        nowhere = addresses(black_hole(stack)[1])
        with pytest.raises(TimeoutError):
            reach_any([*nowhere, *nowhere], timeout=0.05, stagger=60)
    with pytest.raises(ConnectionRefusedError):
        reach_any(addresses(1), timeout=60)


def addresses(port: int) -> list[Address]:
    return list(socket.getaddrinfo("127.0.0.1", port, type=socket.SOCK_STREAM))


def black_hole(stack: ExitStack) -> tuple[str, int]:
    """An address that never answers: Linux drops what comes to a listener whose queue is full."""
    listener = stack.enter_context(socket.socket())
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    for _ in range(4):
        filler = stack.enter_context(socket.socket())
        filler.setblocking(False)
        filler.connect_ex(listener.getsockname())
    name: tuple[str, int] = listener.getsockname()
    return name
