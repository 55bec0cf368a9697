"""The clock: use cases ask it for the time, so that tests can set it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

Clock = Callable[[], datetime]
"""Returns the current time, aware."""
