"""Fixtures of all tests: an environment without settings, a newsletter in a temporary directory, and the real command."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import hypothesis
import pytest

# No deadlines: a machine may be busy. CI tries the same examples each time, so that it fails only for a reason.
IN_CI = os.environ.get("NEWSLETTER_TEST_ALL") == "1"
hypothesis.settings.register_profile("newsletter", deadline=None, derandomize=IN_CI)
# `make unit` uses the profile `quick`; everything else runs with the full number of examples.
hypothesis.settings.register_profile("quick", deadline=None, max_examples=10)
hypothesis.settings.load_profile("newsletter")

CHECKOUT = Path(__file__).resolve().parents[1]
Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test sees only the settings that it sets itself."""
    for name in os.environ:
        if name.startswith("NEWSLETTER_") and name != "NEWSLETTER_TEST_ALL":
            monkeypatch.delenv(name)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The working directory of a newsletter that sends to a maildir; only its settings exist yet."""
    (tmp_path / ".env").write_text(
        "NEWSLETTER_SECRET_KEY=a-key-that-only-tests-have-0123456789\n"
        'NEWSLETTER_FROM="Anna Beispiel <tips@tips.example>"\n'
        "NEWSLETTER_OWNER=owner@tips.example\n"
        "NEWSLETTER_BASE_URL=https://tips.example\n"
        'NEWSLETTER_POSTAL_ADDRESS="1 Market Street, Springfield"\n'
        f"NEWSLETTER_SENDER_URL=maildir://{tmp_path}/mail\n",
        encoding="utf-8",
    )
    return tmp_path


def call(cwd: Path, *arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command as a process of its own; stdin is closed, so it cannot ask questions."""
    return subprocess.run(  # noqa: S603
        [sys.executable, "-m", "newsletter", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT), **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def run_cli(home: Path) -> Command:
    """Run the command in `home`, which is not set up, or in `cwd`."""

    def run(*arguments: str, env: dict[str, str] | None = None, cwd: Path = home) -> subprocess.CompletedProcess[str]:
        return call(cwd, *arguments, env=env)

    return run


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory made by `newsletter init`, shared by all tests."""
    folder = tmp_path_factory.mktemp("library")
    done = call(folder, "init", "--yes", "--starter-tips")
    assert done.returncode == 0, done.stderr
    return folder / "data"


@pytest.fixture
def newsletter(run_cli: Command, home: Path, library: Path) -> Command:
    """`run_cli` for a newsletter that is set up, with a database and the starter tips."""
    shutil.copytree(library, home / "data")
    return run_cli


def pytest_configure(config: pytest.Config) -> None:
    """Name the marker of the long tests."""
    config.addinivalue_line("markers", "long: takes many minutes; run by `make chaos`, `make nasty`, and `make years`")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long tests out unless they are asked for."""
    if "long" in config.option.markexpr:
        return
    left_out = [item for item in items if item.get_closest_marker("long")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]
