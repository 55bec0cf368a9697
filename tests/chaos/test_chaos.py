"""The promise of delivery under chaos: nobody skipped, duplicates at most what was in flight when something was killed.

The sender is the real command, the server a real process that logs each email before its 250. The long forms run by
`make chaos`.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from newsletter.domain.delivery.issue import IssueState
from newsletter.domain.subscribers.subscription import Status
from tests.chaos.scene import CONNECTIONS, SLOT_TIME, Scene, make_library
from tests.support.library import TUESDAY
from tests.support.processes import wait_until

SEND = ("issues", "send", "--as-of", SLOT_TIME)
RUN = ("run", "--no-web", "--as-of", SLOT_TIME)
TRY_LATER, PARTLY = 75, 4


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """3,000 subscribers."""
    return make_library(tmp_path_factory.mktemp("many"), 3000)


@pytest.fixture(scope="module")
def some(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2,000 subscribers."""
    return make_library(tmp_path_factory.mktemp("some"), 2000)


@pytest.fixture
def chance() -> random.Random:
    """Random numbers from a seed of the day, which a failure shows."""
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"chaos with seed {seed}")  # noqa: T201 - shown when the test fails
    return random.Random(seed)  # noqa: S311


def finish(scene: Scene, *, runs: int = 40) -> None:
    """Let hours pass, send, and retry held deliveries until the issue is done."""
    before: Mapping[str, int] = {}
    for hours in range(1, runs):
        with scene.store.read() as tx:
            issue = tx.issues.get(1)
        if issue.state is IssueState.DONE and not issue.counts["held"]:
            return
        if issue.counts["held"]:
            # Whose reply was lost twice only gets a third copy if the owner asks for it.
            again = ["--held"] if issue.counts == before else []
            assert scene.run("issues", "retry-failed", "1", *again) in {0, PARTLY}
        before = issue.counts
        scene.run("issues", "resume", "1", "--as-of", (TUESDAY + timedelta(hours=hours)).isoformat())
    pytest.fail(f"the issue does not come to its end: {issue.state}, {issue.pause_reason!r}, {issue.counts}")


# -- kill -9 ---------------------------------------------------------------------------------------


def kill_often(
    scene: Scene, chance: random.Random, kills: int, *, emails: int, commands: Sequence[tuple[str, ...]] = (SEND,)
) -> int:
    """Start a sender and kill it this often, each after some emails or some time; how many kills hit a running one."""
    hit = 0
    for _ in range(kills):
        with scene.start(*chance.choice(commands)) as sender:
            if chance.random() < 0.8:
                scene.wait_for_emails(chance.randint(1, emails), sender)
            else:
                sender.waits(chance.uniform(0, 1.5))
            hit += sender.is_running
    return hit


@pytest.mark.parametrize(
    ("kills", "emails", "pipelining", "together"),
    [(12, 300, True, False), (8, 300, True, True), (4, 100, False, False), (3, 100, False, True)],
)
def test_kill_9_of_the_sender_again_and_again_skips_nobody(
    tmp_path: Path,
    request: pytest.FixtureRequest,
    chance: random.Random,
    kills: int,
    emails: int,
    *,
    pipelining: bool,
    together: bool,
) -> None:
    library = request.getfixturevalue("many" if pipelining else "some")
    with Scene(tmp_path / "scene", library, pipelining=pipelining, together=together) as scene:
        hit = kill_often(scene, chance, kills, emails=emails)
        finish(scene)
        account = scene.account()
        print(f"{hit} kills, {account}")  # noqa: T201

        assert hit >= kills // 2
        account.check(kills=hit)
        assert set(account.copies) == set(account.rows)


def test_kill_9_during_an_issue_of_a_course_gives_everybody_their_own_next_tip(
    tmp_path: Path, some: Path, chance: random.Random
) -> None:
    with Scene(tmp_path / "scene", some) as scene:
        scene.write("UPDATE mailing_list SET order_by = 'course'")
        scene.write("UPDATE subscription SET last_tip_id = nullif(subscriber_id % 3, 0)")
        hit = kill_often(scene, chance, 8, emails=300)
        finish(scene)
        account = scene.account()
        next_tips = {row.address: row.tip for row in account.rows.values()}
        places = dict(scene.rows("SELECT address, last_tip_id FROM subscription JOIN subscriber ON id = subscriber_id"))

        assert hit >= 4
        account.check(kills=hit)
        assert set(account.copies) == set(account.rows)
        wanted = {f"subscriber{number}@a.example": ("One", "Two", "Three")[number % 3] for number in range(1, 2001)}
        assert {who: found for who, found in account.subjects.items() if found != {wanted[who]}} == {}
        assert next_tips == {who: tip.lower() for who, tip in wanted.items()}
        assert {who: at for who, at in places.items() if ("One", "Two", "Three")[at - 1] != wanted[who]} == {}


