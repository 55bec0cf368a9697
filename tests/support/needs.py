"""What a test needs from the machine and may not find; with NEWSLETTER_TEST_ALL=1 a lack is a failure."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

PACKAGES = {
    "chromium": "chromium",
    "dkimproxy-verify": "libmail-dkim-perl",
    "node": "npm",
    "npm": "npm",
    "smtp-sink": "postfix",
    "spamassassin": "spamassassin",
    "zdump": "libc-bin",
}
"""Program: the Debian package that has it."""


def require_program(program: str) -> str:
    """The path of a program; skips the test with the name of its Debian package when it is not there."""
    found = shutil.which(program)
    if found:
        return found
    reason = f"{program} is not here: apt-get install {PACKAGES[program]}"
    if os.environ.get("NEWSLETTER_TEST_ALL") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


REFEREES = Path(__file__).resolve().parents[1] / "referees"


def require_referees() -> Path:
    """The directory of npm packages that judge letters and pages; skips the test with the command that installs them."""
    if (REFEREES / "node_modules" / "axe-core").is_dir():
        return REFEREES
    reason = f"the referees are not here: npm install --prefix {REFEREES.relative_to(REFEREES.parents[1])}"
    if os.environ.get("NEWSLETTER_TEST_ALL") == "1":
        pytest.fail(reason)
    pytest.skip(reason)
