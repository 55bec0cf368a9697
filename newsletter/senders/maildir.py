"""The `maildir` sender writes each email to a file in a Maildir on this machine."""

from __future__ import annotations

import itertools
import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from newsletter import files
from newsletter.domain.delivery.outcome import Envelope, Outcome
from newsletter.domain.errors import SenderError
from newsletter.ports.sending import RelayCheck
from newsletter.senders.base import accepted, check_envelope
from newsletter.senders.url import SenderUrl


class MaildirSender:
    """`maildir:///path`. The directory is created when the first session opens.

    An email is written to `tmp` and then renamed, so a program that reads the Maildir never sees half of it.
    """

    def __init__(self, url: SenderUrl, hostname: str) -> None:
        url.check_options()
        if url.host or not url.path:
            raise url.make_error("needs a path and no host", "Write maildir:///var/mail/newsletter with three slashes")
        self.connections = url.get_integer("connections", 1, maximum=100)
        self.rates = url.rates()
        self._path = Path(url.path)
        self._host = "".join(char if char.isalnum() or char in "-." else "_" for char in hostname)
        self._numbers = itertools.count(1)

    def check(self, _senders: Sequence[str], _recipient: str) -> RelayCheck:
        """As `ports.sending.CheckedSender.check`; creates nothing."""
        nearest = next(path for path in (self._path, *self._path.absolute().parents) if path.exists())
        if nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK):
            return RelayCheck(f"maildir://{self._path}", ["can be written"])
        problem = f"the Maildir {self._path} cannot be written, because {nearest} is not a directory of this user"
        return RelayCheck(
            f"maildir://{self._path}", problem=problem, fix="Check its permissions, or choose another path"
        )

    def open(self) -> MaildirSession:
        """Create the three folders if they are missing; raises SenderError."""
        try:
            for folder in ("tmp", "new", "cur"):
                files.make_directory(self._path / folder)
        except OSError as error:
            raise _error(self._path, error) from error
        return MaildirSession(self._path, self._host, self._numbers)


class MaildirSession:
    """Writes emails. No file stays open between two of them."""

    def __init__(self, path: Path, host: str, numbers: itertools.count[int]) -> None:
        self._path = path
        self._unique = f"P{os.getpid()}R{secrets.token_hex(8)}.{host}"
        self._numbers = numbers

    def send(self, envelope: Envelope, message: bytes) -> Outcome:
        """Write the email with its envelope as Return-Path and Delivered-To, as a last hop does (RFC 5321 section 4.4)."""
        refusal = check_envelope(envelope)
        if refusal:
            return refusal
        name = f"M{next(self._numbers):09d}{self._unique}"
        head = f"Return-Path: <{envelope.sender}>\r\nDelivered-To: {envelope.recipient}\r\n"
        temporary = self._path / "tmp" / name
        try:
            with os.fdopen(files.create(temporary), "wb") as file:
                file.write(head.encode() + message)
            temporary.rename(self._path / "new" / name)
        except OSError as error:
            _remove(temporary)
            raise _error(self._path, error) from error
        return accepted(f"written to new/{name}")

    def close(self) -> None:
        """Do nothing: no file is open."""


def _remove(temporary: Path) -> None:
    try:
        temporary.unlink(missing_ok=True)
    except OSError:
        return  # a file left in tmp is not an email; programs that read a Maildir delete it after 36 hours


def _error(path: Path, error: OSError) -> SenderError:
    return SenderError(
        f"the Maildir {path} cannot be written: {error.strerror or error}", fix="Check its disk space and permissions"
    )
