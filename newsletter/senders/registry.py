"""From a scheme to the class that serves it: the built-in senders and those of other packages; sends nothing."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from newsletter.domain.errors import SettingsError
from newsletter.ports.sending import Sender
from newsletter.senders.failover import FailoverSender
from newsletter.senders.url import SenderUrl, parse_sender_urls

GROUP = "newsletter.senders"
BUILT_IN = {
    "smtp": "newsletter.senders.smtp.sender:SmtpSender",
    "smtps": "newsletter.senders.smtp.sender:SmtpSender",
    "maildir": "newsletter.senders.maildir:MaildirSender",
    "console": "newsletter.senders.console:ConsoleSender",
}


def make_sender(url_text: str, *, hostname: str) -> Sender:
    """The sender for NEWSLETTER_SENDER_URL; several URLs become one sender with failover.

    hostname: what we call ourselves in EHLO. Connects to nothing. Raises SettingsError.
    """
    senders = [_one(url, hostname) for url in parse_sender_urls(url_text)]
    return senders[0] if len(senders) == 1 else FailoverSender(senders)


def _one(url: SenderUrl, hostname: str) -> Sender:
    sender: Sender = _class_for(url)(url, hostname)
    return sender


def _class_for(url: SenderUrl) -> Any:
    """The class that serves the scheme: `cls(url, hostname)`. The built-in ones need no installed package."""
    if url.scheme in BUILT_IN:
        module, _, name = BUILT_IN[url.scheme].partition(":")
        return getattr(import_module(module), name)
    found = {point.name: point for point in entry_points(group=GROUP)}
    if url.scheme not in found:
        there = ", ".join(sorted({*BUILT_IN, *found}))
        raise SettingsError(
            f"NEWSLETTER_SENDER_URL: no sender is installed for {url.scheme!r}", fix=f"There are: {there}"
        )
    try:
        return found[url.scheme].load()
    except (ImportError, AttributeError) as error:
        raise SettingsError(
            f"NEWSLETTER_SENDER_URL: the sender for {url.scheme!r} cannot be loaded: {error}",
            fix=f"Reinstall {found[url.scheme].value.partition(':')[0].partition('.')[0]}",
        ) from error
