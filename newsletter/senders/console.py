"""The `console` sender: shows each letter on standard output as a person would read it; keeps and delivers nothing."""

from __future__ import annotations

import sys
import threading
from email import message_from_bytes, policy
from email.message import EmailMessage

from newsletter.domain.delivery.outcome import Envelope, Outcome
from newsletter.domain.errors import SenderError
from newsletter.senders.base import accepted, check_envelope
from newsletter.senders.url import SenderUrl

_WIDTH = 78
_SHOWN = ("From", "To", "Reply-To", "Subject", "Date", "Message-ID", "List-Unsubscribe")


class ConsoleSender:
    """`console:`. Sessions take turns, so that two letters never mix."""

    def __init__(self, url: SenderUrl, hostname: str) -> None:  # noqa: ARG002 - every sender is made alike
        url.check_options()
        if url.host or url.path:
            raise url.make_error("takes nothing behind the colon", "Write console:")
        self.connections = url.get_integer("connections", 1, maximum=100)
        self._turn = threading.Lock()

    def open(self) -> ConsoleSession:
        """A session; nothing can fail yet."""
        return ConsoleSession(self._turn)


class ConsoleSession:
    """Prints letters."""

    def __init__(self, turn: threading.Lock) -> None:
        self._turn = turn

    def send(self, envelope: Envelope, message: bytes) -> Outcome:
        """Print envelope, the headers people know, and the text part; raises SenderTrouble when nobody listens."""
        refusal = check_envelope(envelope)
        if refusal:
            return refusal
        page = _safe(f"{_head(envelope)}\n{_readable(message)}\n{'─' * _WIDTH}\n")
        try:
            with self._turn:
                encoding = sys.stdout.encoding or "utf-8"
                sys.stdout.write(page.encode(encoding, "replace").decode(encoding))
                sys.stdout.flush()
        except (OSError, ValueError) as error:  # ValueError: standard output is closed
            raise SenderError(f"the letter cannot be printed: {error}") from error
        return accepted("printed")

    def close(self) -> None:
        """Nothing is open between letters."""


def _head(envelope: Envelope) -> str:
    return f"{'─' * _WIDTH}\nenvelope  <{envelope.sender}>  →  <{envelope.recipient}>\n"


def _readable(message: bytes) -> str:
    letter = message_from_bytes(message, policy=policy.default)
    headers = [f"{name}: {letter[name]}" for name in _SHOWN if letter[name]]
    parts = "".join(f"\n{part}" for part in _parts(letter))
    return "\n".join(headers) + "\n" + parts.replace("\r\n", "\n")


def _parts(letter: EmailMessage) -> list[str]:
    """The text part whole; of other parts only what they are and how long."""
    shown = []
    for part in letter.walk():
        if part.is_multipart():
            continue
        content = part.get_payload(decode=True)
        octets = content if isinstance(content, bytes) else b""
        if part.get_content_type() == "text/plain":
            shown.append(octets.decode(_charset(part), "replace"))
        else:
            shown.append(f"[{part.get_content_type()}, {len(octets):,} octets]\n")
    return shown


def _charset(part: EmailMessage) -> str:
    name = part.get_content_charset("utf-8")
    try:
        "".encode(name)
    except (LookupError, UnicodeError):
        return "utf-8"
    return name


def _safe(text: str) -> str:
    """Without control characters: a letter must not move the cursor of the terminal that shows it."""
    return "".join(
        letter if letter.isprintable() or letter in "\n\t" else "\N{REPLACEMENT CHARACTER}" for letter in text
    )
