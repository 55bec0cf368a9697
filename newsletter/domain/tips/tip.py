"""The tip as an importer finds it and as the store keeps it, and how the two are merged."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import astuple, dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum
from hashlib import blake2b

from newsletter.domain.lists import FIRST_LIST
from newsletter.domain.tips.season_rule import parse_rule, title_on

MAX_SUBJECT = 60  # characters: what a phone shows of a subject
_APOSTROPHES = re.compile("['`\u00b4\u02bc\u2018\u2019\u0301]")


class TipState(StrEnum):
    """Whether a tip is in the queue, has been sent, or is never sent again."""

    FRESH = "fresh"  # never sent, in the queue
    SENT = "sent"  # sent by this system
    ARCHIVE = "archive"  # published before this system was in use
    RETIRED = "retired"  # never to be sent again


class ConflictChoice(StrEnum):
    """Which version to keep when a source and the owner have both changed a tip."""

    FILE = "file"
    MINE = "mine"


@dataclass(frozen=True, slots=True)
class TipRules:
    """When a tip may run, in the words of its source, which are kept as they are; "" or 0 where nothing is set.

    season is read by `season_rule.parse_rule`, rerun by `rerun_rule.parse_rerun`, and months by `rerun_rule.parse_months`.
    part: the tip's place in its series, from 1. fallback: the tip is sent when no other tip is left.
    """

    season: str = ""
    series: str = ""
    part: int = 0
    rerun: str = ""
    months: str = ""
    fallback: bool = False


NO_RULES = TipRules()


@dataclass(frozen=True, slots=True)
class TipHistory:
    """What a library knows about a tip beside its text; an export carries it along (`domain.tips.history`).

    state: None if a file does not say. order: its place in the queue, from 1; 0 if unknown. sent: the days on which it was
    sent, oldest first. pin, pin_at: as `TipPlan` has them. retired_from: the state that a retired tip had before.
    ran_before: it was published before this system was in use. former_keys: their web addresses redirect to it.
    useful, not_useful: the votes of subscribers. edited: as `TipFull` has it.
    """

    state: TipState | None = None
    order: int = 0
    sent: tuple[date, ...] = ()
    pin: date | None = None
    pin_at: datetime | None = None
    retired_from: TipState | None = None
    ran_before: bool = False
    former_keys: tuple[str, ...] = ()
    useful: int = 0
    not_useful: int = 0
    edited: bool = False


NO_HISTORY = TipHistory()


@dataclass(frozen=True, slots=True)
class TipText:
    """The text of a tip as an importer found it or as the store keeps it.

    complete: the body is there; otherwise only the teaser is. body: Markdown. teaser: plain text, the beginning of the
    article or the owner's own teaser. published_on: the day on which it was published, if the source gives one.
    already_run: the source is an archive of published tips. source, line: where it was found, for messages.
    key: the key of the tip in the library, if the source gives it; such a source replaces the whole text.
    file: the file in which it was found, if `source` is the URL of the post.
    preview: the line that inboxes show beside the subject; "" for the takeaway. starter: it came with the program.
    inline_pictures: pictures that were part of the source, by the URL that `body` has for them; only until the import.
    list_key: the list that an exported file names, "" if it names none; it is no part of the text.
    history: what an exported file says about the tip; it is no part of the text.
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
    file: str = ""
    preview: str = ""
    starter: bool = False
    inline_pictures: tuple[tuple[str, bytes], ...] = ()
    list_key: str = field(default="", compare=False)
    history: TipHistory = field(default=NO_HISTORY, compare=False)


