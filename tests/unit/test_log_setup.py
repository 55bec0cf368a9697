"""Log stamps: each says in which time zone it is."""

from __future__ import annotations

import io
import json
import logging
import re
import sys
import time
from collections.abc import Iterator

import pytest

from newsletter.cli.log_setup import start_logging


@pytest.fixture(autouse=True)
def _berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()
    root.handlers[:] = handlers
    root.setLevel(level)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def logged(monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, log_format: str) -> str:
    """What one record of 2026-12-01 07:00 UTC looks like."""
    monkeypatch.setattr(sys, "stderr", stream)
    logging.getLogger().handlers[:] = []  # those of pytest
    start_logging(log_format)
    record = logging.makeLogRecord({"msg": "sent", "levelno": logging.INFO, "levelname": "INFO", "created": 1796108400})
    logging.getLogger().handle(record)
    return stream.getvalue()


def test_a_line_has_the_offset_of_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    assert logged(monkeypatch, io.StringIO(), "text") == "2026-12-01 08:00:00+0100 INFO    sent\n"


def test_a_terminal_shows_the_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = re.sub(r"\x1b\[[0-9;]*m", "", logged(monkeypatch, Terminal(), "text"))
    assert shown.split() == ["Dec", "01", "08:00:00", "CET", "INFO", "sent"]


def test_json_is_in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    assert json.loads(logged(monkeypatch, io.StringIO(), "json"))["at"] == "2026-12-01T07:00:00.000+00:00"
