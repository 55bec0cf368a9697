"""Commands on a terminal: questions, the progress bar, and Ctrl-C."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT, Command
from tests.support.faulty_smtp import STALL, Fault, FaultySmtp, ServerBehavior

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
        self.seen = 0

    def until(self, words: str) -> None:
        """Read until these words arrive, after those that were waited for before."""
        while (at := self.output.find(words, self.seen)) < 0:
            piece = self.read()
            assert piece, f"{words!r} never arrived: {self.output}"
        self.seen = at + len(words)

    def read(self) -> str:
        assert select.select([self.screen], [], [], 30)[0], f"nothing more arrives: {self.output}"
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


def interview(terminal: Terminal, answers: list[tuple[str, str]]) -> None:
    for question, answer in answers:
        terminal.until(question)
        terminal.answer(answer)


def kept(run_cli: Command, folder: Path) -> dict[str, str]:
    shown = json.loads(run_cli("config", "show", "--json", cwd=folder).stdout)["settings"]
    return {row["name"].removeprefix("NEWSLETTER_"): row["value"] for row in shown if row["origin"] == ".env"}


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    folder = tmp_path / "fresh"
    folder.mkdir()
    return folder


def test_init_asks_checks_each_answer_and_tries_the_mail_server(start: Start, run_cli: Command, fresh: Path) -> None:
    with FaultySmtp(behavior=ServerBehavior(users={"anna@tips.example": "p@ss/w:rd"})) as server:
        terminal = start(fresh, "init")
        interview(
            terminal,
            [
                ("What is the newsletter called? [Tip of the Week]", "Anna's Tips: weekly"),
                ("Which address should the emails come from?", "nobody"),
                ("it has no @. Enter it as name@example.com", "anna@tips.example"),
                ("Which address is yours, for previews, reports, and alerts? [anna@tips.example]", ""),
                ("Which postal address goes into the footer, as the law requires?", "1 Market Street, Springfield"),
                ("When does the tip go out each week? [tue 08:00]", "teusday 8am"),
                ('Did you mean "tue 08:00"?', "Thursdays at 9 a.m."),
                ("Understood as thu 09:00", ""),
                ("What is the public web address of the newsletter? [http://localhost:8000]", "tips.example/"),
                ("Which mail server sends your emails, for example smtp.example.org?", f"127.0.0.1:{server.port}"),
                ("Which user name signs in there? (none: without) [none]", "anna@tips.example"),
                ("What is the password?", "wrong"),
                ("Do you want to change the answers about the mail server? [Y/n]", ""),
                (f"[127.0.0.1:{server.port}]", ""),
                ("[anna@tips.example]", ""),
                ("What is the password?", "p@ss/w:rd"),
                ("It works: connected, signed in as anna@tips.example", ""),
                ("starter tips", ""),
                ("Send a test email to anna@tips.example? [Y/n]", ""),
            ],
        )
        code, out = terminal.end()
    assert code == 0, terminal.output
    assert "p@ss" not in terminal.output
    assert [email.recipient for email in server.emails] == ["anna@tips.example"]
    assert re.findall(r"^  \d\. .*: (newsletter .*)$", out, re.MULTILINE)[0] == "newsletter tips import PATH…"
    zone = kept(run_cli, fresh).pop("TIMEZONE")
    assert kept(run_cli, fresh) == {
        "TITLE": "Anna's Tips: weekly",
        "FROM": "Anna's Tips: weekly <anna@tips.example>",
        "OWNER": "anna@tips.example",
        "POSTAL_ADDRESS": "1 Market Street, Springfield",
        "SCHEDULE": "thu 09:00",
        "TIMEZONE": zone,
        "BASE_URL": "https://tips.example",
        "SENDER_URL": f"smtp://anna%40tips.example:********@127.0.0.1:{server.port}",
        "SECRET_KEY": "********",
    }
    assert run_cli("doctor", cwd=fresh, env={"NEWSLETTER_SENDER_URL": "console:"}).returncode == 0


def test_init_continues_after_ctrl_c(start: Start, run_cli: Command, fresh: Path) -> None:
    first = start(fresh, "init")
    interview(first, [("called?", "Mine"), ("come from?", "Anna <anna@tips.example>"), ("is yours", "\x04")])
    code, _ = first.end()
    assert (code, "To continue, run: newsletter init" in first.output) == (130, True)
    assert kept(run_cli, fresh) == {
        "TITLE": "Mine",
        "FROM": "Anna <anna@tips.example>",
        "SECRET_KEY": "********",
    }
    second = start(fresh, "init")
    skipped = [("is yours", ""), ("postal", ""), ("each week?", ""), ("zone?", ""), ("web address", "")]
    skipped += [("mail server", "mail.tips.example"), ("which port?", ""), ("user name", ""), ("password?", "")]
    interview(second, [*skipped, ("starter tips, which are sent only while you have no tip of your own? [y/N]", "y")])
    code, out = second.end()
    assert (code, "called?" in second.output) == (0, False), second.output
    assert "starter tips added" in out
    assert kept(run_cli, fresh)["OWNER"] == "anna@tips.example"
    third = start(fresh, "init")
    interview(third, [("Which postal address", "1 Market Street"), ("Which mail server", "console:")])
    assert third.end()[0] == 0
    assert "web address" not in third.output


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
