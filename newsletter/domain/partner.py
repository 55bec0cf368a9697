"""A second sending process beside the first, as the verbs see it; starts none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Word:
    """What the second process did since its last word: how many went, how many need no other try.

    trouble: what the next hop said; paused: why its breaker stopped the issue; run: the subscribers of its last
    refusals in a row; failure: what it could not handle; died: it ended without a last word.
    """

    sent: int = 0
    final: int = 0
    trouble: str = ""
    paused: str = ""
    run: tuple[int, ...] = ()
    failure: str = ""
    died: bool = False


class Partner(Protocol):
    """Carries letters of the same issue, over connections and with claims of its own."""

    def work(self, connections: int, is_over: Callable[[], bool]) -> Iterator[Word]:
        """Send until nothing is due or somebody says stop; letters in flight end. A dead one's rows are put back."""
        ...
