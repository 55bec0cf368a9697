"""What needs a process of its own to be checked: the layers, the generated files, and what `--help` imports."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
SLOW = {"sqlmodel", "sqlalchemy", "pydantic", "fastapi", "rich", "alembic", "premailer", "jinja2", "uvicorn", "dotenv"}


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=120, check=False)  # noqa: S603


def test_imports_go_only_downwards() -> None:
    done = run(str(Path(sys.executable).with_name("lint-imports")))
    assert done.returncode == 0, done.stdout


def test_the_generated_files_match_the_program() -> None:
    done = run(sys.executable, "scripts/reference.py", "--check")
    assert done.returncode == 0, done.stdout + done.stderr


def test_help_imports_no_slow_library() -> None:
    done = run(sys.executable, "-X", "importtime", "-m", "newsletter", "--help")
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert done.returncode == 0
    assert "click" in imported
    assert imported & SLOW == set()
