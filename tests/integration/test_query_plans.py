"""No statement on deliveries may need a scan of the whole table; benchmarks/query_plans.py checks their plans."""

import os
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


def test_no_statement_scans_all_deliveries() -> None:
    command = [sys.executable, "benchmarks/query_plans.py", "--subscribers", "500"]
    env = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    done = subprocess.run(command, cwd=CHECKOUT, env=env, capture_output=True, text=True, timeout=120, check=False)  # noqa: S603
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 scan the whole table" in done.stdout
    assert done.stdout.count("\nok: ") >= 25, "too few statements were traced"
