"""The heartbeat: a request to a monitoring service after each issue (a dead man's switch)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True, slots=True)
class HeartbeatCall:
    """The heartbeat of one slot. Times are aware.

    next_attempt_at: None once it succeeded or was given up. done_at: when it succeeded. reply: why the last attempt
    failed.
    """

    slot: date
    attempts: int = 0
    next_attempt_at: datetime | None = None
    done_at: datetime | None = None
    reply: str = ""
