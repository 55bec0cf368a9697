"""What a mode is: one way in which a relay misbehaves, and what must come of an issue that is sent through it."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from tests.nasty.relay import DROP, ENDLESS, HALF_CLOSE, RESET, SILENT, STALL, Bad, Manners

ODD = "reader3@a.example"  # the one recipient that is special in many modes
FEW = "*@c.example"  # a domain with six of the forty
_SLOW = (STALL, HALF_CLOSE, SILENT)


@dataclass(frozen=True)
class Mode:
    """One row of the table.

    ends: what the day ends with, one or several of these, separated by spaces:
        all      every email arrived, and the issue is done
        rest     every email arrived except those to `odd`, which are in one of `states`
        paused   the issue is paused, and nobody is left out
        waiting  emails wait for their next attempt, and nobody is left out
        held     the issue is done, and what is twice in doubt waits for the owner
        doubted  the issue is done, and refusals that seem to be the relay's trouble suppress nobody
    odd: patterns of recipients whom the relay treats worse. suppressed: it said that these mailboxes do not exist, and
    everybody else got the email. lost_replies: nobody can know what arrived, so two copies are allowed.
    minutes: after which everybody but `odd` must have the email; 0: in the first run. bad_for: minutes until it heals.
    quick: the relay answers everything in time, so that the real limits of time apply.
    """

    name: str
    ends: str
    faults: tuple[Bad, ...] = ()
    manners: Manners = field(default_factory=Manners)
    odd: str = ""
    states: str = ""
    suppressed: bool = False
    lost_replies: bool = False
    minutes: float = 0
    bad_for: float = 90
    options: tuple[str, ...] = ()
    login: str = ""
    tls: bool = False

    def __str__(self) -> str:
        return self.name

    @property
    def is_quick(self) -> bool:
        """Does the relay answer everything? Otherwise tests use short limits of time."""
        silent = any(fault.does in _SLOW for fault in self.faults)
        return not (silent or self.manners.forgets or (self.manners.excess == STALL and self.manners.at_once))

    def is_odd(self, address: str) -> bool:
        """Does the relay treat this recipient worse than the others?"""
        return any(fnmatchcase(address, pattern) for pattern in self.odd.split())


def mode(name: str, ends: str, *faults: Bad, odd: str | None = None, **more: Any) -> Mode:
    """A row. odd: the recipients whom the faults name, if not given."""
    if ends == "waiting":  # more of the same day would say nothing new
        more = {"bad_for": 10, **more}
    patterns = {fault.to for fault in faults} - {"*"}
    return Mode(name, ends, faults, odd=" ".join(sorted(patterns)) if odd is None else odd, **more)


__all__ = [
    "DROP", "ENDLESS", "FEW", "HALF_CLOSE", "ODD", "RESET", "SILENT", "STALL",
    "Bad", "Manners", "Mode", "mode",
]  # fmt: skip
