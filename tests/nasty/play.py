"""Plays one mode: a bad day of the relay with the real daemon, then a good one; and what must be true after both."""

from __future__ import annotations

import re
import shutil
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from newsletter.daemon import Daemon
from newsletter.domain.delivery.issue import IN_PROGRESS, IssueState
from newsletter.domain.subscribers.subscription import Status
from tests.nasty.mode import Mode
from tests.nasty.relay import Manners, NastySmtp
from tests.support.certificates import Certificate
from tests.support.library import TUESDAY, add_subscriber, add_tip
from tests.support.publishing import AppHarness, open_app_harness

SETTINGS = ("one connection", "ten connections", "failover", "two processes")
CONNECTIONS = 10
AUDIENCE = [f"reader{n}@{'a' * (n <= 24) or 'b' * (n <= 34) or 'c'}.example" for n in range(1, 41)]
GONE = "gone@a.example"  # unsubscribes after the issue was frozen
BAD_DAY = "the bad day"
_MESSAGE_ID = re.compile(rb"^Message-ID:\s*(\S+)", re.IGNORECASE | re.MULTILINE)
_ROWS = """SELECT s.address, d.state, d.reply, d.attempts FROM delivery d JOIN subscriber s ON s.id = d.subscriber_id
    WHERE d.issue_id = 1"""


def make_frozen(directory: Path) -> Path:
    """A database with an issue that is frozen and not sent yet, to be copied; its path."""
    with open_app_harness(directory) as harness:
        for address in [*AUDIENCE[:9], GONE, *AUDIENCE[9:]]:
            add_subscriber(harness.files, address)
        add_tip(harness.files, "Say the name")
        assert harness.issues.publish_due()
        with harness.store.write() as tx:
            subscriber = tx.subscribers.by_address(GONE)
            assert subscriber
            tx.subscribers.set_status(subscriber.id, Status.UNSUBSCRIBED, TUESDAY)
    return directory / "newsletter.db"


@dataclass
class Played:
    """What became of one mode.

    done_after: simulated minutes until everybody but the odd ones was done; None: never. recipients, connections: how
    many there had been by then.
    """

    mode: Mode
    setting: str
    done_after: float | None = None
    ended: str = ""
    wall: float = 0
    recipients: int = 0
    connections: int = 0
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        when = "never" if self.done_after is None else f"{self.done_after:g} min"
        return (
            f"{self.mode.name:55} {self.setting:16} {self.ended:8} others done: {when:8} {self.recipients:4} RCPT "
            f"{self.connections:4} connections {self.wall:6.2f} s {'; '.join(self.wrong)}"
        )


