"""The questions of `newsletter init`. Each answer is checked, and written to the env file before the next question."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote as percent_encode

import click

from newsletter.cli.context import CliContext
from newsletter.domain.errors import NewsletterError, SettingsError
from newsletter.domain.file_kinds import marked_encoding
from newsletter.files import write
from newsletter.ports.sending import RelayCheck
from newsletter.settings import TABLE, Setting, Settings, check, env_with, formatted_mailbox, machine_zone

_ROWS = {row.field: row for row in TABLE}
_SENDER = _ROWS["sender_url"]
_HOST = re.compile(r"(?P<host>[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)(?::(?P<port>\d{1,5}))?\Z")
_LOCAL = ("localhost", "127.0.0.1")
_NO_USER = "none"


@dataclass(frozen=True, slots=True)
class Question:
    """One question about one setting. default: the answer of somebody who presses Enter; "" skips the question."""

    field: str
    text: str
    default: Callable[[Settings], str]


def _table_default(field: str) -> Callable[[Settings], str]:
    return lambda _settings: _ROWS[field].default


QUESTIONS = (
    Question("title", "What is the newsletter called?", _table_default("title")),
    Question("from_", "Which address should the emails come from?", lambda _settings: ""),
    Question(
        "owner",
        "Which address is yours, for previews, reports, and alerts?",
        lambda settings: "" if _is_default(settings, "from_") else settings.site().from_address,
    ),
    Question("postal_address", "Which postal address goes into the footer, as the law requires?", lambda _settings: ""),
    Question("schedule", "When does the tip go out each week?", _table_default("schedule")),
    Question("timezone", "In which time zone?", lambda _settings: machine_zone() or _ROWS["timezone"].default),
    Question("base_url", "What is the public web address of the newsletter?", _table_default("base_url")),
)


class Interview:
    """Asks what is not set yet. After Ctrl-C, the next run continues where this one ended."""

    def __init__(self, context: CliContext) -> None:
        self._context = context
        self._server = self._user = self._password = (
            ""  # the latest answers, offered again if the mail server could not be reached
        )

    def ask(self) -> RelayCheck | None:
        """Ask every open question; returns what came of trying the mail server, None if that was not asked about."""
        open_ = [question for question in QUESTIONS if self._is_open(question.field)]
        if not open_ and not self._is_open("sender_url"):
            return None
        self._say("Press Enter to take the answer in brackets, or to skip a question that has none.")
        self._say("You can stop with Ctrl-C at any time and run `newsletter init` again: your answers are kept.\n")
        try:
            for question in open_:
                self._ask(question)
            return self._ask_mail_server() if self._is_open("sender_url") else None
        except click.Abort:
            self._say(f"\nYour answers are in {self._context.env_path}. To continue, run: newsletter init")
            raise

    def _is_open(self, field: str) -> bool:
        return _is_default(self._context.settings, field)

    def _ask(self, question: Question) -> None:
        row, settings = _ROWS[question.field], self._context.settings
        while True:
            text = _prompt(question.text, question.default(settings))
            if not text:
                self._say(f"  Skipped. You can set {row.name} in {self._context.env_path} later.")
                return
            try:
                kept = _as_kept(row, text, settings)
                self._keep(row, kept)
            except SettingsError as error:
                self._say(f"  {error.fix or error.message}.".replace("?.", "?"))
            else:
                if kept != text:
                    self._say(f"  Understood as {kept}")
                return

    def _keep(self, row: Setting, text: str) -> None:
        check(row, text)
        keep_setting(self._context.env_path, row.name, text)
        self._context.forget()

    def _say(self, text: str) -> None:
        self._context.print_note(text)

    # -- the mail server ---------------------------------------------------------------------------

    def _ask_mail_server(self) -> RelayCheck | None:
        while True:
            url = self._sender_url()
            if not url:
                self._say("  Skipped. Nothing can be sent until you run `newsletter init` again.")
                return None
            try:
                self._keep(_SENDER, url)
                found = self._try()
            except NewsletterError as error:
                self._say(f"  {error}.".replace("..", ".").replace("?.", "?"))
            else:
                if not found.problem:
                    return found
            if not click.confirm("Do you want to change the answers about the mail server?", default=True, err=True):
                return None

    def _try(self) -> RelayCheck:
        self._say("  Trying it; no email is sent …")
        from newsletter.app.checks import check_relays  # noqa: PLC0415 - `init --yes` needs none of it

        found = next(iter(check_relays(self._context.app)))
        if found.problem:
            self._say(f"  It does not work: {found.problem}.\n  {found.fix}".rstrip())
        elif found.is_real:
            self._say(f"  It works: {', '.join(found.done)}.")
        else:
            self._say(f"  {found.name} {', '.join(found.done)}.")
        return found

    def _sender_url(self) -> str:
        """The URL of the mail server, "" if it, or its password, is to be given later."""
        while True:
            text = _prompt("Which mail server sends your emails, for example smtp.example.org?", self._server)
            if not text or re.match(r"[a-z][a-z0-9+.-]*:(//|\Z)", text):
                return text
            if found := _HOST.match(text):
                return self._smtp_url(found["host"], found["port"] or "")
            self._say(
                "  This is an email address. Your provider names its server for outgoing email (SMTP)."
                if "@" in text
                else "  Write its name as your provider shows it, as in smtp.example.org."
            )

    def _smtp_url(self, host: str, port: str) -> str:
        is_local = host in _LOCAL
        port = port or self._port("25" if is_local else "587")
        address = self._context.settings.site().from_address
        default = self._user or (_NO_USER if is_local else address)
        user = _prompt(f"Which user name signs in there? ({_NO_USER}: without)", default)
        self._server, self._user = f"{host}:{port}", user
        if user == _NO_USER:
            return f"{'smtps' if port == '465' else 'smtp'}://{host}:{port}"
        hint = " (Enter: as before)" if self._password else ""
        password = click.prompt(
            f"What is the password?{hint}",
            default=self._password,
            show_default=False,
            hide_input=True,
            prompt_suffix=" ",
            err=True,
        )
        if not password:
            return ""
        self._password = password
        login = f"{percent_encode(user, safe='')}:{percent_encode(password, safe='')}"
        return f"{'smtps' if port == '465' else 'smtp'}://{login}@{host}:{port}"

    def _port(self, default: str) -> str:
        while True:
            text = _prompt("On which port?", default)
            if re.fullmatch(r"[0-9]{1,5}", text) and 0 < int(text) < 65_536:
                return text
            self._say("  Write a number, such as 587 or 465.")


def _prompt(text: str, default: str) -> str:
    found = click.prompt(text, default=default, show_default=bool(default), prompt_suffix=" ", err=True)
    return str(found).strip()


def _is_default(settings: Settings, field: str) -> bool:
    return settings.origin(_ROWS[field].name) == "default"


def _as_kept(row: Setting, text: str, settings: Settings) -> str:
    """An answer as it is written to the env file: as the program has understood it. Raises SettingsError."""
    value = check(row, text)
    if row.field == "from_":
        return formatted_mailbox(text, settings.title)
    return value if isinstance(value, str) else text


def keep_setting(path: Path, name: str, text: str) -> None:
    """Write one setting to an env file that is there. Raises SettingsError if the file cannot be read."""
    path = path.resolve()  # a link stays a link
    try:
        before = path.read_bytes()
        read = before.decode(marked_encoding(before) or "utf-8")
    except UnicodeDecodeError:
        raise SettingsError(f"{path} cannot be read", fix="Save it as UTF-8") from None
    write(path, env_with(read, name, text).encode(), like=path)
