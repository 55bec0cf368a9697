"""The processes that send an issue: their roles, and when a second one is worth starting."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

DEFAULT_THRESHOLD = 10_000
"""Recipients from which on a second process saves more time than its start costs."""
CORES_FOR_TWO = 2


class SenderRole(StrEnum):
    """What holds the sending lock, in words that a person may read."""

    DAEMON = "newsletter run"
    COMMAND = "a newsletter command"


@dataclass(frozen=True, slots=True)
class WorkerPolicy:
    """When to start a second sending process.

    threshold: the number of recipients the owner asked for; 0: never; None: DEFAULT_THRESHOLD, if a core is idle.
    cores: how many this process may use. relay_is_local: the mail server runs on this machine.
    is_loaded: this process has other work, because it signs the emails or serves the website.
    """

    threshold: int | None
    cores: int
    relay_is_local: bool
    is_loaded: bool

    @property
    def min_recipients(self) -> int | None:
        """The number of recipients from which on to start one; None: never."""
        if self.threshold == 0 or self.cores < CORES_FOR_TWO:
            return None
        if self.threshold is None:
            return DEFAULT_THRESHOLD if self.has_idle_core else None
        return self.threshold

    @property
    def has_idle_core(self) -> bool:
        """Is there a core that a second process could have to itself?

        A local mail server takes one. With two cores, a second process then only competes with it, unless this
        process is loaded.
        """
        return self.cores > CORES_FOR_TWO or (
            self.cores == CORES_FOR_TWO and (self.is_loaded or not self.relay_is_local)
        )