class Play:
    """One mode in one setting. `run` gives the result; nothing is raised for what is wrong."""

    def __init__(self, mode: Mode, setting: str, relays: list[NastySmtp], harness: AppHarness) -> None:
        self.mode, self.setting, self.relays, self.harness = mode, setting, relays, harness
        self.played = Played(mode, setting)

    def run(self) -> Played:
        """The bad day, and the good one."""
        played, mode = self.played, self.mode
        begin = time.monotonic()
        self._bad_day()
        played.wall = time.monotonic() - begin
        played.ended = self._how_it_ended()
        fine = {*mode.ends.split(), *(("all", "rest") if self.setting == "failover" else ())}
        self._check(BAD_DAY)
        if played.ended not in fine:
            self._wrong(f"it ended as {played.ended!r}: {self._counts()} {self._issue()[1]}")
        elif played.ended in ("all", "rest"):
            self._check_speed()
        for relay in self.relays:
            relay.heal()
        self._good_day()
        self._check("the good day")
        still = [who for who in AUDIENCE if not (self.arrived[who] or mode.is_odd(who))]
        if still:
            self._wrong(f"not sent after the good day: {still[:3]} ({len(still)}) {self._counts()} {self._issue()}")
        return played

    # -- two days ----------------------------------------------------------------------------------

    def _bad_day(self) -> None:
        """The daemon runs until the issue is done or paused, or the day is over."""
        harness, played = self.harness, self.played
        end = harness.clock() + timedelta(minutes=self.mode.bad_for)
        with harness.store.sending("test", harness.clock()) as lock:
            daemon = Daemon(harness, lock)
            while harness.clock() <= end:
                daemon.send_issues()
                in_flight = self._sql("SELECT count(*) FROM delivery WHERE state = 'sending'")[0][0]
                if in_flight:
                    self._wrong(f"{in_flight} deliveries are still in flight after a run")
                if played.done_after is None and self._others_are_done():
                    played.done_after = (harness.clock() - TUESDAY) / timedelta(minutes=1)
                    played.recipients = sum(relay.said("RCPT") for relay in self.relays)
                    played.connections = sum(relay.connections for relay in self.relays)
                if self._issue()[0] != IssueState.SENDING:
                    break
                due = lock.ledger.next_due_at(1)
                wake = max(filter(None, (due, *(one.not_before for one in daemon._waiting.values()))))
                harness.fake_clock.now = max(wake, harness.clock() + timedelta(seconds=2))

    def _good_day(self) -> None:
        """The relay is healed, and the owner does what the program advises."""
        harness = self.harness
        harness.fake_clock.forward(hours=1)
        if self._issue()[0] in IN_PROGRESS:
            harness.issues.resume(1)
        if not self.mode.lost_replies:  # the owner would ask for one more copy
            harness.issues.retry_failed(1)
        for _ in range(8):
            if harness.issues.unfinished():
                harness.round()
                harness.fake_clock.forward(minutes=61)

    # -- what must be true -------------------------------------------------------------------------

    def _check(self, when: str) -> None:
        """Nothing is counted that did not arrive, nobody is suppressed or skipped, copies are few, I1 to I8 hold."""
        mode, arrived, rows = self.mode, self.arrived, self._rows()
        lost = (
            ("failed", "skipped") if when == BAD_DAY and "doubted" in mode.ends else ("rejected", "failed", "skipped")
        )
        sent = {who for who, (state, *_) in rows.items() if state == "sent"}
        for name, wrong in {
            "counted as sent, and never arrived": sorted(sent - set(arrived)),
            "arrived, and not counted as sent": [] if mode.lost_replies else sorted(set(arrived) - sent),
            "too many copies": [f"{who} {copies}" for who, copies in arrived.items() if copies > 1 + mode.lost_replies],
            "copies with different Message-IDs": self._with_two_ids(),
            "sent to somebody who had unsubscribed": [GONE] * (GONE in arrived),
            "suppressed": sorted(
                set(self._suppressed()) - set(filter(mode.is_odd, AUDIENCE) if mode.suppressed else ())
            ),
            "left out": [
                f"{who} {state} {reply}"
                for who, (state, reply, _) in rows.items()
                if state in lost and who != GONE and not mode.is_odd(who)
            ],
            "invariant": self.harness.broken(),
        }.items():
            if wrong:
                self._wrong(f"{when}: {name}: {wrong[:3]} ({len(wrong)})")

    def _check_speed(self) -> None:
        """Everybody else is done in about the undisturbed time, measured by what is said to the relay."""
        played, mode = self.played, self.mode
        # Which of several connections meets "every nth time" is a matter of chance.
        minutes = mode.minutes if self.setting == "one connection" else 2 * mode.minutes
        if played.done_after is None or played.done_after > minutes:
            self._wrong(f"everybody else was done after {played.done_after} minutes and not after {minutes}")
        if mode.minutes == 0 and played.recipients > 2 * len(AUDIENCE) + 20:
            self._wrong(f"{played.recipients} times RCPT for {len(AUDIENCE)} emails")
        if mode.minutes == 0 and played.connections > len(AUDIENCE) + 2 * CONNECTIONS + 10:
            self._wrong(f"{played.connections} connections for {len(AUDIENCE)} emails")

    def _how_it_ended(self) -> str:
        state, reason = self._issue()
        rows = self._rows()
        if state == IssueState.PAUSED:
            return "paused" if reason else "paused without a reason"
        if all(rows[who][0] == "sent" for who in AUDIENCE):
            return "all" if state == IssueState.DONE else f"all sent, but {state}"
        found = {row[0] for who, row in rows.items() if who != GONE}
        for kind, name in (("held", "held"), ("rejected", "doubted")):
            if state == IssueState.DONE and found == {"sent", kind} and name in self.mode.ends:
                return name
        states = {rows[who][0] for who in AUDIENCE if self.mode.is_odd(who)}
        if self._others_are_done() and states <= set(self.mode.states.split()):
            return "rest"
        return "waiting" if state == IssueState.SENDING else f"{state} with odd ones {states}"

    def _others_are_done(self) -> bool:
        return all(
            state == "sent" for who, (state, *_) in self._rows().items() if who != GONE and not self.mode.is_odd(who)
        )

    def _with_two_ids(self) -> list[str]:
        ids: dict[str, set[bytes]] = {}
        for relay in self.relays:
            for email in relay.emails:
                ids.setdefault(email.recipient, set()).update(_MESSAGE_ID.findall(email.message))
        return [who for who, found in ids.items() if len(found) != 1]

    # -- reading -----------------------------------------------------------------------------------

    @property
    def arrived(self) -> Counter[str]:
        return sum((relay.arrived for relay in self.relays), Counter())

    def _wrong(self, what: str) -> None:
        self.played.wrong.append(what)

    def _rows(self) -> dict[str, tuple[str, str, int]]:
        return {who: (state, reply, attempts) for who, state, reply, attempts in self._sql(_ROWS)}

    def _counts(self) -> dict[str, int]:
        return dict(Counter(state for state, *_ in self._rows().values()))

    def _issue(self) -> tuple[str, str]:
        [found] = self._sql("SELECT state, coalesce(reason, '') FROM issue WHERE id = 1")
        return found[0], found[1]

    def _suppressed(self) -> list[str]:
        return [who for (who,) in self._sql("SELECT address_key FROM suppression")]

    def _sql(self, query: str) -> list[tuple[Any, ...]]:
        database = sqlite3.connect(self.harness.files.path)
        try:
            return database.execute(query).fetchall()
        finally:
            database.close()


