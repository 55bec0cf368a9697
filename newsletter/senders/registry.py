"""Finds the class for the scheme of a sender URL among the entry points in the group `newsletter.senders`.

The built-in senders are entry points of this package too; pyproject.toml is the only place that lists them.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, PackageNotFoundError, distribution, entry_points
from typing import Any

from newsletter.domain.errors import SettingsError
from newsletter.ports.sending import Sender
from newsletter.senders.failover import FailoverSender
from newsletter.senders.url import SenderUrl, parse_sender_urls

GROUP = "newsletter.senders"
DISTRIBUTION = "tip-of-the-week"


def make_sender(url_text: str, *, hostname: str) -> Sender:
    """The sender for NEWSLETTER_SENDER_URL; several URLs become one sender with failover.

    hostname: our name in EHLO. Opens no connection. Raises SettingsError.
    """
    senders = [_make_one(url, hostname) for url in parse_sender_urls(url_text)]
    return senders[0] if len(senders) == 1 else FailoverSender(senders)


def _make_one(url: SenderUrl, hostname: str) -> Sender:
    sender: Sender = _class_for(url.scheme)(url, hostname)
    return sender


def _class_for(scheme: str) -> Any:
    """The class that serves a scheme; it is called with `(url, hostname)`."""
    found = _installed_senders()
    if scheme not in found:
        raise SettingsError(
            f"NEWSLETTER_SENDER_URL: no sender is installed for {scheme!r}",
            fix=f"Use one of these, or install one: {', '.join(sorted(found))}",
        )
    point = found[scheme]
    try:
        return point.load()
    except (ImportError, AttributeError) as error:
        raise SettingsError(
            f"NEWSLETTER_SENDER_URL: the sender for {scheme!r} cannot be loaded: {error}",
            fix=f"Reinstall {point.dist.name if point.dist else point.module}",
        ) from error


def _installed_senders() -> dict[str, EntryPoint]:
    """The entry point of each scheme. Ours win: another package cannot take over the scheme of a built-in sender."""
    try:
        built_in = distribution(DISTRIBUTION).entry_points.select(group=GROUP)
    except PackageNotFoundError:
        raise SettingsError(
            f"the package {DISTRIBUTION} is not installed, only its files are here, so no sender can be found",
            fix="Install it: pip install --editable .",
        ) from None
    return {point.name: point for point in (*entry_points(group=GROUP), *built_in)}