def test_kill_9_of_the_second_process_leaves_its_emails_to_the_first(tmp_path: Path, many: Path) -> None:
    with Scene(tmp_path / "scene", many, together=True) as scene:
        sender = scene.start(*SEND)
        wait_until(scene.second_process, what="a second process sends")
        os.kill(scene.second_process(), signal.SIGKILL)
        ended = sender.ends()
        account = scene.account()

        assert ended == 0, sender.said
        assert "the second process died" in sender.said
        assert set(account.copies) == set(account.rows)
        account.check(kills=1)


THEIRS = """SELECT count(*) FROM delivery WHERE state = 'sending'
    AND owner IN (SELECT id FROM sender_run WHERE role = 'second process')"""


def test_a_second_process_finishes_its_emails_soon_after_the_first_was_killed(tmp_path: Path, many: Path) -> None:
    with Scene(tmp_path / "scene", many, slow=1.0, together=True) as scene:
        with scene.start(*SEND) as sender:
            wait_until(lambda: scene.rows(THEIRS)[0][0] == CONNECTIONS // 2, what="a second process sends")
            second = scene.second_process()
            sender.kill()
        wait_until(lambda: not Path(f"/proc/{second}").exists(), what="the second process ends")
        open_rows = scene.rows("SELECT count(*) FROM delivery WHERE state = 'sending'")

        assert scene.rows(THEIRS) == [(0,)]
        assert open_rows[0][0] <= CONNECTIONS
        assert scene.store.holder() is None


@pytest.mark.long
def test_kill_9_of_the_sender_a_thousand_times_skips_nobody(tmp_path: Path, many: Path, chance: random.Random) -> None:
    kills = duplicates = round_ = 0
    while kills < 1000:
        round_ += 1
        together = round_ % 2 == 0
        with Scene(tmp_path / f"scene{round_}", many, pipelining=round_ % 4 != 0, together=together) as scene:
            hit = kill_often(scene, chance, 25, emails=120, commands=(SEND, SEND, SEND, RUN))
            finish(scene)
            account = scene.account()
            account.check(kills=hit)
            assert set(account.copies) == set(account.rows)
        shutil.rmtree(tmp_path / f"scene{round_}")
        kills, duplicates = kills + hit, duplicates + account.duplicates
        print(f"{kills} kills, {duplicates} duplicates, {account}", flush=True)  # noqa: T201


# -- a server that dies, and one that fails --------------------------------------------------------


def test_kill_9_of_the_server_skips_nobody(tmp_path: Path, some: Path, chance: random.Random) -> None:
    deaths = 3
    with Scene(tmp_path / "scene", some) as scene:
        sender = scene.start(*SEND)
        for death in range(deaths):
            scene.wait_for_emails(chance.randint(20, 150), sender)
            scene.server.kill()
            ended = sender.ends()
            scene.server = scene.start_server()
            hours = TUESDAY + timedelta(hours=death + 1)
            sender = scene.start("issues", "resume", "1", "--as-of", hours.isoformat())
            assert ended == PARTLY
        sender.ends()
        finish(scene)
        account = scene.account()

        account.check(kills=deaths)
        assert set(account.copies) == set(account.rows)


ODDS = (
    "banner=0.05:421 4.3.2 busy",
    "mail=0.02:421 4.3.2 closing",
    "mail=0.02:451 4.3.0 slow down",
    "rcpt=0.05:451 4.7.1 greylisted",
    "rcpt=0.02:550 5.1.1 no such user",
    "rcpt=0.02:552 5.2.2 full",
    "rcpt=0.01:drop",
    "data=0.02:451 4.3.0 later",
    "body=0.01:drop",
    "dot=0.03:452 4.3.1 later",
    "dot=0.01:554 5.6.0 no",
    "dot=0.01:drop",
    "accepted=0.02:drop",
)


@pytest.mark.parametrize("pipelining", [True, False])
def test_a_server_that_rejects_hangs_up_and_loses_replies_skips_nobody_whatever_the_clock_says(
    tmp_path: Path, some: Path, chance: random.Random, *, pipelining: bool
) -> None:
    seed = chance.randrange(1000)
    with Scene(tmp_path / "scene", some, odds=ODDS, seed=seed, pipelining=pipelining) as scene:
        scene.run(*SEND)
        for _ in range(4):  # the clock jumps between the runs
            jump = TUESDAY + timedelta(hours=chance.randint(-24 * 400, 24 * 400))
            scene.run("issues", "resume", "1", "--as-of", jump.isoformat())
        finish(scene)
        account = scene.account()
        in_doubt = scene.rows("SELECT count(*) FROM attempt WHERE event = 'in_doubt'")[0][0]
        print(f"{in_doubt} in doubt, {account}")  # noqa: T201
        rejected = {who for who, row in account.rows.items() if row.state in {"rejected", "failed"}}
        suppressed = scene.rows("SELECT address_key FROM suppression ORDER BY 1")
        unknown = scene.rows(
            "SELECT s.address_key FROM attempt a JOIN subscriber s ON s.id = a.subscriber_id"
            " WHERE a.enhanced = '5.1.1' ORDER BY 1"
        )

        assert (account.skipped, account.open, account.broken) == ([], [], [])
        assert account.issue.state is IssueState.DONE
        assert account.duplicates <= in_doubt
        assert all(len(ids) == 1 for ids in account.message_ids.values())
        assert rejected | set(account.copies) == set(account.rows)
        # Three unknown mailboxes in a row may be the server's trouble: they wait for the next issue.
        assert set(suppressed) <= set(unknown)
        assert len(suppressed) > len(unknown) / 2


# -- frozen, or asked to stop ----------------------------------------------------------------------


def test_a_frozen_sender_keeps_its_lock_and_sends_no_duplicate(tmp_path: Path, some: Path) -> None:
    with Scene(tmp_path / "scene", some) as scene:
        sender = scene.start(*SEND)
        scene.wait_for_emails(100, sender)
        sender.send(signal.SIGSTOP)
        second = scene.start("issues", "resume", "1")
        refused = second.ends()
        seen = scene.taken()
        sender.send(signal.SIGCONT)
        ended = sender.ends()
        account = scene.account()

        assert refused == TRY_LATER
        assert f"process {sender.pid}" in second.said
        assert (ended, account.duplicates) == (0, 0)
        assert seen < len(account.rows)
        account.check(kills=0)


def ask_to_stop(scene: Scene, chance: random.Random, times: int, *, emails: int) -> int:
    """Send SIGTERM this often; how many hit it while sending. Each must leave nothing in flight."""
    asked = 0
    for _ in range(times):
        sender = scene.start(*SEND)
        if not scene.wait_for_emails(chance.randint(1, emails), sender):
            break
        sender.send(signal.SIGTERM)
        code = sender.ends()
        asked += code == 130
        assert code in {0, 130}, sender.said
        assert scene.rows("SELECT count(*) FROM delivery WHERE state = 'sending'") == [(0,)]
    return asked


def test_sigterm_finishes_the_emails_in_flight_and_sends_no_duplicate(
    tmp_path: Path, some: Path, chance: random.Random
) -> None:
    with Scene(tmp_path / "scene", some, pipelining=chance.random() < 0.5, together=chance.random() < 0.5) as scene:
        asked = ask_to_stop(scene, chance, 4, emails=100)
        finish(scene)
        account = scene.account()

        assert asked >= 1
        assert account.duplicates == 0
        account.check(kills=0)


@pytest.mark.long
def test_two_hundred_sigterms_cause_no_duplicate(tmp_path: Path, many: Path, chance: random.Random) -> None:
    asked = round_ = 0
    while asked < 200:
        round_ += 1
        together = round_ % 3 == 0
        with Scene(tmp_path / f"scene{round_}", many, pipelining=round_ % 2 == 0, together=together) as scene:
            asked += ask_to_stop(scene, chance, 25, emails=100)
            finish(scene)
            account = scene.account()
            account.check(kills=0)
            assert account.duplicates == 0
        shutil.rmtree(tmp_path / f"scene{round_}")
        print(f"{asked} times SIGTERM, {account}", flush=True)  # noqa: T201


# -- unsubscribing, and a full disk --------------------------------------------------------


def test_a_subscriber_who_unsubscribes_while_it_is_sent_is_not_claimed_afterwards(
    tmp_path: Path, some: Path, chance: random.Random
) -> None:
    with Scene(tmp_path / "scene", some) as scene, scene.start(*SEND) as sender:
        scene.wait_for_emails(50, sender)
        left_unsent = []
        for number in chance.sample(range(1, 601), 60):
            with scene.store.write() as tx:  # a transaction of another process, as the website makes it
                subscriber = tx.subscribers.by_address(f"subscriber{number}@a.example")
                assert subscriber
                tx.subscribers.set_status(subscriber.id, Status.UNSUBSCRIBED, TUESDAY)
                if [row.state for row in tx.subscribers.deliveries(subscriber.id)] == ["pending"]:
                    left_unsent.append(subscriber.address)
        ended = sender.ends()
        account = scene.account()

        assert ended == 0
        assert len(left_unsent) > 5
        assert {account.copies[who] for who in left_unsent} == {0}
        assert account.issue.skipped_for == {"unsubscribed": len(left_unsent)}
        account.check(kills=0)


def test_a_full_disk_skips_nobody(tmp_path: Path, some: Path) -> None:
    limited = (
        "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_FSIZE, ({0}, {0}));"
        "sys.argv = ['newsletter', *{1!r}]; runpy.run_module('newsletter', run_name='__main__')"
    )
    with Scene(tmp_path / "scene", some) as scene:
        size = (scene.directory / "data" / "newsletter.db").stat().st_size
        full = scene.start_python(limited.format(size + 200_000, list(SEND)))
        ended, taken = full.ends(), scene.taken()
        finish(scene)
        account = scene.account()

        assert ended == 1, full.said
        assert "disk" in full.said
        assert "Traceback" not in full.said
        assert 0 < taken < 600
        account.check(kills=1)
        assert set(account.copies) == set(account.rows)
