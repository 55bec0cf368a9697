"""The real command as a process that a test starts, watches, signals, and kills; and waiting without sleeping."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from tests.conftest import CHECKOUT

POLL_INTERVAL = 0.01  # seconds


def wait_until(condition: Callable[[], object], *, timeout: float = 30, what: str = "") -> None:
    """Check a condition until it is true; fails after `timeout` seconds. what: describes the condition in the failure."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout} s: {what or condition}"
        threading.Event().wait(POLL_INTERVAL)


class Process:
    """`python -m newsletter …` in a directory, with its output in files; it is killed at the end of `with` if it still runs.

    how: other arguments of Python instead of `-m newsletter`.
    """

    def __init__(self, directory: Path, *arguments: str, how: str = "-m newsletter") -> None:
        number = sum(1 for _ in directory.glob("process-*.out"))
        self.out, self.err = directory / f"process-{number}.out", directory / f"process-{number}.err"
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self._process = subprocess.Popen(  # noqa: S603 - the arguments are ours
                [sys.executable, *how.split(), *arguments],
                cwd=directory,
                env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.is_running:
            self.kill()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        """`kill -9`, and wait until the process has ended."""
        self._process.kill()
        self._process.wait()

    def waits(self, seconds: float) -> None:
        """Let it run for a while, or until it ends."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)

    def ends(self, *, timeout: float = 60) -> int:
        """Its exit code; a negative number is the signal that ended it."""
        return self._process.wait(timeout)

    @property
    def said(self) -> str:
        """Everything on stdout and stderr so far."""
        return self.out.read_text() + self.err.read_text()


def free_port() -> int:
    """A port on loopback that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