@dataclass(frozen=True, slots=True)
class Rejected:
    """A piece of an import that could not be used, and why."""

    source: str
    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something in a source that is no published tip, such as a draft or a comment. reason: what it is, as in "a draft"."""

    source: str
    line: int
    title: str
    reason: str


@dataclass(frozen=True, slots=True)
class Remark:
    """What was dropped or repaired while a source was read."""

    source: str
    line: int
    text: str


Piece = TipText | Rejected | LeftOut | Remark
"""What an importer finds in a source."""


@dataclass(frozen=True, slots=True)
class TipCard:
    """A tip without its text, for lists and the queue. position: tips with lower positions are sent first.

    starter: it came with the program, so the owner's own tips are sent before it. problem: why no email can be made of it, as
    a clause; "" if nothing is known.
    """

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
    starter: bool = False
    problem: str = ""
    list_id: int = FIRST_LIST

    @property
    def is_passed_over(self) -> bool:
        """Do other tips go out in its place until its problem is fixed?"""
        return bool(self.problem) and self.state is not TipState.RETIRED


@dataclass(frozen=True, slots=True)
class TipFull:
    """A tip with its text. edited: the owner has changed the text since it was imported."""

    card: TipCard
    text: TipText
    edited: bool = False

    def dated(self, day: date) -> TipFull:
        """The tip with the title it has in an issue of that day: `{{ year }}` is the year of its season, or of the day."""
        if "{" not in self.card.title:
            return self
        season = parse_rule(self.text.rules.season) if self.text.rules.season else None
        title = title_on(self.card.title, season, day)
        return replace(self, card=replace(self.card, title=title), text=replace(self.text, title=title))


def identity(title: str, published_on: date | None) -> str:
    """Two texts with the same identity are one tip: their titles have the same words and they ran on the same day.

    Punctuation, case, and the various apostrophes make no difference, since they differ between exports of one blog.
    """
    return title_words(title) + (f" @{published_on.isoformat()}" if published_on else "")


def title_words(title: str) -> str:
    """The words of a title, for comparisons; a title without words, such as one of emoji, is compared as it is."""
    plain = unicodedata.normalize("NFKC", _APOSTROPHES.sub("", title)).casefold()
    return " ".join(re.findall(r"\w+", plain)) or plain.strip()


def source_name(source: str) -> str:
    """The name of a source, which stays the same when its file moves to another folder or machine.

    For a URL: without the scheme, "www.", a slash at the end, and the parameters with which mailings count clicks.
    """
    url = re.match(r"(?i)https?://(?:www\.)?([^\s#]+)", source)
    if not url:
        return re.split(r"[/\\]", source)[-1]
    path, _, query = url[1].partition("?")
    kept = [part for part in query.split("&") if part and not re.match(r"(?i)utm_|fbclid=|gclid=|mc_[ce]id=", part)]
    host, slash, rest = path.rstrip("/").partition("/")
    return host.lower() + slash + rest + ("?" + "&".join(kept) if kept else "")


def host_of(url: str) -> str:
    """The host of a URL without "www."; "" if it is no URL."""
    found = re.match(r"(?i)https?://(?:[^/@?#\s]*@)?(?:www\.)?([^/?#:\s]+)", url)
    return found[1].lower() if found else ""


def is_link(source: str) -> bool:
    """Is the source the URL of a post?"""
    return bool(re.match(r"(?i)https?://", source))


def fingerprint(text: TipText) -> str:
    """A hash of everything that a source says about a tip; it changes when the source changes."""
    fields = (
        text.title,
        text.body,
        text.complete,
        text.published_on,
        text.categories,
        text.tags,
        text.takeaway,
        text.teaser,
    )
    # Left out while it is empty, so that a file without it has the same hash as before there were preview texts.
    more = (text.preview,) if text.preview else ()
    return blake2b(repr((*fields, *astuple(text.rules), *more)).encode(), digest_size=16).hexdigest()


def merge_labels(old: Iterable[str], new: Iterable[str]) -> tuple[str, ...]:
    """Both lists in their order without duplicates; labels that differ only in case are duplicates."""
    seen: dict[str, str] = {}
    for label in (*old, *new):
        seen.setdefault(label.casefold(), label)
    return tuple(seen.values())


def merge(old: TipText, new: TipText) -> TipText:
    """The old text with what the new one adds: labels are joined, and a complete article completes a teaser.

    A teaser never replaces any part of a complete article. Of two complete articles the new one wins, but an empty
    field never replaces a filled one. Merging the same texts again changes nothing.
    """
    labels = replace(
        old,
        categories=merge_labels(old.categories, new.categories),
        tags=merge_labels(old.tags, new.tags),
        history=new.history if old.history == NO_HISTORY else old.history,
    )
    if new.complete:
        return replace(
            labels,
            title=new.title,
            body=new.body,
            complete=True,
            published_on=old.published_on or new.published_on,
            takeaway=new.takeaway or (old.takeaway if old.takeaway not in new.body else ""),
            preview=new.preview or old.preview,
            teaser=new.teaser or (old.teaser if old.complete else ""),  # the beginning of an article is no teaser of it
            rules=old.rules if new.rules == NO_RULES else new.rules,
        )
    dated = replace(labels, published_on=old.published_on or new.published_on)
    return dated if old.complete else replace(dated, teaser=new.teaser or old.teaser)


def first_state(text: TipText, *, queue: bool) -> TipState:
    """The state of a new tip: archive if it was published before, unless the owner queues it again; otherwise fresh."""
    already_run = text.already_run or text.published_on is not None
    return TipState.ARCHIVE if already_run and not queue else TipState.FRESH


def state_by_history(tip: TipFull) -> TipState:
    """The state of a tip that is no longer retired: sent or archive if it ever ran, otherwise fresh."""
    if tip.card.last_sent_on:
        return TipState.SENT
    return first_state(tip.text, queue=False)
