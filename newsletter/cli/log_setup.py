"""Logs of the daemon and the web server on stderr, as text for people or as JSON for programs."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

from rich.console import Console
from rich.logging import RichHandler
from rich.text import Text

from newsletter.domain.printable import escaped_json, printable

TIME = "%Y-%m-%d %H:%M:%S%z"  # with the offset of this machine, since a schedule is in the zone of the newsletter


class JsonFormatter(logging.Formatter):
    """One JSON object per line: at (ISO 8601, UTC), level, logger, message, and the traceback if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """One record as a line."""
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return escaped_json(json.dumps(line, ensure_ascii=False))


class LineFormatter(logging.Formatter):
    """One line for each record, whatever is in its message; the traceback follows on lines of its own."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name of the library
        """The record without its traceback."""
        return printable(super().formatMessage(record).replace("\n", " "))


def start_logging(log_format: str, *, verbose: int = 0) -> None:
    """Set up the root logger; called once per process. log_format: text or json."""
    handler: logging.Handler
    if log_format == "json":
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(JsonFormatter())
    elif sys.stderr.isatty():
        handler = RichHandler(
            console=Console(stderr=True), show_path=False, omit_repeated_times=False, log_time_format=_stamp
        )
        handler.setFormatter(LineFormatter("%(message)s"))
    else:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(LineFormatter("%(asctime)s %(levelname)-7s %(message)s", TIME))
    logging.basicConfig(level=logging.DEBUG if verbose else logging.INFO, handlers=[handler])
    for name in ("apscheduler", "uvicorn", "alembic", "httpx", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _stamp(at: datetime) -> Text:
    """The time of a record for a terminal. at: without a zone, as rich passes it: the local time of this machine."""
    return Text(f"{at.astimezone():%b %d %H:%M:%S %Z}")
