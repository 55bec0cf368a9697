"""All exceptions of the program, in one tree. The entry points (cli, web, daemon) turn them into exit codes and pages.

NewsletterError
├── UsageError               a command or an argument that makes no sense
│   └── SettingsError        a setting that is missing, misspelled or invalid
├── InputError               a file or a value from outside that cannot be used (source, line)
├── NotFound                 there is no such thing
├── Refused                  the request is not allowed in the present state
├── SchemaError              the database schema is missing, older, or newer than this program
├── IllegalTransition        a change of state that the state table does not allow: always a bug
├── BadToken                 a link that was not signed by this newsletter, is for another purpose, or has expired
│   └── SampleLink           a link in a preview or a test email, which belongs to no subscriber
├── TemplateError            a template that cannot be used (source, line)
├── Busy                     another process is working on this: try again later
├── Unavailable              the database cannot be used now: it is damaged, was replaced, or its disk is full
└── SenderError              the mail server or the connection failed, not one delivery
    ├── ConnectionEnded      the connection ended between two messages; another one may work
    └── RelayRefusal         the mail server refuses us: our address, our account, our reputation; retrying cannot help
        └── AuthenticationFailed  … our user name and password
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from newsletter.domain.english import ended

if TYPE_CHECKING:
    from newsletter.domain.delivery.outcome import Reply


class NewsletterError(Exception):
    """An error for people. message: what happened. fix: what to do next; may be empty. Both are without a final period."""

    exit_code = 1

    def __init__(self, message: str, *, fix: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix

    def __str__(self) -> str:
        return f"{ended(self.message)} {self.fix}" if self.fix else self.message


class UsageError(NewsletterError):
    """A command or an argument that makes no sense."""

    exit_code = 2


class SettingsError(UsageError):
    """A setting that is missing, misspelled or invalid."""


class InputError(NewsletterError):
    """A file or a value from outside that cannot be used. source, line: where it is; "" and 0 when unknown."""

    def __init__(self, message: str, *, source: str = "", line: int = 0, fix: str = "") -> None:
        super().__init__(message, fix=fix)
        self.source = source
        self.line = line

    def __str__(self) -> str:
        where = ":".join(part for part in (self.source, str(self.line or "")) if part)
        return f"{where}: {super().__str__()}" if where else super().__str__()


class NotFound(NewsletterError):
    """There is no such thing."""


class Refused(NewsletterError):
    """The request is not allowed in the present state."""


class SchemaError(NewsletterError):
    """The database schema is missing, older, or newer than this program."""


class IllegalTransition(NewsletterError):
    """A change of state that the state table does not allow: always a bug, whatever the input."""


class BadToken(NewsletterError):
    """A link that was not signed by this newsletter, is for another purpose, or has expired."""


class SampleLink(BadToken):
    """A link in a preview or a test email: it belongs to no subscriber, so it changes nothing."""


class TemplateError(NewsletterError):
    """A template that cannot be used. source, line: where the error is; "" and 0 when unknown."""

    def __init__(self, message: str, *, source: str = "", line: int = 0, fix: str = "") -> None:
        where = f"{source}:{line}: " if source else ""
        super().__init__(f"{where}{message}", fix=fix)
        self.source = source
        self.line = line


class Busy(NewsletterError):
    """Another process is working on this; the same command works later."""

    exit_code = 75


class Unavailable(NewsletterError):
    """The database cannot be used now: its file is damaged, deleted, or replaced, or its disk is full or read-only."""


class SenderError(NewsletterError):
    """The mail server or the connection failed, not one delivery; nothing is known to be accepted.

    reply: what the mail server replied to the email that the connection carried, if there was one.
    """

    exit_code = 75
    reply: Reply | None = None


class ConnectionEnded(SenderError):
    """The connection had sent messages and was gone when the next one began; another connection may work."""


class RelayRefusal(SenderError):
    """The mail server refuses us and not one email: the sender's address, the account, the reputation."""


class AuthenticationFailed(RelayRefusal):
    """The mail server rejected the user name and password; retrying cannot help."""
