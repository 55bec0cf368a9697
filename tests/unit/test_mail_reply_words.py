"""What the commonest refusals of relays and mailbox providers mean, as they write them."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.domain.delivery.outcome import Cause, Deferred, Rejected, Stage
from newsletter.mail.replies import classify, is_about_the_mailbox, is_about_us, parse_reply
from newsletter.mail.reply_words import About, about

# Gmail: support.google.com/a/answer/3726730. Microsoft 365: learn.microsoft.com, "NDR error codes in Exchange Online".
# Yahoo: senders.yahooinc.com/smtp-error-codes. SES: docs.aws.amazon.com, "SMTP response codes". Exim and cPanel:
# docs.cpanel.net, "Mail limits". Postfix: postfix.org/access.5.html and the texts of smtpd(8). GMX and IONOS:
# postmaster.gmx.net. SendGrid, Mailgun, Brevo, OVH, Zoho: the error pages of their documentation.
QUOTA = """
rcpt 550 5.4.5 Daily user sending limit exceeded. For more information on Gmail sending limits go to https://support.google.com/a/answer/166852 - gsmtp
dot 550 5.4.5 Daily SMTP relay limit exceeded for user. For more information
rcpt 550 5.4.5 Daily user sending quota exceeded.
rcpt 550 5.7.0 Mail relay quota exceeded
rcpt 550 5.1.90 Your message can't be sent because you've reached your daily limit for message recipients
dot 554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException; Failed to process message due to a permanent exception with message The message can't be submitted because the sender's submission quota was exceeded.
rcpt 550 5.7.705 Access denied, tenant has exceeded threshold
rcpt 550 Domain example.org has exceeded the max emails per hour (150/150 (100%)) allowed. Message discarded.
rcpt 550 5.1.1 Domain example.org has exceeded the max emails per hour (150/150) allowed
rcpt 550 Domain tips.example has exceeded the max defers and failures per hour (5/5 (100%)) allowed. Message discarded.
rcpt 554 Throttling failure: Maximum sending rate exceeded.
rcpt 554 Throttling failure: Daily message quota exceeded.
rcpt 550 Maximum credits exceeded
rcpt 550 Requested mail action not taken: mailbox unavailable Mail send limit exceeded
rcpt 554 5.7.1 You have exceeded your daily sending limit
rcpt 550 5.2.1 The user you are trying to contact is receiving mail at a rate that prevents additional messages from being delivered.
rcpt 550 5.7.1 sent too many emails in the last hour
rcpt 550 outgoing mail quota exceeded for user tips
rcpt 554 5.7.1 Rate limit exceeded
dot 554 5.7.1 <tips@x.example>: Sender address rejected: hourly limit of 200 messages reached
rcpt 550 5.7.232 Your message can't be sent because your trial tenant has exceeded its daily limit for sending email to external recipients
rcpt 550 User tips@example.org has reached the daily limit of 500 outgoing emails
rcpt 550 5.1.1 Maximum number of messages exceeded for this account; upgrade
rcpt 550 5.1.1 you have sent too much today
rcpt 550 5.1.1 Limit of 100 recipients reached
rcpt 550 5.1.1 Free plan exhausted. Please upgrade.
rcpt 550 5.1.1 Tageslimit erreicht, Empfänger nicht bekannt gemacht
rcpt 550 Sie haben die maximale Anzahl Empfänger pro Tag erreicht
rcpt 550 5.1.1 Quota journalier dépassé
rcpt 550 Límite diario de envíos superado
rcpt 550 Limite giornaliero di invio raggiunto
"""
ABOUT_US = """
rcpt 550 5.1.1 unpaid invoice: outgoing email disabled
rcpt 550 5.1.1 outgoing email has been disabled for this domain
rcpt 550 5.1.1 Email sending is not enabled for this mailbox
rcpt 550 5.1.1 TLS required
rcpt 550 5.1.1 You must login with POP before SMTP
rcpt 550 5.1.1 no valid subscription for this IP
rcpt 550 5.1.1 Domain not configured for outbound relay
rcpt 550 5.1.1 Recipient not in your list of verified recipients (trial account)
rcpt 550 Trial accounts may only send to verified addresses. The address a@b.example is unverified and cannot be found
rcpt 550 5.1.1 Invalid API key
rcpt 550 5.1.1 Connection from unknown host
rcpt 550 5.1.1 reverse lookup failed: host not found
rcpt 550 5.1.1 unknown client
rcpt 550 Client host unknown
rcpt 550 5.1.1 Your email address is not in our list of allowed senders
rcpt 550 5.1.1 Your address is unknown here
rcpt 550 5.1.1 domain tips.example not found in account
rcpt 550 Absenderadresse existiert nicht
rcpt 550 expéditeur inconnu
rcpt 550 5.1.1 adresse de l'expéditeur n'existe pas
rcpt 550 5.1.1 remitente desconocido
rcpt 550 mittente sconosciuto
dot 554 Message rejected: Sending suspended for this account. For more information, please check the inbox
rcpt 550 5.7.1 Account disabled due to unpaid invoice
rcpt 550 5.4.6 Unusual sending activity detected. Please try after sometime
rcpt 554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org; https://www.spamhaus.org/query/ip/192.0.2.1
rcpt 550 5.1.1 Service unavailable; Client host [192.0.2.1] blocked using Spamhaus
dot 550 5.7.26 This mail has been blocked because the sender is unauthenticated. Gmail requires all senders to authenticate with either SPF or DKIM.
dot 550 5.7.26 Unauthenticated email from example.org is not accepted due to domain's DMARC policy.
rcpt 553 5.7.1 <tips@x.example>: Sender address rejected: not owned by user anna@x.example
rcpt 553 <tips@x.example>: Sender address rejected: not owned by user anna
rcpt 550 5.1.0 <tips+b-1-2@x.example> sender rejected
rcpt 550 5.1.0 Sender denied as sender's email address is on SenderFilterConfig list
rcpt 550 5.7.60 SMTP; Client does not have permissions to send as this sender
dot 554 5.2.252 SendAsDenied; anna@x.example not allowed to send as tips@x.example; STOREDRV.Submission.Exception:SendAsDeniedException
dot 554 Message rejected: Email address is not verified. The following identities failed the check in region EU-WEST-1: tips@x.example
rcpt 550 The from address does not match a verified Sender Identity. Mail cannot be sent until this error is resolved.
rcpt 550 Unauthenticated senders not allowed
dot 554 5.7.1 Free accounts are for test purposes only. Please upgrade or add the address to authorized recipients in Account Settings.
rcpt 550 5.7.1 Sandbox subdomains are for test purposes only. Please add your own domain
rcpt 502 5.7.0 Your SMTP account is not yet activated. Please contact us at contact@sendinblue.com
rcpt 550 5.7.1 Sending has been rejected because the sender you used tips@x is not valid. Validate your sender or authenticate your domain
rcpt 554 5.7.1 <anna@a.example>: Relay access denied
rcpt 550 5.7.1 Unable to relay
rcpt 550 relay not permitted
rcpt 553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)
rcpt 530 5.7.0 Authentication Required
rcpt 530 5.7.57 SMTP; Client was not authenticated to send anonymous mail during MAIL FROM
rcpt 550 5.7.1 Message rejected as spam by Content Filtering
dot 554 5.7.1 Spam message rejected
dot 550 5.7.1 Our system has detected that this message is likely unsolicited mail. To reduce the amount of spam sent to Gmail, this message has been blocked.
dot 554 5.7.9 Message not accepted for policy reasons. See https://senders.yahooinc.com/error-codes
rcpt 553 5.7.1 [BL21] Connections will not be accepted from 192.0.2.1, because the ip is in Spamhaus's list
rcpt 550 5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent. Please contact your Internet service provider since part of their network is on our block list (S3140).
rcpt 550 5.7.708 Service unavailable. Access denied, traffic not accepted from this IP
rcpt 550 5.7.501 Service unavailable. Access denied, spam abuse detected.
dot 554 Transaction failed Reject due to policy restrictions.
dot 550 Requested action not taken: mailbox unavailable Sender address is not allowed.
dot 550 Requested action not taken: mailbox unavailable invalid DNS MX or A/AAAA resource record
rcpt 550 Sender verify failed
rcpt 550 Verification failed for <tips@x.example> No Such User Here Sender verify failed
rcpt 550 5.1.8 <tips@x>: Sender address rejected: Domain not found
rcpt 550 5.1.8 Access denied, bad outbound sender
rcpt 550 5.1.1 due to recipient preferences
rcpt 550 5.7.1 Command rejected
rcpt 550 Administrative prohibition
rcpt 550 "JunkMail rejected - host is in an RBL"
rcpt 550 5.7.1 Email rejected per DMARC policy
rcpt 550 5.7.25 The IP address sending this message does not have a PTR record setup
rcpt 550 Access denied - Invalid HELO name (See RFC2821 4.1.1.1)
rcpt 535 5.7.8 Username and Password not accepted
"""
NO_MAILBOX = """
rcpt 550 5.1.1 The email account that you tried to reach does not exist. Please try double-checking the recipient's email address for typos or unnecessary spaces. For more information, go to https://support.google.com/mail/?p=NoSuchUser x-20020a - gsmtp
rcpt 550 5.1.1 <anna@a.example>: Recipient address rejected: User unknown in local recipient table
rcpt 550 5.1.1 user unknown
rcpt 550 No Such User Here
rcpt 550 no such user here
rcpt 550 5.1.1 no such user. abcdefgh - gsmtp
rcpt 550 Requested action not taken: mailbox unavailable
rcpt 550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302)
rcpt 550 5.1.1 mailbox unavailable
rcpt 550 mailbox unavailable
rcpt 550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient anna@a.example not found by SMTP address lookup
rcpt 550 5.4.1 Recipient address rejected: Access denied. AS(201806281)
rcpt 554 delivery error: dd This user doesn't have a yahoo.com account (anna@yahoo.com) [0]
rcpt 550 Unrouteable address
rcpt 550 sorry, no mailbox here by that name (#5.1.1)
rcpt 550 5.1.1 unknown or illegal alias: anna@a
rcpt 550 5.1.1 Bad destination mailbox address
rcpt 550 5.1.1 Addressee unknown, relay=[1.2.3.4]
rcpt 550 5.1.1 RCP-P1 Account not available
rcpt 550 5.1.1
rcpt 550 5.1.6 Recipient no longer on server
rcpt 556 5.1.10 Recipient domain does not accept mail (null MX)
rcpt 550 5.1.2 Host unknown
rcpt 511 5.1.1 unknown address or alias: anna
rcpt 550 Benutzer unbekannt
"""
FULL = """
rcpt 552 5.2.2 The email account that you tried to reach is over quota.
rcpt 552 5.2.2 mailbox full
rcpt 552 Mailbox full
dot 552 5.2.2 <anna@a.example>: Quota exceeded (mailbox for user is full)
rcpt 554 5.2.2 Mailbox is full / Blocks limit exceeded / Inode limit exceeded
rcpt 550 5.2.2 The recipient's inbox is out of storage space
rcpt 550 5.1.1 mailbox over quota
"""
CLOSED = """
rcpt 550 5.4.4 Invalid domain name
rcpt 550 5.2.1 The email account that you tried to reach is disabled.
rcpt 550 5.2.1 The email account that you tried to reach is inactive
rcpt 550 5.7.1 no such user here
dot 550 5.1.0 no such user
rcpt 554 Message rejected: Address is on the suppression list
"""
OTHER = """
rcpt 552 5.2.3 message too big
rcpt 552 5.2.3 Message length exceeds administrative limit
dot 552 5.3.4 Message size exceeds fixed maximum message size
rcpt 550 5.0.0 go away
rcpt 550 5.1.0 Address rejected
rcpt 554 transaction failed
"""


def lines(text: str) -> list[str]:
    return text.strip().splitlines()


def meaning(line: str) -> object:
    """What a reply leads to; line: stage, code, and text."""
    stage, code, text = (*line.split(" ", 2), "")[:3]
    outcome = classify(parse_reply(Stage(stage), int(code), text))
    if isinstance(outcome, Deferred):
        return "quota" if outcome.is_quota else "deferred"
    return outcome.cause if isinstance(outcome, Rejected) else outcome


TABLE = [
    *((line, "quota") for line in lines(QUOTA)),
    *((line, Cause.POLICY) for line in lines(ABOUT_US)),
    *((line, Cause.BAD_ADDRESS) for line in lines(NO_MAILBOX)),
    *((line, Cause.MAILBOX_FULL) for line in lines(FULL)),
    *((line, Cause.MAILBOX_CLOSED) for line in lines(CLOSED)),
    *((line, Cause.OTHER) for line in lines(OTHER)),
]


@pytest.mark.parametrize(("line", "expected"), TABLE)
def test_the_words_decide_what_a_refusal_is_about(line: str, expected: object) -> None:
    assert meaning(line) == expected


def test_a_stored_reply_tells_whether_it_was_about_the_mailbox() -> None:
    for line, expected in TABLE:
        about_it = expected in (Cause.BAD_ADDRESS, Cause.MAILBOX_FULL, Cause.MAILBOX_CLOSED)
        assert is_about_the_mailbox(line) == about_it, line
    assert not is_about_the_mailbox("")
    assert not is_about_the_mailbox("something else")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("mail 553 5.7.1 Sender address rejected: not owned by user anna", True),
        ("mail 550 5.0.0 go away", True),
        ("mail 530 5.7.0 Authentication required", True),
        ("mail 550 5.4.5 Daily user sending limit exceeded", False),
        ("mail 451 4.7.1 Sender address rejected", False),
        ("mail 503 5.5.1 Bad sequence of commands", False),
        ("connect 554 5.7.1 Client host [192.0.2.1] blocked using zen.spamhaus.org", True),
        ("connect 554 No SMTP service here", False),
        ("ehlo 550 Access denied - Invalid HELO name", True),
    ],
)
def test_before_the_recipient_a_refusal_is_about_us_or_about_the_connection(line: str, *, expected: bool) -> None:
    stage, code, text = line.split(" ", 2)
    reply = parse_reply(Stage(stage), int(code), text)
    assert is_about_us(reply) == expected
    assert classify(reply) is None


def test_addresses_hosts_and_links_are_no_words() -> None:
    assert about("<unknown-sender@spam.example>: see https://policy.example/blocked/mailbox-full") is About.UNKNOWN
    assert about("see https://www.spamhaus.org/sbl/1") is About.US


@given(st.text(max_size=500))
def test_every_text_has_a_meaning(text: str) -> None:
    assert about(text) in About


BOUNCES = Path(__file__).parents[3] / "shared" / "bounces" / "sisimai"


@pytest.mark.skipif(not BOUNCES.exists(), reason="the labeled bounces of sisimai/set-of-emails are not here")
def test_no_real_policy_reply_is_taken_for_a_dead_mailbox_and_none_the_other_way() -> None:
    labels = (BOUNCES / "labels.tsv").read_text(encoding="utf-8").splitlines()
    for row in csv.DictReader(labels, delimiter="\t"):
        mail = BOUNCES / "bsd" / row["file"]
        text = mail.read_text("utf-8", "replace") if mail.exists() else ""
        said = re.search(
            r"^Diagnostic-Code:\s*smtp\s*;\s*(5\d\d)[ -](.*(?:\n[ \t]+.*)*)", text, re.MULTILINE | re.IGNORECASE
        )
        if said:
            found = meaning(f"rcpt {said[1]} {' '.join(said[2].split())}")
            about_nobody = row["reasons"] in ("userunknown", "filtered", "hostunknown", "hasmoved", "rejected", "")
            # "filtered" and "rejected" are replies that say "user unknown" after DATA.
            assert (
                about_nobody or "userunknown" in mail.read_text("utf-8", "replace") or found is not Cause.BAD_ADDRESS
            ), row
            assert found is not Cause.POLICY or "y" not in row["hard_2025"] + row["hard_2024"], row


def test_a_sentence_that_nobody_understands_suppresses_nobody() -> None:
    sentence = parse_reply(Stage.RCPT, 550, "5.1.1 the flux capacitor of this hosting package needs more plutonium")
    short = parse_reply(Stage.RCPT, 550, "5.1.1 <ada@x.example> gone")

    assert classify(sentence) == Rejected(sentence, Cause.MAILBOX_CLOSED)
    assert classify(short) == Rejected(short, Cause.BAD_ADDRESS)
