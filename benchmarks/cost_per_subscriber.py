"""The cost of one email as the list grows, without a socket: composing, recording, and scheduling."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from common import CHECKOUT, arguments, environ, fill_in_a_process, log, machine, measure, report, scratch

if TYPE_CHECKING:
    from newsletter.domain.delivery.outcome import Envelope, Outcome

CONNECTIONS = 10


class Accepting:
    """A session that accepts every email the second time it is polled."""

    can_multiplex = True

    def __init__(self, accepted: Outcome) -> None:
        self._accepted = accepted

    def start(self, _envelope: Envelope, _message: bytes) -> Outcome | None:
        self._polls = 0
        return None

    def proceed(self) -> Outcome | None:
        self._polls += 1
        return self._accepted if self._polls > 1 else None

    def send(self, _envelope: Envelope, _message: bytes) -> Outcome:
        return self._accepted

    def close(self) -> None:
        """There is nothing to close."""


@dataclass
class AcceptingSender:
    """A sender whose replies come one by one, so that every email has its own commit."""

    accepted: Outcome
    connections: int = CONNECTIONS
    opened: list[Accepting] = field(default_factory=list)

    def open(self) -> Accepting:
        return Accepting(self.accepted)

    def ready(self, sessions: Sequence[Accepting], seconds: float) -> Sequence[Accepting]:
        return sessions[:1] if seconds else ()  # a poll without waiting finds no other reply


def send(database: Path) -> dict[str, float]:
    """Freeze and deliver an issue, in a process of its own; seconds of CPU and wall time."""
    from newsletter.app import App  # noqa: PLC0415 - this process must stay small
    from newsletter.domain.delivery.outcome import Reply, Sent, Stage  # noqa: PLC0415 - this process must stay small
    from newsletter.settings import load_settings  # noqa: PLC0415 - this process must stay small

    sender = AcceptingSender(Sent(Reply(Stage.DOT, 250, "2.0.0", "accepted")))

    class BenchmarkApp(App):
        def sender(self) -> AcceptingSender:
            return sender

    app, now = BenchmarkApp(load_settings(environ(database))), datetime.now(UTC)
    began = time.perf_counter()
    issue = app.publisher.publish_early(now)
    frozen = time.perf_counter()
    cpu = time.process_time()
    with app.store.sending("a benchmark", now) as right:
        done = app.delivery.deliver(right, issue.number)
    figures = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - frozen, "freeze": frozen - began}
    app.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return figures | {"sent": done.sent, "peak": peak}


def main() -> None:
    parser = arguments(__doc__ or "", sizes="1000,10000,100000,1000000", rounds=3)
    options = parser.parse_args()
    where, sizes, rows = machine(), [int(size) for size in options.sizes.split(",")], []
    found = {size: of_size(size, options.rounds if size < 1_000_000 else 1) for size in sizes}
    base = found[10_000 if 10_000 in found else sizes[0]]
    for size, figures in found.items():
        rows.append(
            [
                f"{size:,}",
                f"{figures['cpu'] / base['cpu']:.2f} ×",
                f"{figures['peak'] / base['peak']:.2f} ×",
                f"{figures['cpu']:.0f}",
                f"{figures['wall']:.0f}",
                f"{figures['peak']:.0f}",
                f"{figures['freeze']:.2f}",
            ]
        )
    head = [
        "subscribers", "CPU to 10,000", "peak to 10,000", "CPU µs per email", "µs per email", "peak MiB", "freeze s",
    ]  # fmt: skip
    report("The cost of one subscriber", head, rows, where, markdown=options.markdown)


def of_size(size: int, rounds: int) -> dict[str, float]:
    """The best of a few runs, since a disturbance can only slow a run down."""
    runs = []
    for number in range(1, rounds + 1):
        with scratch() as directory:
            fill_in_a_process(directory / "n.db", size, directory / "email.eml")
            env = dict(os.environ) | {"PYTHONPATH": str(CHECKOUT)}
            result = json.loads(measure([sys.executable, __file__, "--child", str(directory / "n.db")], env).output)
        if result["sent"] != size:
            sys.exit(f"only {result['sent']} of {size} were sent")
        each = {name: result[name] / size * 1e6 for name in ("cpu", "wall")}
        runs.append(each | {"peak": result["peak"], "freeze": result["freeze"]})
        log(
            f"{size:,} subscribers, run {number}: {runs[-1]['cpu']:.0f} µs CPU per email, peak {result['peak']:.0f} MiB"
        )
    return {name: min(run[name] for run in runs) for name in runs[0]}


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        print(json.dumps(send(Path(sys.argv[2]))))
    else:
        main()
