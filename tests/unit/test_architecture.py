import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from newsletter.cli import GROUPS, root
from tests.support.needs import PACKAGES

CHECKOUT = Path(__file__).resolve().parents[2]
CODE = sorted(path for folder in ("newsletter", "tests", "scripts") for path in (CHECKOUT / folder).rglob("*.py"))
PRODUCT = [path for path in CODE if path.is_relative_to(CHECKOUT / "newsletter")]
SLOW = {"sqlmodel", "sqlalchemy", "pydantic", "fastapi", "rich", "alembic", "premailer", "jinja2", "uvicorn", "dotenv"}


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=120, check=False)  # noqa: S603


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_a_file_stays_under_400_lines(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) < 400


@pytest.mark.parametrize("path", PRODUCT, ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_a_module_opens_with_what_it_is(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert docstring
    assert docstring.splitlines()[0].rstrip().endswith((".", "?"))


def test_the_floors_hold() -> None:
    done = run(str(Path(sys.executable).with_name("lint-imports")))
    assert done.returncode == 0, done.stdout


def test_what_is_generated_is_in_step_with_the_program() -> None:
    done = run(sys.executable, "scripts/reference.py", "--check")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_help_of_every_noun_names_its_verbs() -> None:
    ctx = root.make_context("newsletter", ["--json"])
    for noun, (_, text) in GROUPS.items():
        command = root.get_command(ctx, noun)
        assert command is not None, noun
        verbs = getattr(command, "commands", {})
        assert set(re.findall(r"[\w-]+", text.partition(":")[2])) == set(verbs) or not verbs, noun


def test_ci_installs_what_tests_look_for_on_the_machine() -> None:
    packages = re.search(r"^PACKAGES=\((.*)\)$", (CHECKOUT / ".ci/run").read_text(encoding="utf-8"), re.MULTILINE)
    assert packages
    tests = (path.read_text(encoding="utf-8") for path in (CHECKOUT / "tests").rglob("test_*.py"))
    needed = {PACKAGES[program] for text in tests for program in re.findall(r"\brequire_program\(\"([\w-]+)\"\)", text)}
    assert needed == set(packages[1].split())


def test_help_imports_no_slow_library() -> None:
    done = run(sys.executable, "-X", "importtime", "-m", "newsletter", "--help")
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert done.returncode == 0
    assert "click" in imported
    assert imported & SLOW == set()
