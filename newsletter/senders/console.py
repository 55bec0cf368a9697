"""The `console` sender prints each email on standard output, for trying things out."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from email import message_from_bytes, policy
from email.message import EmailMessage

from newsletter.domain.delivery.outcome import Envelope, Outcome
from newsletter.domain.errors import SenderError
from newsletter.ports.sending import RelayCheck
from newsletter.senders.base import accepted, check_envelope
from newsletter.senders.url import SenderUrl

_WIDTH = 78
_SHOWN = ("From", "To", "Reply-To", "Subject", "Date", "Message-ID", "List-Unsubscribe")


class ConsoleSender:
    """`console:`. Sessions share a lock, so that two emails are never mixed on the screen."""

    def __init__(self, url: SenderUrl, hostname: str) -> None:  # noqa: ARG002 - all senders are made with the same arguments
        url.check_options()
        if url.host or url.path:
            raise url.make_error("takes nothing after the colon", "Write console:")
        self.connections = url.get_integer("connections", 1, maximum=100)
        self.rates = url.rates()
        self._lock = threading.Lock()

    def check(self, _senders: Sequence[str], _recipient: str) -> RelayCheck:
        """As `ports.sending.CheckedSender.check`."""
        return RelayCheck("console:", ["prints emails on the screen, and sends none"], is_real=False)

    def open(self) -> ConsoleSession:
        """A session; never fails."""
        return ConsoleSession(self._lock)


class ConsoleSession:
    """Prints emails."""

    def __init__(self, lock: threading.Lock) -> None:
        self._lock = lock

    def send(self, envelope: Envelope, message: bytes) -> Outcome:
        """Print the envelope, the usual headers, and the text part; raises SenderError if standard output is closed."""
        refusal = check_envelope(envelope)
        if refusal:
            return refusal
        page = _safe(f"{_head(envelope)}\n{_readable(message)}\n{'─' * _WIDTH}\n")
        try:
            with self._lock:
                encoding = sys.stdout.encoding or "utf-8"
                sys.stdout.write(page.encode(encoding, "replace").decode(encoding))
                sys.stdout.flush()
        except (OSError, ValueError) as error:  # ValueError: standard output is closed
            raise SenderError(f"the email cannot be printed: {error}") from error
        return accepted("printed")

    def close(self) -> None:
        """Do nothing: no connection is open."""


def _head(envelope: Envelope) -> str:
    return f"{'─' * _WIDTH}\nenvelope  <{envelope.sender}>  →  <{envelope.recipient}>\n"


def _readable(message: bytes) -> str:
    parsed = message_from_bytes(message, policy=policy.default)
    headers = [f"{name}: {parsed[name]}" for name in _SHOWN if parsed[name]]
    parts = "".join(f"\n{part}" for part in _parts(parsed))
    return "\n".join(headers) + "\n" + parts.replace("\r\n", "\n")


def _parts(message: EmailMessage) -> list[str]:
    """The full text part, and only type and size of each other part."""
    shown = []
    for part in message.walk():
        if part.is_multipart():
            continue
        content = part.get_payload(decode=True)
        octets = content if isinstance(content, bytes) else b""
        if part.get_content_type() == "text/plain":
            shown.append(octets.decode(_charset(part), "replace"))
        else:
            shown.append(f"[{part.get_content_type()}, {len(octets):,} bytes]\n")
    return shown


def _charset(part: EmailMessage) -> str:
    name = part.get_content_charset("utf-8")
    try:
        "".encode(name)
    except (LookupError, UnicodeError):
        return "utf-8"
    return name


def _safe(text: str) -> str:
    """Replace control characters: an email must not be able to control the terminal that shows it."""
    return "".join(char if char.isprintable() or char in "\n\t" else "\N{REPLACEMENT CHARACTER}" for char in text)
