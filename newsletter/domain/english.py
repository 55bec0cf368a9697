"""Small pieces of the English that the program says itself, on every floor; the other languages are the catalogues'."""

from __future__ import annotations


def plural(count: int, noun: str) -> str:
    """As in 1 run, 2 runs."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def sentence(text: str) -> str:
    """The same with a capital at its start."""
    return text[:1].upper() + text[1:]
