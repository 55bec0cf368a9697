"""The options of an SMTP relay, read once from a sender URL: where it is, how to encrypt, how long to wait."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from functools import cached_property

from newsletter.domain.errors import SettingsError
from newsletter.senders.smtp.experience import Experience
from newsletter.senders.url import SenderUrl

_OPTIONS = (
    "tls", "ca_file", "per_connection", "connect_timeout", "greeting_timeout", "recipient_timeout",
    "reply_timeout", "final_timeout",
)  # fmt: skip
GREETING_TIMEOUT = 30.0
RECIPIENT_TIMEOUT = 60.0
_TLS = ("starttls", "required", "optional", "none")


@dataclass(frozen=True)
class SmtpOptions:
    """One relay. Times in seconds (RFC 5321 section 4.5.3.2).

    greeting_timeout: for the greeting, and for each other reply before the first message. RFC 5321 section 4.5.3.2.1 has
    5 minutes for the greeting; we wait for less, because a relay that serves few connections at a time greets the others
    when it is too late to be of use, and a relay that is down should be known before the next relay is tried.
    recipient_timeout: for the replies to MAIL, RCPT and DATA of a relay that has been quick, unless the email was in trouble
    before. Section 4.5.3.2.3 asks for 5 minutes with servers that nobody knows: one recipient would keep a connection so long.
    experience: what the connections with these options have learned.
    tls: `implicit` (port 465), `required`, `optional` (encrypt if offered), `none`.
    per_connection: messages after which a connection is renewed.
    """

    host: str
    port: int
    hostname: str
    tls: str
    user: str = ""
    password: str = field(default="", repr=False)
    password_has_percent: bool = False
    is_local: bool = False
    ca_file: str = ""
    per_connection: int = 1000
    connect_timeout: float = 30
    greeting_timeout: float = GREETING_TIMEOUT
    recipient_timeout: float = RECIPIENT_TIMEOUT
    reply_timeout: float = 300
    final_timeout: float = 600
    experience: Experience = field(default_factory=Experience, repr=False, compare=False)

    @classmethod
    def from_url(cls, url: SenderUrl, hostname: str) -> SmtpOptions:
        """Read an `smtp:` or `smtps:` URL; raises SettingsError.

        Without `tls=`, a relay on this machine gets plain text, and any other must offer TLS.
        """
        url.check_options(*_OPTIONS)
        if not url.host or url.path.strip("/"):
            raise url.make_error("needs a host and nothing after it", "Write smtp://user:password@relay.example:587")
        if bool(url.user) != bool(url.password):
            raise url.make_error("needs both a user and a password, or neither", "Write smtp://user:password@host")
        implicit = url.scheme == "smtps"
        reply_timeout = url.get_seconds("reply_timeout", 300)
        tls = url.get_choice(
            "tls", ("required",) if implicit else _TLS, "required" if implicit or not url.is_local else "none"
        )
        options = cls(
            host=url.host,
            port=url.port or (465 if implicit else 587 if url.user else 25),
            hostname=hostname,
            tls="implicit" if implicit else "required" if tls == "starttls" else tls,
            user=url.user,
            password=url.password,
            password_has_percent=url.password_has_percent,
            is_local=url.is_local,
            ca_file=url.options.get("ca_file", ""),
            per_connection=url.get_integer("per_connection", 1000),
            connect_timeout=url.get_seconds("connect_timeout", 30),
            greeting_timeout=url.get_seconds("greeting_timeout", min(GREETING_TIMEOUT, reply_timeout)),
            recipient_timeout=url.get_seconds("recipient_timeout", min(RECIPIENT_TIMEOUT, reply_timeout)),
            reply_timeout=reply_timeout,
            final_timeout=url.get_seconds("final_timeout", 600),
        )
        if options.ca_file:
            _ = options.context  # a file that cannot be read is a wrong setting, not trouble with the relay
        return options

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @cached_property
    def context(self) -> ssl.SSLContext:
        """The TLS context of all connections. Certificates are verified unless TLS is optional and no password is sent."""
        try:
            context = ssl.create_default_context(cafile=self.ca_file or None)
        except (OSError, ssl.SSLError) as error:
            raise SettingsError(
                f"NEWSLETTER_SENDER_URL: ca_file cannot be read: {error}",
                fix="Set ca_file to a PEM file with certificates",
            ) from error
        if self.tls == "optional" and not self.user:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE  # RFC 7435: better than plain text
        return context
