"""Open connections in threads of their own, so that one that does not open delays no email and no end of the program."""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Event, Lock, Thread

from newsletter.domain.delivery.connections import ConnectionPlan
from newsletter.domain.errors import RelayRefusal, SenderError
from newsletter.ports.sending import Sender, Session

log = logging.getLogger(__name__)

CHECK_STOP_EVERY = 0.25  # seconds

_Opened = Session | Exception


class Opener:
    """Opens the connections of one batch as its plan says. Safe to use from several threads.

    error: why the last connection that did not open did not. losses: how many have ended. Whoever gets a session reports
    its end with `lost`, after the outcome of its email is recorded.
    """

    def __init__(self, sender: Sender, wanted: int, issue: str) -> None:
        self.error: SenderError | None = None
        self.losses = 0
        self._sender = sender
        self._issue = issue
        self._plan = ConnectionPlan(wanted)
        self._lock = Lock()
        self._results: SimpleQueue[_Opened | None] = SimpleQueue()  # None only wakes a thread that waits
        self._is_closed = False
        self._is_finished = False
        self._is_told = False

    @property
    def is_complete(self) -> bool:
        """Are all connections open, so that `get` has nothing to do?"""
        return self._plan.is_complete

    @property
    def has_worked(self) -> bool:
        """Has a connection opened?"""
        return self._plan.has_worked

    @property
    def is_hopeless(self) -> bool:
        """Is none open or opening, and is it useless to try again in this batch?"""
        return self._plan.is_hopeless

    @property
    def is_done(self) -> bool:
        """Is no other connection needed, or to be had?"""
        return self._is_finished or self._plan.is_hopeless

    def get(self, seconds: float = 0.0) -> Session | None:
        """A connection that has opened; waits at most `seconds` for something to happen. Raises what is no SenderError."""
        with self._lock:
            number = self._plan.begin(time.monotonic())
        for _ in range(number):
            Thread(target=self._open, name="opening", daemon=True).start()
        try:
            result = self._results.get(timeout=seconds) if seconds else self._results.get_nowait()
        except Empty:
            return None
        return self._take(result) if result else None

    def lost(self, session: Session | None, *, for_good: bool = False) -> None:
        """A connection has ended, or has sent its number of messages. for_good: it is not to be replaced."""
        with self._lock:
            self._plan.lost(for_good=for_good)
            self.losses += 1
            self._is_finished = False
        if session:
            close_all([session], wait=0.0)

    def widen(self, wanted: int) -> None:
        """Have more connections from now on."""
        with self._lock:
            self._plan.widen(wanted)

    def finish(self, losses: int) -> None:
        """Nothing was due when so many connections had been lost: no thread needs to wait for another one."""
        with self._lock:
            if losses != self.losses:  # an email of the lost one is due again
                return
            self._is_finished = True
        for _ in range(self._plan.wanted):
            self._results.put(None)

    def close(self) -> None:
        """End the connections that nobody has taken; those that are still opening end as soon as they open."""
        with self._lock:
            self._is_closed = True
        unused = []
        while True:
            try:
                result = self._results.get_nowait()
            except Empty:
                break
            if result and not isinstance(result, Exception):
                unused.append(result)
        close_all(unused)

    def _open(self) -> None:
        result = _open(self._sender)
        if hasattr(result, "reconnects"):
            result.reconnects = False  # another one is opened here, beside the sending
        with self._lock:
            if not self._is_closed:
                self._results.put(result)
                return
        if not isinstance(result, Exception):
            result.close()

    def _take(self, result: _Opened) -> Session | None:
        if not isinstance(result, Exception):
            with self._lock:
                self._plan.opened()
            return result
        if not isinstance(result, SenderError):
            raise result
        self.error = result
        with self._lock:
            self._plan.failed(time.monotonic(), is_refusal=isinstance(result, RelayRefusal))
            number, wanted = self._plan.open, self._plan.wanted
        if not number:
            log.warning("%s: %s", self._issue, result)
        elif not self._is_told:  # a mail server that takes few connections is no trouble
            self._is_told = True
            log.info("%s: %d connections are open, not %d: %s", self._issue, number, wanted, result)
        return None


def open_session(sender: Sender, stop: Event) -> Session:
    """Open a session. Raises as `Sender.open`, and SenderError if `stop` is set before it is open."""
    results: SimpleQueue[_Opened] = SimpleQueue()
    Thread(target=lambda: results.put(_open(sender)), name="opening", daemon=True).start()
    while not stop.is_set():
        with suppress(Empty):
            result = results.get(timeout=CHECK_STOP_EVERY)
            if isinstance(result, Exception):
                raise result
            return result
    # Its thread ends with the program, which is stopping.
    raise SenderError("stopped before the mail server had opened a connection")


def close_all(sessions: list[Session], *, wait: float = 2.0) -> None:
    """Close sessions at the same time. wait: at most so many seconds; a mail server may not answer QUIT."""
    threads = [Thread(target=session.close, name="closing", daemon=True) for session in sessions]
    for thread in threads:
        thread.start()
    end = time.monotonic() + wait
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))


def _open(sender: Sender) -> _Opened:
    try:
        return sender.open()
    except Exception as error:  # noqa: BLE001 - the thread that waits for the connection raises it
        return error
