"""Plays one Tuesday with nothing configured: the real commands, web form, daemon, and SMTP, in a temporary directory."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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

from newsletter.cli.demo.mailbox import HOST, Email, Mailbox, free_port
from newsletter.domain.calendar.schedule import Schedule
from newsletter.domain.dates import AMERICAN
from newsletter.domain.errors import NewsletterError

SUBSCRIBERS = (
    ("Amara", "amara@home.example"),
    ("Joaquín", "joaquin@home.example"),
    ("Mei", "mei@home.example"),
)
TIMEOUT = 60.0  # seconds for each step, which is enough for a slow machine
RULE, ZONE = "tue 08:00", "America/New_York"


class DemoError(NewsletterError):
    """A step of the demo failed; the message says which one."""


def run_demo(*, once: bool) -> int:
    """Play one Tuesday; returns 0 if every subscriber got the email. Without `once`, the pages stay open until Ctrl-C."""
    console = Console(highlight=False)
    directory = Path(tempfile.mkdtemp(prefix="newsletter-demo-"))
    mailbox = Mailbox()
    mailbox.start()
    tuesday = _Demo(console, mailbox, directory)
    try:
        tuesday.play(keep_open=None if once else _until_interrupted)
    except KeyboardInterrupt:
        return 130
    finally:
        mailbox.stop()
        shutil.rmtree(directory, ignore_errors=True)
    return 0


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
    _key: str = field(default_factory=partial(secrets.token_urlsafe, 32))

    def __post_init__(self) -> None:
        schedule = Schedule.parse(RULE, ZONE)
        self._slot = schedule.starts_at(schedule.next_slot(datetime.now(UTC) + timedelta(days=1)))
        self._zone = schedule.zone
        self._home = f"http://{HOST}:{free_port(8000)}"

    def play(self, keep_open: Callable[[], None] | None) -> None:
        """On Monday evening people sign up; on Tuesday, two seconds before eight, the daemon starts and then sends."""
        self.console.print("\n[bold]Tip of the Week[/bold] · one Tuesday, without any configuration\n")
        self._newsletter("init", "--yes")
        evening = self._slot - timedelta(hours=12)
        with self._daemon(evening):
            self._print_step(evening, "sign-ups open", f"sign-up form at {self._home}/")
            for name, address in SUBSCRIBERS:
                self._sign_up(name, address)
                self._print_step(evening, f"{name} signs up", f"{address} filled out the form and confirmed by email")
        with self._daemon(self._slot - timedelta(seconds=2)):
            self._print_step(
                self._slot, "the daemon sends", "the next unsent tip, compiled once, to every confirmed subscriber"
            )
            emails = [self._email_to(address) for _, address in SUBSCRIBERS]
            self._show(emails)
            if keep_open:
                self._show_addresses()
                keep_open()

    # -- the newsletter ------------------------------------------------------------------------

    @property
    def _environment(self) -> dict[str, str]:
        ours = {name: value for name, value in os.environ.items() if not name.startswith("NEWSLETTER_")}
        return ours | {
            "PYTHONUNBUFFERED": "1",
            "NEWSLETTER_SECRET_KEY": self._key,
            "NEWSLETTER_BASE_URL": self._home,
            "NEWSLETTER_LISTEN": self._home.removeprefix("http://"),
            "NEWSLETTER_SENDER_URL": self.mailbox.sender_url,
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
                [sys.executable, "-m", "newsletter", "run", "--as-of", as_of.isoformat()],
                cwd=self.directory,
                env=self._environment,
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
        if code:
            raise DemoError(f"the daemon ended with exit code {code}")

    def _wait_for_the_web(self, daemon: subprocess.Popen[bytes]) -> None:
        end = time.monotonic() + TIMEOUT
        while time.monotonic() < end and daemon.poll() is None:
            try:
                _fetch(f"{self._home}/readyz")
            except URLError:
                time.sleep(0.05)
            else:
                return
        raise DemoError("the daemon did not start", fix="Its log is shown above")

    # -- the subscribers -----------------------------------------------------------------------

    def _sign_up(self, name: str, address: str) -> None:
        """Fill in the real form, open the real email, follow its link, and click the button."""
        form = _form_of(self._home + "/")
        _fetch(form.action, form.fields | {"email": address, "name": name})
        email = self.mailbox.wait_for(address, "Subject", TIMEOUT)
        if email is None:
            raise DemoError(f"no confirmation email arrived for {address}")
        link = next(word for word in email.part("plain").split() if f"{self._home}/confirm/" in word)
        button = _form_of(link)
        _fetch(button.action, button.fields)

    def _email_to(self, address: str) -> Email:
        email = self.mailbox.wait_for(address, "List-Unsubscribe", TIMEOUT)
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
            ("sign-up form", f"{self._home}/"),
            ("archive", f"{self._home}/archive"),
            ("mailbox", self.mailbox.page_url),
        ):
            self.console.print(f"  [bold]{what:<13}[/bold] [link={where}]{where}[/link]", soft_wrap=True)
        self.console.print("\nOpen them in a browser. Ctrl-C ends the demo and deletes its data.")


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
