"""The second sending process, started by `worker` as `python -m newsletter.app.worker_process`.

It reads its task from stdin and writes one JSON object per line to stdout: the owner of its rows, updates, log records.
"""

from __future__ import annotations

import json
import logging
import os
import pickle
import signal
import sys
import threading
import time
from contextlib import suppress

from newsletter.actions.delivery.batch import Batch, SendingContext
from newsletter.actions.delivery.workers import run_batch
from newsletter.app.process import lower_priority, system_clock
from newsletter.app.wiring import App
from newsletter.app.worker import CHECK_EVERY, WorkerTask
from newsletter.domain.errors import NewsletterError
from newsletter.mail.compiled import CompiledEmail
from newsletter.mail.personalize import Personalizer, by_tip
from newsletter.store.worker_deliveries import worker_ledger

ORPHAN_GRACE = 2.0  # seconds that emails in flight have to finish once the first process is dead


class Reporter(logging.Handler):
    """Writes JSON lines to the first process, log records among them. Once that is dead, they are dropped."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._reported = (0, 0)
        self._write_lock = threading.Lock()

    def report(self, **values: object) -> None:
        """Write one line."""
        line = json.dumps(values).encode() + b"\n"
        with self._write_lock, suppress(BrokenPipeError):  # emails in flight still finish, and are recorded
            while line:
                line = line[os.write(self._descriptor, line) :]

    def emit(self, record: logging.LogRecord) -> None:
        """Pass a log record on."""
        self.report(log=record.levelno, text=self.format(record))

    def progress(self, sent: int, final: int, **values: object) -> None:
        """Report the increase of both counts since the last call."""
        before = self._reported
        self._reported = (sent, final)
        self.report(sent=sent - before[0], final=final - before[1], **values)


def main() -> None:
    """Run the task. The first process handles the signals; this one stops when its stdin closes."""
    # A terminal sends Ctrl-C to both processes.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    lower_priority()
    task, connections, parent = pickle.load(sys.stdin.buffer)  # noqa: S301 - it comes from our own parent
    reporter = Reporter(sys.stdout.fileno())
    logging.basicConfig(level=task.log_level, handlers=[reporter], format="%(message)s")  # the first one adds the rest
    _send(task, connections, parent, reporter)


def _send(task: WorkerTask, connections: int, parent: int, reporter: Reporter) -> None:
    app = App(
        task.settings,
        clock=lambda: system_clock() + task.clock_offset,
        list_id=task.list_id,
        list_key=task.list_key,
    )
    threading.Thread(target=_stop_with_parent, args=(parent, app.stop), daemon=True).start()
    writers = {
        tip_id: Personalizer(
            CompiledEmail.loads(email), site=app.site, signer=app.signer, secret=task.secret, dkim=app.dkim
        ).message
        for tip_id, email in task.emails.items()
    }
    with worker_ledger(task.database, app.clock(), hold_in_doubt=app.settings.holds_in_doubt) as (ledger, owner):
        # Before the first claim: if this process dies, the first one has to know which rows to requeue.
        reporter.report(owner=owner)
        context = SendingContext(
            ledger,
            app.sender(),
            by_tip(writers),
            app.envelope_from,
            app.clock,
            app.stop,
            dot_free=True,
            trusts_mailboxes=task.trusts_mailboxes,
            list_key=app.shown_key,
        )
        batch = Batch(context, task.number)
        result = batch.result
        run_batch(batch, connections, lambda: reporter.progress(result.sent, result.final))
    reporter.progress(
        result.sent,
        result.final,
        trouble=result.trouble,
        paused=result.paused,
        run=batch.breaker.run,
        failure=_failure_text(result.failure),
        has_opened=result.has_opened,
        refusal=result.refusal,
        is_deferred=result.is_deferred,
        is_done=True,
    )


def _stop_with_parent(parent: int, stop: threading.Event) -> None:
    """Stop when stdin closes. If the parent is dead, give emails in flight a moment, then end this process."""
    os.read(sys.stdin.fileno(), 1)
    stop.set()
    while os.getppid() == parent:
        time.sleep(CHECK_EVERY)
    # While this process lives, the inherited lock keeps every other sender away.
    time.sleep(ORPHAN_GRACE)
    # Not sys.exit, which would only end this thread.
    os._exit(1)


def _failure_text(failure: BaseException | None) -> str:
    if failure is None:
        return ""
    return str(failure) if isinstance(failure, NewsletterError) else f"{type(failure).__name__}: {failure}"


if __name__ == "__main__":
    main()
