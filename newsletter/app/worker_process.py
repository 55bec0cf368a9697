"""A second sending process: what the first says to it, hears of it, and does when it dies; and its own life.

The interpreter runs on one core. Another process takes half of the connections and claims letters from the same
ledger under a name of its own. It inherits the sending lock, so that nobody takes its rows for those of a dead sender
while it lives, and it lives only as long as the pipe from the first one is open.
"""

from __future__ import annotations

import json
import logging
import os
import pickle
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from newsletter.app.wiring import stand_back
from newsletter.domain.errors import NewsletterError
from newsletter.ports.sending import SendingLock, WorkerUpdate
from newsletter.ports.store import Clock
from newsletter.settings import Settings

log = logging.getLogger(__name__)

LOOK_UP_EVERY = 0.25  # seconds between two words, and between two looks whether somebody said stop
ORPHAN_FOR = 2.0  # seconds that letters in flight have when the first process is dead
_PACKAGE = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Brief:
    """What the second process has to know. ahead: of this machine's clock. letters: compiled, by tip_id of a claim."""

    settings: Settings
    number: int
    letters: Mapping[int | None, bytes]
    secret: bytes
    database: Path
    hold_in_doubt: bool
    ahead: timedelta
    level: int


# -- the first process -------------------------------------------------------------------------------


class SecondProcess:
    """Implements ports.sending.Partner; made anew for each round."""

    def __init__(self, right: SendingLock, brief: Brief, clock: Clock) -> None:
        self._right = right
        self._brief = brief
        self._clock = clock
        self._owner = 0
        self._is_through = False

    def work(self, connections: int, is_over: Callable[[], bool]) -> Iterator[WorkerUpdate]:
        """As ports.sending.Partner.work."""
        with self._start(connections) as process:
            try:
                for line in _lines(process, is_over):
                    word = self._hear(json.loads(line))
                    if word:
                        yield word
            except BaseException:
                process.kill()
                raise
            finally:
                _hang_up(process)
                process.wait()
                self._right.ledger.invalidate(self._brief.number)
        if not self._is_through:
            back = self._right.ledger.requeue(self._owner, self._clock())
            log.warning("the second process died (%d); its %d letters are put back", process.returncode, back)
            yield WorkerUpdate(died=True)

    def _start(self, connections: int) -> subprocess.Popen[bytes]:
        path = os.pathsep.join(filter(None, (str(_PACKAGE), os.environ.get("PYTHONPATH"))))
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "newsletter.app.worker_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=(self._right.lock,),
            env={**os.environ, "PYTHONPATH": path},
        )
        assert process.stdin  # noqa: S101 - for the types: it is a pipe
        with suppress(BrokenPipeError):  # dead already; its silence says so
            pickle.dump((self._brief, connections, os.getpid()), process.stdin)
            process.stdin.flush()
        return process

    def _hear(self, said: dict[str, Any]) -> WorkerUpdate | None:
        if "owner" in said:
            self._owner = said["owner"]
            return None
        if "log" in said:
            log.log(said["log"], "%s", said["text"])
            return None
        self._is_through = said.pop("through", False)
        return WorkerUpdate(**said)


def _lines(process: subprocess.Popen[bytes], is_over: Callable[[], bool]) -> Iterator[bytes]:
    """What it says, line by line, until it ends; the pipe to it is closed as soon as somebody says stop."""
    assert process.stdout  # noqa: S101 - for the types: it is a pipe
    ear, rest = process.stdout.fileno(), b""
    while True:
        if is_over():
            _hang_up(process)
        if select.select([ear], [], [], LOOK_UP_EVERY)[0]:
            heard = os.read(ear, 65_536)
            if not heard:
                return
            *lines, rest = (rest + heard).split(b"\n")
            yield from lines


def _hang_up(process: subprocess.Popen[bytes]) -> None:
    if process.stdin:
        with suppress(BrokenPipeError):
            process.stdin.close()


# -- the second process ------------------------------------------------------------------------------


class _Mouth(logging.Handler):
    """Words to the first process, one JSON object a line; what is logged goes there too. A dead one hears nothing."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._said = (0, 0)
        self._speaking = threading.Lock()

    def say(self, **words: object) -> None:
        line = json.dumps(words).encode() + b"\n"
        with self._speaking, suppress(BrokenPipeError):  # letters in flight still end, and are recorded
            while line:
                line = line[os.write(self._descriptor, line) :]

    def emit(self, record: logging.LogRecord) -> None:
        self.say(log=record.levelno, text=self.format(record))

    def progress(self, sent: int, final: int, **words: object) -> None:
        """What was done since the last time."""
        before = self._said
        self._said = (sent, final)
        self.say(sent=sent - before[0], final=final - before[1], **words)


def main() -> None:
    """The life of the second process. Signals are the first one's business; the end of the pipe is the word to stop."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    stand_back()
    brief, connections, first = pickle.load(sys.stdin.buffer)  # noqa: S301 - it comes from our own parent
    mouth = _Mouth(sys.stdout.fileno())
    logging.basicConfig(level=brief.level, handlers=[mouth])
    _send(brief, connections, first, mouth)


def _send(brief: Brief, connections: int, first: int, mouth: _Mouth) -> None:
    from newsletter.actions.delivery.deliver import Batch, SendingContext, run_batch
    from newsletter.app.wiring import App
    from newsletter.mail.compiled import CompiledEmail
    from newsletter.mail.personalize import Personalizer, by_tip
    from newsletter.store.worker_deliveries import worker_ledger

    app = App(brief.settings, clock=lambda: datetime.now(UTC) + brief.ahead)
    threading.Thread(target=_listen, args=(first, app.stop), daemon=True).start()
    writers = {
        tip_id: Personalizer(
            CompiledEmail.loads(letter), site=app.site, signer=app.signer, secret=brief.secret, dkim=app.dkim
        ).message
        for tip_id, letter in brief.letters.items()
    }
    with worker_ledger(brief.database, app.clock(), hold_in_doubt=brief.hold_in_doubt) as (ledger, owner):
        mouth.say(owner=owner)
        route = SendingContext(
            ledger, app.sender(), by_tip(writers), app.envelope_from, app.clock, app.stop, dot_free=True
        )
        shift = Batch(route, brief.number)
        done = shift.done
        run_batch(shift, connections, lambda: mouth.progress(done.sent, done.final))
    mouth.progress(
        done.sent,
        done.final,
        trouble=done.trouble,
        paused=done.paused,
        run=shift.breaker.run,
        failure=_words(done.failure),
        through=True,
    )


def _listen(first: int, stop: threading.Event) -> None:
    """The end of the pipe is the word to stop; when the first process is dead, letters in flight have a moment."""
    os.read(sys.stdin.fileno(), 1)
    stop.set()
    while os.getppid() == first:
        time.sleep(LOOK_UP_EVERY)
    time.sleep(ORPHAN_FOR)
    os._exit(1)


def _words(failure: BaseException | None) -> str:
    if failure is None:
        return ""
    return str(failure) if isinstance(failure, NewsletterError) else f"{type(failure).__name__}: {failure}"


if __name__ == "__main__":
    main()
