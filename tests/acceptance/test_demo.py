"""The demo, run as a new user runs it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


def test_the_demo_sends_one_email_to_each_of_three_subscribers(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "newsletter", "demo", "--once"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    rows = re.findall(r"^ +(\w+@home\.example) .*\d+\.\d KB +yes", done.stdout, re.MULTILINE)
    assert rows == ["amara@home.example", "joaquin@home.example", "mei@home.example"]
    assert "reached 3 of 3 subscribers" in done.stdout
    assert list(tmp_path.iterdir()) == []
