"""Small helpers for English messages. `rendering.translations` translates them."""

from __future__ import annotations


def plural(count: int, noun: str) -> str:
    """For example 1 run, 2 runs."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def ended(text: str) -> str:
    """The text with a period at its end, unless it ends with a mark of its own."""
    return text if text.endswith((".", "!", "?", "…", ".”", "?”", "!”")) else f"{text}."


def sentence(text: str) -> str:
    """The text with a capital letter at its start."""
    return text[:1].upper() + text[1:]