@contextmanager
def staged(mode: Mode, setting: str, frozen: Path, directory: Path, certificate: Certificate) -> Iterator[Play]:
    """A copy of the frozen issue, and the relays of this setting."""
    shutil.copy(frozen, directory / "newsletter.db")
    manners = replace(mode.manners, starttls=certificate.server_context()) if mode.tls else replace(mode.manners)
    with ExitStack() as life:
        relays = [life.enter_context(NastySmtp(mode.faults, manners))]
        urls = [url_of(mode, setting, relays[0], certificate)]
        if setting == "failover":
            relays.append(life.enter_context(NastySmtp((), Manners())))
            urls.append(relays[1].url(f"connections={CONNECTIONS}"))
        second = "1" if setting == "two processes" else "0"
        harness = life.enter_context(open_app_harness(directory, sender_url=" ".join(urls), second_process=second))
        for relay in relays:
            relay.clock = harness.clock
        harness.sender_override = harness.sender()  # to look for it costs more than to send
        yield Play(mode, setting, relays, harness)


def url_of(mode: Mode, setting: str, relay: NastySmtp, certificate: Certificate) -> str:
    """The sender URL. Limits of time are short only if the relay is silent somewhere, so that a busy machine loses no reply."""
    seconds = "20s" if mode.is_quick else "0.25s"
    options = [f"connections={1 if setting == 'one connection' else CONNECTIONS}"]
    options += [f"{name}_timeout={seconds}" for name in ("connect", "reply", "final")]
    if mode.tls:
        return relay.url(*options, "tls=starttls", f"ca_file={certificate.file}", host="localhost", login=mode.login)
    return relay.url(*options, *mode.options, login=mode.login)
