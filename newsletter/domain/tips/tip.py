"""A tip: what an importer found, what the store knows, and how the two become one."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import astuple, dataclass, replace
from datetime import date
from enum import StrEnum
from hashlib import blake2b

from newsletter.domain.tips.season_rule import parse_rule, title_on

MAX_SUBJECT = 60  # characters: what a phone shows of a subject
_APOSTROPHES = re.compile("['`\u00b4\u02bc\u2018\u2019\u0301]")


class TipState(StrEnum):
    """Where a tip stands in the queue."""

    FRESH = "fresh"  # never run: waits in the queue
    SENT = "sent"  # run by this system
    ARCHIVE = "archive"  # run before this system
    RETIRED = "retired"  # never to run again


class ConflictChoice(StrEnum):
    """Whose words stand where a source and the owner have both changed a tip."""

    FILE = "file"
    MINE = "mine"


@dataclass(frozen=True, slots=True)
class TipRules:
    """When a tip may run, in the words of its source; `seasons.parse_rule`, `reruns.parse_rerun` and `parse_months` read them.

    part: its place in the series, from 1. fallback: may stand in when nothing else is left.
    """

    season: str = ""
    series: str = ""
    part: int = 0
    rerun: str = ""
    months: str = ""
    fallback: bool = False


NO_RULES = TipRules()


@dataclass(frozen=True, slots=True)
class TipText:
    """The text of a tip as an importer found it or as the store holds it.

    body: Markdown, "" for a teaser. teaser: plain text, where the source broke off, or the owner's own.
    published_on: the day it ran, if the source says so. already_run: the source is an archive.
    source, line: where it was found, for messages.
    key: of the tip in the library, where the source knows it: then the source says all of the text.
    """

    title: str
    body: str
    complete: bool = True
    published_on: date | None = None
    categories: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    takeaway: str = ""
    teaser: str = ""
    rules: TipRules = NO_RULES
    key: str = ""
    already_run: bool = False
    source: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class Rejected:
    """A piece of an import that could not be used, and why."""

    source: str
    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class TipCard:
    """A tip as lists and the queue see it, without its body."""

    id: int
    key: str
    title: str
    state: TipState
    complete: bool
    published_on: date | None
    last_sent_on: date | None
    position: int
    categories: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TipFull:
    """A tip with its text, as the letter and `tips show` need it. edited: in the owner's own words."""

    card: TipCard
    text: TipText
    edited: bool = False

    def dated(self, day: date) -> TipFull:
        """The tip with its title as it is in a letter of that day: with its season's year, else the day's."""
        if "{" not in self.card.title:
            return self
        season = parse_rule(self.text.rules.season) if self.text.rules.season else None
        title = title_on(self.card.title, season, day)
        return replace(self, card=replace(self.card, title=title), text=replace(self.text, title=title))


def identity(title: str, published_on: date | None) -> str:
    """What makes two findings one tip: the same words in the title, and the same day."""
    plain = unicodedata.normalize("NFKC", _APOSTROPHES.sub("", title)).casefold()
    words = re.findall(r"\w+", plain)
    return " ".join(words) + (f" @{published_on.isoformat()}" if published_on else "")


def source_name(source: str) -> str:
    """What a source goes by wherever it lies: the name of its file."""
    return re.split(r"[/\\]", source)[-1]


def fingerprint(text: TipText) -> str:
    """What is the same as long as a source says the same of a tip."""
    said = (
        text.title,
        text.body,
        text.complete,
        text.published_on,
        text.categories,
        text.tags,
        text.takeaway,
        text.teaser,
    )
    return blake2b(repr((*said, *astuple(text.rules))).encode(), digest_size=16).hexdigest()


def merge_labels(old: Iterable[str], new: Iterable[str]) -> tuple[str, ...]:
    """Both lists without repeats (case does not count), in the order they came."""
    seen: dict[str, str] = {}
    for label in (*old, *new):
        seen.setdefault(label.casefold(), label)
    return tuple(seen.values())


def merge(old: TipText, new: TipText) -> TipText:
    """The old text with what the new finding adds: labels join, a whole article completes a teaser.

    A teaser never takes anything from a whole article; of two whole articles the new one wins,
    but an empty field never wipes out a full one.
    """
    labels = replace(
        old, categories=merge_labels(old.categories, new.categories), tags=merge_labels(old.tags, new.tags)
    )
    if new.complete:
        return replace(
            labels,
            title=new.title,
            body=new.body,
            complete=True,
            takeaway=new.takeaway or old.takeaway,
            teaser=new.teaser or (old.teaser if old.complete else ""),  # where an excerpt broke off is no teaser
            rules=old.rules if new.rules == NO_RULES else new.rules,
        )
    return labels if old.complete else replace(labels, teaser=new.teaser or old.teaser)


def first_state(text: TipText, *, queue: bool) -> TipState:
    """Where a tip starts: what ran before this system is archive, unless the owner queues it again."""
    already_run = text.already_run or text.published_on is not None
    return TipState.ARCHIVE if already_run and not queue else TipState.FRESH
