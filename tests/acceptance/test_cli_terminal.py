"""Commands on a terminal: questions, the progress bar, and Ctrl-C."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT, Command
from tests.support.faulty_smtp import STALL, Fault, FaultySmtp

TUESDAY = "2026-11-24T08:01"
PROOF = ("--confirmed", "--source", "paper list")
Start = Callable[..., "Terminal"]


class Terminal:
    """A process on a terminal of 100 columns; its output is read until the expected text arrives."""

    def __init__(self, cwd: Path, *arguments: str, env: dict[str, str]) -> None:
        self.screen, theirs = pty.openpty()
        self.process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "newsletter", *arguments],
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": str(CHECKOUT), "TERM": "xterm", "COLUMNS": "100", "LINES": "30", **env},
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self.output = ""

    def until(self, words: str) -> None:
        while words not in self.output:
            piece = self.read()
            assert piece, f"{words!r} never arrived: {self.output}"

    def read(self) -> str:
        try:
            piece = os.read(self.screen, 4096).decode(errors="replace")
        except OSError:  # on Linux: the other side of the terminal is closed
            return ""
        self.output += piece
        return piece

    def answer(self, text: str) -> None:
        os.write(self.screen, f"{text}\n".encode())

    def end(self) -> tuple[int, str]:
        """Wait until it has ended; returns exit code and stdout."""
        while self.read():
            pass
        out, _ = self.process.communicate(timeout=30)
        return self.process.returncode, out.decode()


@pytest.fixture
def start() -> Iterator[Start]:
    started: list[Terminal] = []

    def start_one(cwd: Path, *arguments: str, env: dict[str, str] | None = None) -> Terminal:
        started.append(Terminal(cwd, *arguments, env=env or {}))
        return started[-1]

    yield start_one
    for terminal in started:
        if terminal.process.poll() is None:
            terminal.process.kill()
            terminal.process.communicate()
        os.close(terminal.screen)


@pytest.fixture
def with_subscribers(newsletter: Command) -> Command:
    for name in ("anna", "berta", "carla"):
        assert newsletter("subscribers", "add", f"{name}@tips.example.com", *PROOF).returncode == 0
    return newsletter


def test_init_asks_with_defaults_and_asks_again_after_a_bad_answer(
    start: Start, run_cli: Command, tmp_path: Path
) -> None:
    folder = tmp_path / "fresh"
    folder.mkdir()
    terminal = start(folder, "init")
    for question, answer in (
        ("The name of the newsletter", "Anna's Tips"),
        ("The From address of every email", "nobody"),
        ("NEWSLETTER_FROM cannot be used", "Anna <anna@tips.example>"),
        ("Your email address", ""),
        ("The public address of the web pages", "https://tips.example"),
        ("Outgoing mail server", "console:"),
        ("The time zone of the schedule", "Europe/Berlin"),
        ("starter tips? They are sent only when you have no tip of your own [y/N]", ""),
    ):
        terminal.until(question)
        terminal.answer(answer)
    code, _ = terminal.end()
    assert code == 0, terminal.output
    shown = json.loads(run_cli("config", "show", "--json", cwd=folder).stdout)["settings"]
    set_here = {row["name"].removeprefix("NEWSLETTER_"): row["value"] for row in shown if row["origin"] == ".env"}
    assert set_here == {
        "TITLE": "Anna's Tips",
        "FROM": "Anna <anna@tips.example>",
        "BASE_URL": "https://tips.example",
        "SENDER_URL": "console:",
        "TIMEZONE": "Europe/Berlin",
        "SECRET_KEY": "********",
    }


def test_sending_shows_a_progress_bar_and_keeps_stdout_clean(
    start: Start, with_subscribers: Command, home: Path
) -> None:
    assert with_subscribers("issues", "list").returncode == 0
    terminal = start(home, "issues", "send", "--as-of", TUESDAY, "--json")
    code, out = terminal.end()
    assert code == 0
    assert json.loads(out)["counts"]["sent"] == 3
    assert "3/3" in terminal.output


def test_ctrl_c_finishes_the_email_in_flight_and_says_how_to_continue(
    start: Start, with_subscribers: Command, home: Path
) -> None:
    with FaultySmtp([Fault("rcpt", STALL, first=1, times=1)]) as server:
        environ = {"NEWSLETTER_SENDER_URL": server.url("tls=none", "connections=1")}
        terminal = start(home, "issues", "send", "--as-of", TUESDAY, "--json", env=environ)
        assert server.stalling.wait(20)
        terminal.process.send_signal(signal.SIGINT)
        terminal.until("finishing the emails in flight")
        server.release()
        code, out = terminal.end()
        assert code == 130
        assert "newsletter issues resume 1" in terminal.output
        counts = json.loads(out)["counts"]
        assert (counts["sent"] in (1, 2), counts["sending"], counts["sent"] + counts["pending"]) == (True, 0, 3)
        done = with_subscribers("issues", "resume", "--as-of", TUESDAY, "--json", env=environ)
        assert json.loads(done.stdout)["counts"]["sent"] == 3
        assert len({email.recipient for email in server.emails}) == len(server.emails) == 3


def test_nothing_is_changed_if_the_answer_is_no(start: Start, with_subscribers: Command, home: Path) -> None:
    terminal = start(home, "subscribers", "erase", "anna@tips.example.com")
    terminal.until("[y/N]")
    terminal.answer("n")
    code, _ = terminal.end()
    assert code == 1
    assert "nothing was changed" in terminal.output
    assert re.search(r"anna@\S+ .*confirmed", with_subscribers("subscribers", "list").stdout)
