"""Run one batch over its connections: one worker for all of them, or one thread for each, and a second process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from threading import Event, Thread
from typing import Protocol, cast

from newsletter.actions.delivery.batch import Batch, BatchResult, RelayConnection
from newsletter.actions.delivery.multiplex import Multiplexer
from newsletter.actions.delivery.opening import CHECK_STOP_EVERY, Opener
from newsletter.domain.delivery.delivery import Claim, Finished
from newsletter.domain.delivery.outcome import Outcome, Rejected
from newsletter.domain.errors import SenderError
from newsletter.ports.sending import MultiplexSender, Session, Worker


def run_batch(batch: Batch, connections: int, on_tick: Callable[[], object]) -> None:
    """Run a batch over at most this many connections. `on_tick` is called every CHECK_STOP_EVERY, and at the end.

    A second process gets half of the connections, or all. With rate limits there is none: this process counts them.
    """
    process = None if batch.limiter.longest_window else batch.context.worker
    if process and batch.context.worker_takes_all:
        _run([] if batch.is_over else [_WorkerProcess(batch, process, connections)], batch, on_tick)
        return
    theirs = connections // 2 if process else 0
    ours = connections - theirs
    opener = Opener(batch.context.sender, 1 if batch.deferrals.is_slowed else ours, batch.name)
    if batch.deferrals.is_slowed:  # one connection, until the mail server accepts an email
        batch.on_accepted = partial(opener.widen, ours)
    try:
        workers = _workers(batch, opener, ours, on_tick)
        others = [_WorkerProcess(batch, process, theirs)] if process and theirs and workers else []
        _run([*others, *workers], batch, on_tick)
    finally:
        opener.close()
        batch.note_openings(opener)


def _run(workers: Sequence[_Worker], batch: Batch, on_tick: Callable[[], object]) -> None:
    threads = [
        Thread(target=_work, args=(batch, worker), name=f"sender-{n}", daemon=True) for n, worker in enumerate(workers)
    ]
    for thread in threads:
        thread.start()
    _wait(threads, batch.result, (batch.context.stop, batch.halt), on_tick)


class _Worker(Protocol):
    """One thread of a batch, with one connection or many."""

    def loop(self) -> None: ...
    def close(self) -> None: ...


def _workers(batch: Batch, opener: Opener, number: int, on_tick: Callable[[], object]) -> Sequence[_Worker]:
    """One worker for all connections if the sender can multiplex them, else one for each; none without a connection.

    The first connection that opens shows what the mail server can do. The others follow while it sends already.
    """
    batch.whose_trouble.connections = number
    if batch.is_rate_limited:
        return []
    session: Session | None = None
    while session is None and not batch.is_over and not opener.is_hopeless:
        session = opener.get(CHECK_STOP_EVERY)
        on_tick()
    if session is None:
        return []
    ours = [RelayConnection(session), *(RelayConnection() for _ in range(number - 1))]
    if getattr(session, "can_multiplex", False):
        return [Multiplexer(batch, cast("MultiplexSender", batch.context.sender), opener, ours)]
    return [_SingleConnection(batch, opener, connection) for connection in ours]


def _wait(
    workers: Sequence[Thread], result: BatchResult, stops: Sequence[Event], on_tick: Callable[[], object]
) -> None:
    """Wait until every worker has ended. A first Ctrl-C lets emails in flight finish; a second one is raised."""
    interrupted: BaseException | None = None
    for worker in workers:
        while worker.is_alive():
            try:
                worker.join(CHECK_STOP_EVERY)
                on_tick()
            except KeyboardInterrupt as error:
                if any(stop.is_set() for stop in stops):
                    raise
                interrupted = error
                stops[-1].set()
    on_tick()
    if interrupted:
        result.failure = interrupted


def _work(batch: Batch, worker: _Worker) -> None:
    """Run one worker. Whatever happens, the outcomes it holds are recorded before its thread ends."""
    try:
        try:
            worker.loop()
        finally:
            worker.close()
    except Exception as error:  # noqa: BLE001 - a bug or a full disk: stop everything; the caller raises it
        batch.halt_for(error)


class _WorkerProcess:
    """A second process as one more worker: its thread only follows the updates."""

    def __init__(self, batch: Batch, process: Worker, connections: int) -> None:
        self._batch = batch
        self._process = process
        self._connections = connections

    def loop(self) -> None:
        """Follow it until its last update."""
        for update in self._process.work(self._connections, lambda: self._batch.is_over):
            self._batch.add_progress(update)

    def close(self) -> None:
        """There is nothing to record: the second process records its own outcomes."""


class _SingleConnection:
    """One connection that sends one email at a time and waits for each reply."""

    def __init__(self, batch: Batch, opener: Opener, connection: RelayConnection) -> None:
        self._batch = batch
        self._opener = opener
        self._connection = connection
        self._is_used = connection.session is not None
        self._finished: list[Finished] = []

    def loop(self) -> None:
        """Send until nothing is due, or the batch is over."""
        while not self._batch.is_over and self._is_connected():
            losses = self._opener.losses
            # The last outcome and the next claim share this commit (T3 and T2).
            claims = self._record(1)
            if claims:
                self._send(claims[0])
            elif not self._batch.wait_for_rate():
                self._opener.finish(losses)
                return

    def close(self) -> None:
        """Record the last outcome and end the connection."""
        try:
            self._record_last()
        finally:
            self._connection.close()

    def _is_connected(self) -> bool:
        """Have a connection, or wait for one. False: none is needed, or none can be had."""
        connection, opener = self._connection, self._opener
        if self._is_used and (connection.session is None or getattr(connection.session, "is_spent", False)):
            self._is_used = False
            self._record_last()  # before another thread may see that nothing is due
            session, connection.session = connection.session, None
            opener.lost(session)
        while connection.session is None and not (self._batch.is_over or opener.is_done):
            connection.session = opener.get(CHECK_STOP_EVERY)
        self._is_used = connection.session is not None
        return self._is_used

    def _record_last(self) -> None:
        if self._finished:
            self._record(0)

    def _record(self, take: int) -> list[Claim]:
        finished, self._finished = self._finished, []
        return self._batch.record(finished, take)

    def _send(self, claim: Claim) -> None:
        outcome: Outcome | None = None
        in_trouble = False
        try:
            outcome = self._transmit(claim)
        except SenderError as error:
            in_trouble, outcome = True, self._batch.take(error, self._connection, claim)
        finally:  # whatever was raised, the delivery leaves the state `sending`
            self._finished = [Finished(claim, outcome, self._batch.context.clock(), in_trouble=in_trouble)]
        if outcome is not None and not in_trouble:
            self._batch.count(claim, outcome)

    def _transmit(self, claim: Claim) -> Outcome | None:
        """Compose and send one email; None if its delivery is to be requeued. Raises SenderError."""
        composed = self._batch.compose(claim, self._batch.context.clock())
        if isinstance(composed, Rejected) or self._connection.session is None:
            return composed if isinstance(composed, Rejected) else None
        self._connection.may_reconnect(claim)
        try:
            return self._connection.session.send(*composed)
        except SenderError:
            raise
        except Exception as error:  # noqa: BLE001 - a sender that raises what its interface does not allow
            self._connection.session = None
            return self._batch.in_doubt(error)
