"""The one exception tree; doors map it to exit codes and pages, nothing below them does.

NewsletterError
├── UsageError               a command or an argument that cannot be meant
│   └── SettingsError        a setting that is missing, misspelt or unreadable
├── InputError               a file or a value from outside that cannot be used (source, line)
├── NotFound                 the thing that was named does not exist
├── Refused                  the thing exists, but what was asked is not allowed now
├── SchemaError              the database is missing, behind, or from the future
├── IllegalTransition        a state change that is not in the table: always a fault of ours
├── BadToken                 a link that was not signed by us, or for another purpose, or too old
├── TemplateError            a template that cannot be used (file, line)
├── Busy                     somebody else works on this just now: try again later
└── SenderTrouble            the next hop, not this letter: nothing is known to be accepted
    └── AuthenticationRefused  the next hop does not take our name and password: stop and say so
"""

from __future__ import annotations


class NewsletterError(Exception):
    """Something a person should read: one line of what happened, one of what to do next."""

    exit_code = 1

    def __init__(self, message: str, *, fix: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.message}. {self.fix}" if self.fix else self.message


class UsageError(NewsletterError):
    """A command or an argument that cannot be meant."""

    exit_code = 2


class SettingsError(UsageError):
    """A setting that is missing, misspelt or unreadable."""


class InputError(NewsletterError):
    """A file or a value from outside that cannot be used; `source` and `line` say where."""

    def __init__(self, message: str, *, source: str = "", line: int = 0, fix: str = "") -> None:
        super().__init__(message, fix=fix)
        self.source = source
        self.line = line

    def __str__(self) -> str:
        where = ":".join(part for part in (self.source, str(self.line or "")) if part)
        return f"{where}: {super().__str__()}" if where else super().__str__()


class NotFound(NewsletterError):
    """The thing that was named does not exist."""


class Refused(NewsletterError):
    """The thing exists, but what was asked is not allowed in its present state."""


class SchemaError(NewsletterError):
    """The database is missing, behind this program, or from its future."""


class IllegalTransition(NewsletterError):
    """A state change that is not in the table: always a fault of ours, never of the input."""


class BadToken(NewsletterError):
    """A link that was not signed by us, or for another purpose, or that is too old."""


class TemplateError(NewsletterError):
    """A template that cannot be used; `source` and `line` name the place."""

    def __init__(self, message: str, *, source: str = "", line: int = 0, fix: str = "") -> None:
        where = f"{source}:{line}: " if source else ""
        super().__init__(f"{where}{message}", fix=fix)
        self.source = source
        self.line = line


class Busy(NewsletterError):
    """Somebody else works on this just now; the same command works later."""

    exit_code = 75


class SenderError(NewsletterError):
    """The next hop is the trouble, not this letter, and nothing is known to be accepted."""

    exit_code = 75


class AuthenticationFailed(SenderError):
    """The next hop does not take our name and password: no retry will mend that."""
