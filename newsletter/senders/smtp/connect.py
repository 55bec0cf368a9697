"""Open an SMTP connection: connect, greet, encrypt and sign in. Every failure names its fix."""

from __future__ import annotations

import base64
import smtplib
import ssl

from newsletter.domain.delivery.outcome import Stage
from newsletter.domain.errors import AuthenticationFailed, RelayRefusal, SenderError
from newsletter.mail.replies import is_about_us, parse_reply
from newsletter.senders.smtp.connection import Connection, NoReply, TlsConnection
from newsletter.senders.smtp.dialogue import Closing
from newsletter.senders.smtp.options import SmtpOptions


def connect(options: SmtpOptions) -> Connection:
    """Open a connection that can send messages. Raises SenderError or AuthenticationFailed."""
    try:
        if options.tls == "implicit":
            connection: Connection = TlsConnection(options, context=options.context)
        else:
            connection = Connection(options)
    except (OSError, ValueError) as error:
        raise _trouble(options, Stage.CONNECT, error) from error
    stage = Stage.EHLO
    try:
        _greet(connection)
        stage = Stage.TLS
        _encrypt(connection)
        stage = Stage.AUTH
        _sign_in(connection)
        connection.ready()
    except SenderError:
        connection.quit_quietly()
        raise
    except (
        OSError,
        ValueError,
    ) as error:  # smtplib's errors are OSErrors; ValueError: an AUTH challenge was not base64
        connection.quit_quietly()
        raise _trouble(options, stage, error) from error
    return connection


def _greet(connection: Connection) -> None:
    code, text = connection.ehlo()
    if code // 100 == 5:
        code, text = connection.helo()  # RFC 5321 section 3.2: a server from before 1995
    if code // 100 != 2:
        raise smtplib.SMTPHeloError(code, text)


def _encrypt(connection: Connection) -> None:
    """STARTTLS if the `tls` option wants it (RFC 3207), then EHLO again: what the server said before does not count."""
    options = connection.options
    if options.tls in ("none", "implicit"):
        return
    try:
        connection.starttls(context=options.context)
    except (smtplib.SMTPNotSupportedError, smtplib.SMTPResponseException) as error:
        if options.tls == "optional":
            return
        raise SenderError(
            f"{options}: TLS is required, and the server does not offer it: {_explain(Stage.TLS, error)}",
            fix="Use smtps:// or another port; only on a network you trust, write tls=optional",
        ) from None
    if connection.replies.unread:
        # CVE-2011-0411: plain text that follows the 220 would be read as if it had been encrypted
        raise SenderError(
            f"{options}: it sent plain text after it agreed to start TLS", fix="Do not trust this network"
        )
    _greet(connection)


def _sign_in(connection: Connection) -> None:
    options = connection.options
    if not options.user:
        return
    if not (isinstance(connection.sock, ssl.SSLSocket) or options.is_local):
        raise AuthenticationFailed(
            f"{options}: the connection is not encrypted, so the password is not sent",
            fix="Write tls=required or smtps://",
        )
    if not connection.has_extn("auth"):
        raise _no_sign_in(connection)
    try:
        _log_in(connection)
    except smtplib.SMTPServerDisconnected:
        raise
    except smtplib.SMTPException as error:
        # A 4yz says nothing about the password, so it must not pause the issue.
        if isinstance(error, smtplib.SMTPResponseException) and error.smtp_code // 100 == 4:
            raise
        hint = "; if the password has a %, write it as %25" if options.password_has_percent else ""
        raise AuthenticationFailed(
            f"{options}: the user or password was not accepted: {_explain(Stage.AUTH, error)}",
            fix=f"Check user and password in NEWSLETTER_SENDER_URL{hint}",
        ) from None


def _no_sign_in(connection: Connection) -> AuthenticationFailed:
    """RFC 4954 section 4: AUTH may be offered only after STARTTLS, so the password is not to blame."""
    if connection.has_extn("starttls"):
        return AuthenticationFailed(
            f"{connection.options}: it offers sign-in only after STARTTLS",
            fix="Write tls=starttls at the end of NEWSLETTER_SENDER_URL",
        )
    return AuthenticationFailed(
        f"{connection.options}: it offers no sign-in here",
        fix="Try port 587 with tls=starttls, or smtps://; or remove user and password from NEWSLETTER_SENDER_URL",
    )


def _log_in(connection: Connection) -> None:
    user, password = connection.options.user, connection.options.password
    if user.isascii() and password.isascii():
        connection.login(user, password)
        return
    # smtplib encodes as ASCII only; RFC 4616 wants UTF-8
    token = base64.b64encode(f"\0{user}\0{password}".encode()).decode("ascii")
    code, text = connection.docmd("AUTH", f"PLAIN {token}")
    if code // 100 != 2:
        raise smtplib.SMTPAuthenticationError(code, text)


def _explain(stage: Stage, error: Exception) -> str:
    """The reply of the server, or what went wrong; smtplib shows its replies as tuples of bytes."""
    if isinstance(error, smtplib.SMTPResponseException):
        return str(parse_reply(stage, error.smtp_code, error.smtp_error))
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate cannot be trusted: {error.verify_message}"
    if isinstance(error, NoReply):
        return str(error)
    if isinstance(error, TimeoutError):
        return "no reply in time"
    if _is_plain_text(error):
        return "it does not speak TLS from the start"
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).rstrip(".")


def _is_plain_text(error: Exception) -> bool:
    """Did a server answer a TLS handshake in plain text? OpenSSL takes that for a strange version of TLS."""
    return isinstance(error, ssl.SSLError) and error.reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE")


def _trouble(options: SmtpOptions, stage: Stage, error: Exception) -> SenderError:
    is_unknown = stage is Stage.CONNECT and not isinstance(error, (smtplib.SMTPResponseException, Closing))
    fix = f"Is {options} the right address, and is the server running?" if is_unknown else ""
    if isinstance(error, smtplib.SMTPResponseException):
        reply = parse_reply(stage, error.smtp_code, error.smtp_error)
        if is_about_us(reply):
            return RelayRefusal(f"{options}: it refuses this server: {reply} ({stage})", fix="Ask your provider why")
    if isinstance(error, TimeoutError) and stage is Stage.CONNECT and options.tls != "implicit":
        fix += " If the port is 465 or for TLS only, write smtps:// instead of smtp://"
    if isinstance(error, NoReply):
        fix = f"{fix}. " * bool(fix) + "If it is always this slow, add greeting_timeout=5m to its URL"
    if _is_plain_text(error) and stage is Stage.CONNECT:
        fix = "Write smtp:// instead of smtps://, or use the port for TLS (mostly 465)"
    if isinstance(error, ssl.SSLCertVerificationError):
        fix = "Use the host name in its certificate, or write ca_file=/path/to/its/authority.pem"
    return SenderError(f"{options}: {_explain(stage, error)} ({stage})", fix=fix)
