"""The SMTP server of the tests as a process that is slow and unreliable at random; a seed makes it repeatable.

`python -m tests.chaos.server --port 2525 --log accepted.jsonl --slow 0.004 --odds rcpt=0.1:451 4.3.0 later`
Half of the slowness comes before an email is logged and half after, so that a kill can hit either.
"""

from __future__ import annotations

import argparse
import random
import threading
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from tests.support.faulty_smtp import AcceptedEmail, Fault, FaultySmtp, ServerBehavior


class UnreliableSmtp(FaultySmtp):
    """odds: (probability, fault) by stage; slow: seconds for each email."""

    def __init__(
        self,
        odds: Sequence[tuple[float, Fault]],
        behavior: ServerBehavior,
        *,
        slow: float,
        seed: int,
        log: Path,
        port: int,
    ) -> None:
        self._odds: dict[str, list[tuple[float, Fault]]] = defaultdict(list)
        for odd, fault in odds:
            self._odds[fault.stage].append((odd, fault))
        self._slow = slow
        self._chance = random.Random(seed)  # noqa: S311 - chances that can be repeated
        super().__init__(behavior=behavior, log=log, port=port, keep=False)

    def fault(self, stage: str, recipient: str) -> Fault | None:  # noqa: ARG002 - chance knows nobody
        with self._lock:
            return next((fault for odd, fault in self._odds[stage] if self._chance.random() < odd), None)

    def take(self, email: AcceptedEmail) -> None:
        threading.Event().wait(self._slow / 2)
        super().take(email)
        threading.Event().wait(self._slow / 2)


def parse_odds(text: str) -> tuple[float, Fault]:
    """Parse `stage=probability:what it does`."""
    stage, _, rest = text.partition("=")
    odd, _, does = rest.partition(":")
    return float(odd), Fault(stage, does)


def main() -> None:
    """Serve until killed; prints the port first."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--slow", type=float, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--odds", action="append", default=[], type=parse_odds)
    parser.add_argument("--no-pipelining", action="store_true")
    given = parser.parse_args()
    behavior = ServerBehavior(pipelining=not given.no_pipelining)
    server = UnreliableSmtp(given.odds, behavior, slow=given.slow, seed=given.seed, log=given.log, port=given.port)
    print(server.port, flush=True)  # noqa: T201 - whoever started us reads it
    threading.Event().wait()


if __name__ == "__main__":
    main()
