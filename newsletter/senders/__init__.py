"""The ways to the next hop: from a sender URL to an object that opens sessions; knows no store and no letter."""

from __future__ import annotations

from newsletter.senders.registry import make_sender
from newsletter.senders.url import SenderUrl, parse_sender_urls

__all__ = ["SenderUrl", "make_sender", "parse_sender_urls"]
