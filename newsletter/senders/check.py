"""Asks every relay in NEWSLETTER_SENDER_URL whether it would take emails, in a bounded time; nothing is sent."""

from __future__ import annotations

import time
from collections.abc import Sequence
from threading import Thread
from typing import cast

from newsletter.domain.errors import NewsletterError
from newsletter.ports.sending import CheckedSender, RelayCheck, Sender
from newsletter.senders.registry import make_sender
from newsletter.senders.url import SenderUrl, parse_sender_urls

PATIENCE = 10.0  # seconds for all relays together


def check_senders(
    url_text: str, *, hostname: str, senders: Sequence[str], recipient: str, patience: float = PATIENCE
) -> list[RelayCheck]:
    """One result per URL, in their order. senders, recipient: as `ports.sending.CheckedSender.check`.

    The relays are asked at the same time, each in a thread that nobody waits for: a name server that does not answer
    cannot be interrupted. Raises SettingsError.
    """
    texts = url_text.split()
    relays = [
        (url, make_sender(text, hostname=hostname))
        for url, text in zip(parse_sender_urls(url_text), texts, strict=True)
    ]
    found: dict[int, RelayCheck] = {}

    def ask(number: int, url: SenderUrl, sender: Sender) -> None:
        found[number] = _check(url, sender, senders, recipient)

    threads = [Thread(target=ask, args=(at, *relay), daemon=True) for at, relay in enumerate(relays)]
    for thread in threads:
        thread.start()
    end = time.monotonic() + patience
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    silent = "Check its address, its port, and your firewall; many providers block port 25"
    return [
        found.get(at) or RelayCheck(str(url), problem=f"{url}: no answer within {patience:g} seconds", fix=silent)
        for at, (url, _) in enumerate(relays)
    ]


def _check(url: SenderUrl, sender: Sender, senders: Sequence[str], recipient: str) -> RelayCheck:
    if hasattr(sender, "check"):
        return cast("CheckedSender", sender).check(senders, recipient)
    try:
        sender.open().close()
    except NewsletterError as error:
        return RelayCheck(str(url), problem=error.message, fix=error.fix)
    return RelayCheck(str(url), ["connected"])
