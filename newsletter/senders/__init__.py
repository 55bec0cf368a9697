"""Senders hand emails to the next hop; `make_sender` turns NEWSLETTER_SENDER_URL into one."""

from __future__ import annotations

from newsletter.senders.registry import make_sender
from newsletter.senders.url import SenderUrl, parse_sender_urls

__all__ = ["SenderUrl", "make_sender", "parse_sender_urls"]
