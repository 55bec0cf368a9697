"""Small helpers for English messages. `rendering.translations` translates them."""

from __future__ import annotations


def plural(count: int, noun: str) -> str:
    """For example 1 run, 2 runs, 60,000 runs, 0 entries, 3 addresses."""
    several = f"{noun}es" if noun.endswith("ss") else f"{noun}s"
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        several = f"{noun[:-1]}ies"
    return f"{count:,} {noun if count == 1 else several}"


def people(count: int) -> str:
    """For example 1 person, 2 people."""
    return f"{count:,} {'person' if count == 1 else 'people'}"


def ended(text: str) -> str:
    """The text with a period at its end, unless it ends with a mark of its own."""
    return text if text.endswith((".", "!", "?", "…", ".”", "?”", "!”")) else f"{text}."


def sentence(text: str) -> str:
    """The text with a capital letter at its start."""
    return text[:1].upper() + text[1:]
