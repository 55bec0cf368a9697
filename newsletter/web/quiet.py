"""Keep the log short: visitors must not be able to fill the disk with log lines."""

from __future__ import annotations

import logging
import time
from threading import Lock
from types import TracebackType

INTERVAL = 60.0  # seconds
MAX_KINDS = 1_000
LOGGERS = ("uvicorn.error", "asyncio", "newsletter.web.errors")
PARSERS = ("python_multipart",)  # each of their warnings is about one body, which gets status 400


class OncePerMinute(logging.Filter):
    """Let one line a minute through for one kind of warning or error, and say there how many were left out."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = Lock()
        self._seen: dict[tuple[object, ...], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """True if the line may be logged."""
        if record.levelno < logging.WARNING:
            return True
        # The first line is enough: asyncio writes the objects in question into the others, and those differ each time.
        kind = (record.name, str(record.msg).partition("\n")[0], *_place(record))
        now = time.monotonic()
        with self._lock:
            if len(self._seen) > MAX_KINDS:
                self._seen.clear()
            since, left_out = self._seen.get(kind, (now - INTERVAL, 0))
            if now - since < INTERVAL:
                self._seen[kind] = since, left_out + 1
                return False
            self._seen[kind] = now, 0
        if left_out:
            record.msg = f"{record.msg} ({left_out} more like it in the last minutes)"
        return True


def _place(record: logging.LogRecord) -> tuple[object, ...]:
    """The type of the logged exception and the line that raised it; its text may come from a visitor."""
    kind, _, trace = record.exc_info or (None, None, None)
    return kind, *_last_line(trace)


def _last_line(trace: TracebackType | None) -> tuple[object, ...]:
    while trace and trace.tb_next:
        trace = trace.tb_next
    return (trace.tb_frame.f_code.co_filename, trace.tb_lineno) if trace else ()


def quiet_logs() -> None:
    """Apply the filter to the loggers that a visitor can reach; if that was done before, begin anew."""
    for name in LOGGERS:
        logger = logging.getLogger(name)
        logger.filters[:] = [each for each in logger.filters if not isinstance(each, OncePerMinute)]
        logger.addFilter(OncePerMinute())
    for name in PARSERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)
