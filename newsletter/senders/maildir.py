"""The `maildir` sender: one file per letter in a Maildir on this machine; no folders, no flags, no reading."""

from __future__ import annotations

import itertools
import os
import secrets
from pathlib import Path

from newsletter.domain.delivery.outcome import Envelope, Outcome
from newsletter.domain.errors import SenderError
from newsletter.senders.base import accepted, check_envelope
from newsletter.senders.url import SenderUrl


class MaildirSender:
    """`maildir:///path`: made when the first session opens. Letters appear whole or not at all (rename within it)."""

    def __init__(self, url: SenderUrl, hostname: str) -> None:
        url.check_options()
        if url.host or not url.path:
            raise url.make_error("needs a path and no host", "Write maildir:///var/mail/newsletter with three slashes")
        self.connections = url.get_integer("connections", 1, maximum=100)
        self._path = Path(url.path)
        self._host = "".join(letter if letter.isalnum() or letter in "-." else "_" for letter in hostname)
        self._numbers = itertools.count(1)

    def open(self) -> MaildirSession:
        """Make the three folders where they are missing; raises SenderTrouble."""
        try:
            for folder in ("tmp", "new", "cur"):
                (self._path / folder).mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise _trouble(self._path, error) from error
        return MaildirSession(self._path, self._host, self._numbers)


class MaildirSession:
    """Writes letters; holds nothing open."""

    def __init__(self, path: Path, host: str, numbers: itertools.count[int]) -> None:
        self._path = path
        self._unique = f"P{os.getpid()}R{secrets.token_hex(8)}.{host}"
        self._numbers = numbers

    def send(self, envelope: Envelope, message: bytes) -> Outcome:
        """Write the letter below its envelope: Return-Path and Delivered-To, as a last hop does (RFC 5321 section 4.4)."""
        refusal = check_envelope(envelope)
        if refusal:
            return refusal
        name = f"M{next(self._numbers):09d}{self._unique}"
        head = f"Return-Path: <{envelope.sender}>\r\nDelivered-To: {envelope.recipient}\r\n"
        temporary = self._path / "tmp" / name
        try:
            with temporary.open("xb") as file:
                file.write(head.encode() + message)
            temporary.rename(self._path / "new" / name)
        except OSError as error:
            _forget(temporary)
            raise _trouble(self._path, error) from error
        return accepted(f"written to new/{name}")

    def close(self) -> None:
        """Nothing is open between letters."""


def _forget(temporary: Path) -> None:
    try:
        temporary.unlink(missing_ok=True)
    except OSError:
        return  # what stays in tmp is no letter; Maildir readers sweep it after 36 hours


def _trouble(path: Path, error: OSError) -> SenderError:
    return SenderError(
        f"the Maildir {path} cannot be written: {error.strerror or error}", fix="Check its disk space and permissions"
    )
