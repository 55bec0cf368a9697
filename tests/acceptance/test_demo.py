"""The demo, run as a new user runs it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.conftest import CHECKOUT, Command


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
    assert "“Welcome" not in done.stdout
    assert re.search(r"Mon 9:00 AM +the owner knows +owner@home\.example", done.stdout)
    assert list(tmp_path.iterdir()) == []


def test_the_daemon_of_the_demo_ends_when_the_demo_is_gone(newsletter: Command, home: Path) -> None:
    folder = home / "demo"
    (home / "data").rename(folder)
    with subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "newsletter.cli.demo.child", "run", "--no-web", "--env-file", str(home / ".env")],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT), "NEWSLETTER_DATA_DIR": str(folder)},
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as daemon:
        assert daemon.stderr
        assert daemon.stdin
        assert any("running" in line for line in daemon.stderr)
        daemon.stdin.close()  # as the kernel does for a demo that was killed
        assert daemon.wait(60) == 0
    assert not folder.exists()
