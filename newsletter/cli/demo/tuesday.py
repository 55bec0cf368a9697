"""Plays one Tuesday with nothing configured: the real commands, web form, daemon, and SMTP, in a temporary directory."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlencode, urljoin
from urllib.request import Request, urlopen

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from newsletter.cli.demo.mailbox import Mailbox
from newsletter.cli.demo.mailbox_page import Email
from newsletter.cli.demo.port import HOST, reserved_port
from newsletter.domain.calendar.schedule import Schedule
from newsletter.domain.dates import AMERICAN
from newsletter.domain.errors import NewsletterError

SUBSCRIBERS = (
    ("Amara", "amara@home.example"),
    ("Joaquín", "joaquin@home.example"),
    ("Mei", "mei@home.example"),
)
OWNER = "owner@home.example"
INTERRUPTED = 130
TIMEOUT = 60.0  # seconds for each step, which is enough for a slow machine
RULE, ZONE = "tue 08:00", "America/New_York"


class DemoError(NewsletterError):
    """A step of the demo failed; the message says which one."""


def run_demo(*, once: bool) -> int:
    """Play one Tuesday; returns 0 if every subscriber got the email. Without `once`, the pages stay open until Ctrl-C."""
    console = Console(highlight=False)
    with ExitStack() as stack:
        stack.enter_context(_ended_by_signals())
        directory = Path(tempfile.mkdtemp(prefix="newsletter-demo-"))
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
        mailbox = Mailbox()
        mailbox.start()
        stack.callback(mailbox.stop)
        home = f"http://{HOST}:{stack.enter_context(reserved_port())}"
        try:
            _Demo(console, mailbox, directory, home).play(keep_open=None if once else _until_interrupted)
        except KeyboardInterrupt:
            return INTERRUPTED
    return 0


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """End as Ctrl-C does when the window is closed or somebody sends SIGTERM: stop the daemon, delete the data."""

    def end(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGTERM)}
    for number in (number for number, handler in before.items() if handler is not signal.SIG_IGN):  # nohup
        signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _until_interrupted() -> None:
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        return


@dataclass
class _Demo:
    """The newsletter of the demo and what happens on its Tuesday."""

    console: Console
    mailbox: Mailbox
    directory: Path
    home: str
    _key: str = field(default_factory=partial(secrets.token_urlsafe, 32))

    def __post_init__(self) -> None:
        schedule = Schedule.parse(RULE, ZONE)
        self._slot = schedule.starts_at(schedule.next_slot(datetime.now(UTC) + timedelta(days=2)))
        self._zone = schedule.zone

    def play(self, keep_open: Callable[[], None] | None) -> None:
        """Sign-ups on Sunday, the preview on Monday, the issue on Tuesday, the report an hour later.

        Each day has a daemon of its own, which is told what time it is.
        """
        self.console.print("\n[bold]Tip of the Week[/bold] · one Tuesday, without any configuration\n")
        self._newsletter("init", "--yes", "--starter-tips")
        self._open_sign_ups(self._slot - timedelta(hours=36))
        self._tell_the_owner(self._slot - timedelta(hours=23))
        with self._daemon(self._slot - timedelta(seconds=2)):
            self._print_step(
                self._slot, "the daemon sends", "the next unsent tip, compiled once, to every confirmed subscriber"
            )
            emails = [self._email_to(address) for _, address in SUBSCRIBERS]
        self._show(emails)
        if keep_open:
            with self._daemon(self._slot + timedelta(hours=1)):
                self._show_addresses()
                keep_open()

    def _open_sign_ups(self, at: datetime) -> None:
        with self._daemon(at):
            self._print_step(at, "sign-ups open", f"sign-up form at {self.home}/")
            for name, address in SUBSCRIBERS:
                self._sign_up(name, address)
                self._print_step(at, f"{name} signs up", f"{address} filled out the form and confirmed by email")

    def _tell_the_owner(self, at: datetime) -> None:
        with self._daemon(at):
            if self.mailbox.wait_for(OWNER, "Subject", TIMEOUT) is None:
                raise DemoError("no preview arrived for the owner")
            self._print_step(at, "the owner knows", f"{OWNER} gets a preview with links to change or skip it")

    # -- the newsletter ------------------------------------------------------------------------

    @property
    def _environment(self) -> dict[str, str]:
        ours = {name: value for name, value in os.environ.items() if not name.startswith("NEWSLETTER_")}
        return ours | {
            "PYTHONUNBUFFERED": "1",
            "NEWSLETTER_SECRET_KEY": self._key,
            "NEWSLETTER_BASE_URL": self.home,
            "NEWSLETTER_LISTEN": self.home.removeprefix("http://"),
            "NEWSLETTER_SENDER_URL": self.mailbox.sender_url,
            "NEWSLETTER_OWNER": OWNER,
            "NEWSLETTER_FROM": "Tip of the Week <tips@newsletter.example>",
            "NEWSLETTER_SCHEDULE": RULE,
            "NEWSLETTER_TIMEZONE": ZONE,
            "NEWSLETTER_POSTAL_ADDRESS": "Tip of the Week, 1 Market Street, Springfield",
        }

    def _newsletter(self, *arguments: str) -> None:
        done = subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-m", "newsletter", *arguments],
            cwd=self.directory,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise DemoError(f"newsletter {' '.join(arguments)} failed: {done.stderr.strip()}")

    @contextmanager
    def _daemon(self, as_of: datetime) -> Iterator[None]:
        """`newsletter run --as-of …`; at the end it gets SIGTERM and must exit with code 0."""
        log = self.directory / "daemon.log"
        with log.open("a") as output:
            daemon = subprocess.Popen(  # noqa: S603 - our own command
                [sys.executable, "-m", "newsletter.cli.demo.child", "run", "--as-of", as_of.isoformat()],
                cwd=self.directory,
                env=self._environment,
                stdin=subprocess.PIPE,  # its end tells the daemon that this process has ended
                stdout=output,
                stderr=output,
                start_new_session=True,  # so that Ctrl-C in the terminal does not reach it; we stop it ourselves
            )
        try:
            self._wait_for_the_web(daemon)
            yield
        except DemoError:
            self.console.print(f"[dim]{log.read_text()}[/dim]", markup=True)
            raise
        finally:
            daemon.terminate()
            code = daemon.wait(TIMEOUT)
            if daemon.stdin:
                daemon.stdin.close()
        if code:
            raise DemoError(f"the daemon ended with exit code {code}")

    def _wait_for_the_web(self, daemon: subprocess.Popen[bytes]) -> None:
        end = time.monotonic() + TIMEOUT
        while time.monotonic() < end and daemon.poll() is None:
            try:
                _fetch(f"{self.home}/readyz")
            except URLError:
                time.sleep(0.05)
            else:
                return
        raise DemoError("the daemon did not start", fix="Its log is shown above")

    # -- the subscribers -----------------------------------------------------------------------

    def _sign_up(self, name: str, address: str) -> None:
        """Fill in the real form, open the real email, follow its link, and click the button."""
        form = _form_of(self.home + "/")
        _fetch(form.action, form.fields | {"email": address, "name": name})
        email = self.mailbox.wait_for(address, "Subject", TIMEOUT)
        if email is None:
            raise DemoError(f"no confirmation email arrived for {address}")
        link = next(word for word in email.part("plain").split() if f"{self.home}/confirm/" in word)
        button = _form_of(link)
        _fetch(button.action, button.fields)

    def _email_to(self, address: str) -> Email:
        email = self.mailbox.wait_for(address, "Archived-At", TIMEOUT)  # a welcome has none
        if email is None:
            raise DemoError(f"no issue arrived for {address}")
        return email

    # -- the screen ----------------------------------------------------------------------------

    def _print_step(self, at: datetime, what: str, how: str) -> None:
        local = at.astimezone(self._zone)
        when = f"{local:%a} {AMERICAN.time(local)}"
        self.console.print(f" [cyan]{when}[/cyan]  [bold]{what:<21}[/bold] {how}", soft_wrap=True)

    def _show(self, emails: list[Email]) -> None:
        subject = emails[0].message["Subject"]
        self.console.print(
            f"\n[bold]“{escape(subject)}”[/bold]  reached {len(emails)} of {len(SUBSCRIBERS)} subscribers"
        )
        table = Table(box=box.SIMPLE_HEAD)
        for heading in ("subscriber", "date", "size", "one-click unsubscribe"):
            table.add_column(heading, justify="right" if heading == "size" else "left", no_wrap=True)
        for email in emails:
            one_click = email.message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
            local = email.message["Date"].datetime.astimezone(self._zone)
            date = f"{local:%b} {local.day}, {AMERICAN.time(local)}"
            size = f"{len(email.octets) / 1024:.1f} KB"
            table.add_row(email.recipient, date, size, "yes" if one_click else "no")
        self.console.print(table)

    def _show_addresses(self) -> None:
        for what, where in (
            ("mailbox", self.mailbox.page_url),
            ("sign-up form", f"{self.home}/"),
            ("archive", f"{self.home}/archive"),
        ):
            self.console.print(f"  [bold]{what:<13}[/bold] [link={where}]{where}[/link]", soft_wrap=True)
        self.console.print(
            "\nOpen the mailbox in a browser: it has every email, also those to the owner, and their links work."
            "\nThen sign up with any address; the confirmation arrives in the mailbox as well."
            "\n\nTo set up your own newsletter, read docs/start.md, or run [bold]newsletter init[/bold] in a new directory."
            "\nCtrl-C ends the demo and deletes its data.",
            soft_wrap=True,
        )


@dataclass
class _Form:
    action: str
    fields: dict[str, str]


class _FormParser(HTMLParser):
    """Finds the first form with method POST, and its hidden fields."""

    def __init__(self) -> None:
        super().__init__()
        self.action: str | None = None
        self.fields: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "form" and self.action is None and (values.get("method") or "").lower() == "post":
            self.action = values.get("action") or ""
        elif tag == "input" and values.get("type") == "hidden" and values.get("name"):
            self.fields[str(values["name"])] = values.get("value") or ""


def _form_of(url: str) -> _Form:
    parser = _FormParser()
    parser.feed(_fetch(url))
    if parser.action is None:
        raise DemoError(f"{url} has no form")
    return _Form(urljoin(url, parser.action), parser.fields)


def _fetch(url: str, fields: dict[str, str] | None = None) -> str:
    """GET, or POST with fields; only for pages of the demo itself."""
    request = Request(url, urlencode(fields).encode() if fields is not None else None)  # noqa: S310
    with urlopen(request, timeout=TIMEOUT) as response:  # noqa: S310
        return str(response.read().decode())
