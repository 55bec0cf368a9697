"""Asks a relay whether it would take our emails: connect, greet, encrypt, sign in, MAIL FROM, RCPT TO, and then RSET."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import replace

from newsletter.domain.delivery.outcome import Reply, Stage
from newsletter.domain.errors import SenderError
from newsletter.mail.replies import parse_reply
from newsletter.ports.sending import RelayCheck
from newsletter.senders.smtp.connect import connect
from newsletter.senders.smtp.connection import Connection
from newsletter.senders.smtp.dialogue import NOT_SIGNED_IN, SIGN_IN_FIX
from newsletter.senders.smtp.options import SmtpOptions

PATIENCE = 8.0  # seconds for each reply; somebody is waiting


def check_relay(options: SmtpOptions, senders: Sequence[str], recipient: str) -> RelayCheck:
    """As `ports.sending.CheckedSender.check`. Without DATA there is no email, whatever was said before."""
    name = str(options)
    quick = replace(
        options,
        connect_timeout=min(options.connect_timeout, PATIENCE),
        greeting_timeout=min(options.greeting_timeout, PATIENCE),
        reply_timeout=min(options.reply_timeout, PATIENCE),
    )
    try:
        connection = connect(quick)
    except SenderError as error:
        return RelayCheck(name, problem=error.message, fix=error.fix)
    done = ["connected"]
    if isinstance(connection.sock, ssl.SSLSocket):
        done.append("encrypted")
    if options.user:
        done.append(f"signed in as {options.user}")
    try:
        return _envelopes(connection, RelayCheck(name, done), senders, recipient)
    except OSError as error:  # smtplib's errors are OSErrors
        return RelayCheck(name, done, f"{name}: it hung up: {error}", "Try again later", is_temporary=True)
    finally:
        connection.quit_quietly()


def _envelopes(connection: Connection, found: RelayCheck, senders: Sequence[str], recipient: str) -> RelayCheck:
    refusals = [_refusal(connection, sender, recipient) for sender in senders]
    refusal = refusals[0]
    if refusal is None:
        return replace(found, done=[*found.done, f"accepts emails from {senders[0]} to {recipient}"])
    problem = f"{found.name}: it does not accept emails from {senders[0]} to {recipient}: {refusal}"
    if refusal.code // 100 == 4:
        return replace(
            found, problem=problem, fix="Try again later; some servers accept only a second try", is_temporary=True
        )
    if None in refusals:
        return replace(found, problem=problem, fix="Set NEWSLETTER_ENVELOPE=plain")
    if refusal.stage is Stage.MAIL:
        return replace(found, problem=problem, fix=_fix_of_refused_sender(refusal, connection.options))
    fix = "Check that your account may send from NEWSLETTER_FROM, and that NEWSLETTER_OWNER is right"
    return replace(found, problem=problem, fix=fix)


def _fix_of_refused_sender(refusal: Reply, options: SmtpOptions) -> str:
    if refusal.code == NOT_SIGNED_IN and not options.user:
        return SIGN_IN_FIX
    return "Check your account at your mail provider, and that NEWSLETTER_FROM is an address that the account may send from"


def _refusal(connection: Connection, sender: str, recipient: str) -> Reply | None:
    """The reply that refuses an envelope. RCPT belongs to it: Postfix judges the sender only there (smtpd_delay_reject)."""
    connection.rset()
    code, text = connection.mail(sender)
    stage = Stage.MAIL
    if code // 100 == 2:
        code, text = connection.rcpt(recipient)
        stage = Stage.RCPT
    connection.rset()
    return None if code // 100 == 2 else parse_reply(stage, code, text)
