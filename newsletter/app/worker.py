"""Start a second sending process and follow what it does; `worker_process` is what that process runs.

Python runs on one core. A second process takes some of the connections and claims emails from the same deliveries
under an owner of its own. It inherits the sending lock, so that its rows are not treated as abandoned while it lives,
and it ends when the pipe from this process closes.
"""

from __future__ import annotations

import json
import logging
import os
import pickle
import select
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from newsletter.app.process import system_clock
from newsletter.ports.clock import Clock
from newsletter.ports.sending import SendingLock, WorkerUpdate
from newsletter.settings import Settings

log = logging.getLogger(__name__)

CHECK_EVERY = 0.25  # seconds between two updates, and between two checks whether to stop
_CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class WorkerTask:
    """What the second process has to know; it is pickled.

    emails: the compiled emails by the tip_id of a claim. secret: the issue's own key, of its Message-IDs.
    clock_offset: how far the newsletter's clock is ahead of the machine's. log_level: as in `logging`. trusts_mailboxes:
    as in `CircuitBreaker`.
    """

    settings: Settings
    list_id: int
    list_key: str
    number: int
    emails: Mapping[int | None, bytes]
    secret: bytes
    database: Path
    clock_offset: timedelta
    log_level: int
    trusts_mailboxes: bool


@dataclass(frozen=True)
class WorkerStarter:
    """Implements actions.delivery.deliver.StartWorker. database: the SQLite file."""

    settings: Settings
    list_id: int
    list_key: str
    database: Path
    clock: Clock

    def __call__(
        self,
        lock: SendingLock,
        number: int,
        emails: Mapping[int | None, bytes],
        secret: bytes,
        trusts_mailboxes: bool = False,  # noqa: FBT001, FBT002 - as StartWorker has it
    ) -> WorkerProcess:
        """A worker for one issue; its process starts with its work."""
        task = WorkerTask(
            settings=self.settings,
            list_id=self.list_id,
            list_key=self.list_key,
            number=number,
            emails=emails,
            secret=secret,
            database=self.database,
            clock_offset=self.clock() - system_clock(),
            log_level=logging.getLogger().getEffectiveLevel(),
            trusts_mailboxes=trusts_mailboxes,
        )
        return WorkerProcess(lock, task, self.clock)


class WorkerProcess:
    """Implements ports.sending.Worker; made for one batch."""

    def __init__(self, lock: SendingLock, task: WorkerTask, clock: Clock) -> None:
        self._lock = lock
        self._task = task
        self._clock = clock
        self._owner = 0
        self._is_done = False

    def work(self, connections: int, is_over: Callable[[], bool]) -> Iterator[WorkerUpdate]:
        """As ports.sending.Worker.work."""
        with self._start(connections) as process:
            try:
                for line in _lines(process, is_over):
                    update = self._parse(json.loads(line))
                    if update:
                        yield update
            except BaseException:
                # Nobody would follow its updates anymore. Its rows wait for the next recovery (Tr).
                process.kill()
                raise
            finally:
                _close_pipe(process)
                process.wait()
                self._lock.ledger.invalidate(self._task.number)
        if not self._is_done:  # it is certain that it is dead: `wait` returned, so its rows may be requeued now
            requeued = self._lock.ledger.requeue(self._owner, self._clock())
            log.warning("the second process died (%d); its %d emails are requeued", process.returncode, requeued)
            yield WorkerUpdate(died=True)

    def _start(self, connections: int) -> subprocess.Popen[bytes]:
        path = os.pathsep.join(filter(None, (str(_CHECKOUT), os.environ.get("PYTHONPATH"))))
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "newsletter.app.worker_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=(self._lock.lock,),
            env={**os.environ, "PYTHONPATH": path},
        )
        assert process.stdin  # noqa: S101 - for the types: it is a pipe
        with suppress(BrokenPipeError):  # it died already; the end of its output says so
            pickle.dump((self._task, connections, os.getpid()), process.stdin)
            process.stdin.flush()
        return process

    def _parse(self, message: dict[str, Any]) -> WorkerUpdate | None:
        if "owner" in message:
            self._owner = message["owner"]
            return None
        if "log" in message:
            log.log(message["log"], "%s", message["text"])
            return None
        self._is_done = message.pop("is_done", False)
        return WorkerUpdate(**message)


def _lines(process: subprocess.Popen[bytes], is_over: Callable[[], bool]) -> Iterator[bytes]:
    """The lines of its output until it ends; the pipe to it is closed as soon as sending is to stop."""
    assert process.stdout  # noqa: S101 - for the types: it is a pipe
    output, rest = process.stdout.fileno(), b""
    while True:
        if is_over():
            _close_pipe(process)
        if select.select([output], [], [], CHECK_EVERY)[0]:
            received = os.read(output, 65_536)
            if not received:
                return
            *lines, rest = (rest + received).split(b"\n")
            yield from lines


def _close_pipe(process: subprocess.Popen[bytes]) -> None:
    if process.stdin:
        with suppress(BrokenPipeError):
            process.stdin.close()
