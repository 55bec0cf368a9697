"""Programs that some tests need: a test is skipped if one is missing, or fails with NEWSLETTER_TEST_ALL=1."""

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
"""The Debian package of each program."""


def require_program(program: str) -> str:
    """The path of a program; if it is missing, the test is skipped, and the reason names the Debian package."""
    found = shutil.which(program)
    if found:
        return found
    reason = f"{program} is missing: apt-get install {PACKAGES[program]}"
    if os.environ.get("NEWSLETTER_TEST_ALL") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


REFEREES = Path(__file__).resolve().parents[1] / "referees"


def require_referees() -> Path:
    """The directory of npm packages that judge emails and pages; if they are missing, the test is skipped."""
    if (REFEREES / "node_modules" / "axe-core").is_dir():
        return REFEREES
    reason = f"the referees are missing: npm install --prefix {REFEREES.relative_to(REFEREES.parents[1])}"
    if os.environ.get("NEWSLETTER_TEST_ALL") == "1":
        pytest.fail(reason)
    pytest.skip(reason)
