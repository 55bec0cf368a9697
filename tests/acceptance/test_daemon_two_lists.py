"""`newsletter run` with two lists on the same day: both are sent, also if it is killed in the middle of one of the issues."""

from __future__ import annotations

import signal
from collections import Counter
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from newsletter.domain.lists import MailingList
from newsletter.domain.subscribers.subscription import Status
from newsletter.store.transactions import SqlStore
from tests.acceptance.test_daemon import TUESDAY, daemon, rows, server, tips  # noqa: F401 - fixtures
from tests.support.faulty_smtp import Fault, FaultySmtp
from tests.support.library import add_tip
from tests.support.processes import wait_until

BEFORE, CONNECTIONS = TUESDAY - timedelta(days=9), 2


@pytest.fixture
def two(tips: Path) -> Path:  # noqa: F811 - a fixture
    """The same with a second list on Tuesdays, whose three subscribers are the same."""
    with closing(SqlStore(tips / "data" / "newsletter.db")) as store:
        with store.write() as tx:
            own = {"title": "Business Advice", "schedule": "tue 08:00"}
            advice = store.of_list(tx.lists.add(MailingList(0, "advice", 0, own=own), BEFORE).id)
        add_tip(advice, "Hire slowly")
        with advice.write() as tx:
            for number in (1, 2, 3):
                tx.subscribers.set_status(number, Status.CONFIRMED, BEFORE)
    return tips


def got(server: FaultySmtp) -> Counter[tuple[str, str]]:  # noqa: F811 - a fixture
    """How often each subscriber got the issue of each list."""
    found = [(email.recipient, email.message.partition(b"\r\nList-ID:")[2]) for email in server.emails]
    return Counter(
        (who, "advice" if b"<advice." in rest.partition(b"\r\nList-")[0] else "tips")
        for who, rest in found
        if not who.startswith("owner@")
    )


def test_a_daemon_that_is_killed_in_one_of_two_issues_finishes_both(two: Path, server: FaultySmtp) -> None:  # noqa: F811
    server.faults.append(Fault("dot", "stall", to="reader*", first=4, times=1))  # in the second issue
    with daemon(two, TUESDAY) as process:
        assert server.stalling.wait(30)
        process.kill()
    killed_in = rows(two, "SELECT id, state FROM issue ORDER BY id")
    server.release()
    with daemon(two, TUESDAY + timedelta(minutes=1)) as process:
        wait_until(
            lambda: {state for (state,) in rows(two, "SELECT state FROM issue")} == {"done"}, what="both are done"
        )
        process.send(signal.SIGTERM)
        ended = process.ends()
    everybody = {(f"reader{n}@a.example", of) for n in (1, 2, 3) for of in ("tips", "advice")}
    arrived = got(server)

    assert (ended, set(arrived)) == (0, everybody)
    assert arrived.total() - len(everybody) <= CONNECTIONS
    assert killed_in == [(1, "done"), (10_000_001, "sending")]
    assert "the next issue is due" in process.said
    assert "(advice)" in process.said
    assert "issue 1 of advice:" in process.said
