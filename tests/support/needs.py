"""What a test needs from the machine and may not find; with NEWSLETTER_TEST_ALL=1 a lack is a failure."""

from __future__ import annotations

import os
import shutil

import pytest

PACKAGES = {"chromium": "chromium", "smtp-sink": "postfix"}
"""Program: the Debian package that has it."""


def need(program: str) -> str:
    """The path of a program; skips the test with the name of its Debian package when it is not there."""
    found = shutil.which(program)
    if found:
        return found
    reason = f"{program} is not here: apt-get install {PACKAGES[program]}"
    if os.environ.get("NEWSLETTER_TEST_ALL") == "1":
        pytest.fail(reason)
    pytest.skip(reason)
