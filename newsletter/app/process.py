"""What this process asks of the operating system: the time, its priority, and how many cores it may use."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import UTC, datetime

SENDING_NICENESS = 10


def system_clock() -> datetime:
    """The current time, aware, in UTC."""
    return datetime.now(UTC)


def lower_priority() -> None:
    """Let web requests come first where cores are scarce. For a process that only sends: an email can wait a little."""
    with suppress(OSError, AttributeError):  # not every system has priorities, or lets us change ours
        os.setpriority(os.PRIO_PROCESS, 0, SENDING_NICENESS)


def available_cores() -> int:
    """How many cores this process may use, which in a container can be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
