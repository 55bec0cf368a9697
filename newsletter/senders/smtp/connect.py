"""The way to an open SMTP connection: connect, greet, encrypt, sign in; every failure is trouble with its fix."""

from __future__ import annotations

import base64
import smtplib
import ssl

from newsletter.domain.delivery.outcome import Stage
from newsletter.domain.errors import AuthenticationFailed, SenderError
from newsletter.mail.replies import parse_reply
from newsletter.senders.smtp.connection import Connection, TlsConnection
from newsletter.senders.smtp.options import SmtpOptions


def dial(peer: SmtpOptions) -> Connection:
    """A connection that may carry letters; raises SenderTrouble or AuthenticationRefused."""
    try:
        connection = TlsConnection(peer, context=peer.context) if peer.tls == "implicit" else Connection(peer)
    except (OSError, ValueError) as error:
        raise _trouble(peer, Stage.CONNECT, error) from error
    stage = Stage.EHLO
    try:
        _greet(connection)
        stage = Stage.TLS
        _encrypt(connection)
        stage = Stage.AUTH
        _sign_in(connection)
        connection.ready()
    except SenderError:
        connection.farewell()
        raise
    except (OSError, ValueError) as error:  # smtplib's own errors are OSErrors; ValueError: undecodable AUTH challenges
        connection.farewell()
        raise _trouble(peer, stage, error) from error
    return connection


def _greet(connection: Connection) -> None:
    code, text = connection.ehlo()
    if code // 100 == 5:
        code, text = connection.helo()  # RFC 5321 section 3.2: a server from before 1995
    if code // 100 != 2:
        raise smtplib.SMTPHeloError(code, text)


def _encrypt(connection: Connection) -> None:
    """STARTTLS as far as the peer's `tls` wants it (RFC 3207), and EHLO anew: what was said before does not count."""
    peer = connection.peer
    if peer.tls in ("none", "implicit"):
        return
    try:
        connection.starttls(context=peer.context)
    except (smtplib.SMTPNotSupportedError, smtplib.SMTPResponseException) as error:
        if peer.tls == "optional":
            return
        raise SenderError(
            f"{peer}: TLS is required, and the server does not do it: {_words(Stage.TLS, error)}",
            fix="Use smtps:// or another port; only on a network you trust, write tls=optional",
        ) from None
    if connection.unread:
        # CVE-2011-0411: plain text that waits behind the 220 would be read as if it had come encrypted
        raise SenderError(f"{peer}: it sent plain text behind its go-ahead for TLS", fix="Do not trust this network")
    _greet(connection)


def _sign_in(connection: Connection) -> None:
    peer = connection.peer
    if not peer.user:
        return
    if not (isinstance(connection.sock, ssl.SSLSocket) or peer.is_local):
        raise AuthenticationFailed(
            f"{peer}: the connection is not encrypted, so the password stays here", fix="Write tls=required or smtps://"
        )
    try:
        _log_in(connection)
    except smtplib.SMTPServerDisconnected:
        raise
    except smtplib.SMTPException as error:
        if isinstance(error, smtplib.SMTPResponseException) and error.smtp_code // 100 == 4:
            raise
        raise AuthenticationFailed(
            f"{peer}: the user or password was not taken: {_words(Stage.AUTH, error)}",
            fix="Check user and password in NEWSLETTER_SENDER_URL",
        ) from None


def _log_in(connection: Connection) -> None:
    user, password = connection.peer.user, connection.peer.password
    if user.isascii() and password.isascii():
        connection.login(user, password)
        return
    # smtplib encodes as ASCII only; RFC 4616 wants UTF-8
    token = base64.b64encode(f"\0{user}\0{password}".encode()).decode("ascii")
    code, text = connection.docmd("AUTH", f"PLAIN {token}")
    if code // 100 != 2:
        raise smtplib.SMTPAuthenticationError(code, text)


def _words(stage: Stage, error: Exception) -> str:
    """What the server said, or what went wrong on the way; smtplib shows its replies as tuples of bytes."""
    if isinstance(error, smtplib.SMTPResponseException):
        return str(parse_reply(stage, error.smtp_code, error.smtp_error))
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate cannot be trusted: {error.verify_message}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _trouble(peer: SmtpOptions, stage: Stage, error: Exception) -> SenderError:
    fix = f"Is {peer} the right place, and does it run?" if stage is Stage.CONNECT else ""
    if isinstance(error, ssl.SSLCertVerificationError):
        fix = "Use the host name in its certificate, or write ca_file=/path/of/its/authority.pem"
    return SenderError(f"{peer}: {_words(stage, error)} ({stage})", fix=fix)
