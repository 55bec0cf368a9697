"""An approval is for the words that the owner has seen: it is void once the email says something else.

A tip that is edited loses its approval immediately (`Tips.rewrite`). Templates, settings, and the program itself change
without a word to the database, so the words of the email are compared before it is sent, and whenever somebody looks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date

from newsletter.domain.archive.entries import ArchiveLinks, Mention
from newsletter.domain.calendar.overrides import CHANGED, SlotOverride
from newsletter.domain.errors import NotFound, TemplateError
from newsletter.domain.site import Site
from newsletter.domain.tips.tip import TipFull
from newsletter.mail.compiled import sentinels
from newsletter.mail.words import digest_of_words
from newsletter.ports.rendering import Renderer
from newsletter.ports.store import Store

Words = Callable[[TipFull, date], str]
"""A digest of the words of the email about a tip in an issue of that day. Raises TemplateError."""

_KEY = "a-tip"
_LINKS = ArchiveLinks(Mention("one", "One"), Mention("two", "Two"), 10)


def words_of(renderer: Renderer, site: Site, tip: TipFull, slot: date) -> str:
    """The digest (see `mail.words`) of a sample without anything that changes by itself until the email is sent.

    That is its number, the key of its tip, the links to other tips, and everything about the subscriber. It renders an
    email, so call it outside of any transaction. Raises TemplateError.
    """
    rendered = renderer.issue(
        tip.dated(slot).text, tip_key=_KEY, number=1, slot=slot, recipient=sentinels("words"), archive_links=_LINKS
    )
    return digest_of_words(site, rendered)


def as_it_is(store: Store, words: Words, slot: date, override: SlotOverride | None) -> SlotOverride | None:
    """The override as it counts now: an approval is void if the email has other words. It writes nothing, and renders."""
    if override is None or not override.is_for_words:
        return override
    try:
        with store.read() as tx:
            tip = tx.tips.get(override.about)
        found = words(tip, slot)
    except (NotFound, TemplateError):  # then nothing can be sent anyway
        return override
    return override if found == override.words else replace(override, words=CHANGED)


def void_changed(store: Store, words: Words, slot: date) -> bool:
    """Make the approval of this slot void if the email has other words now, so that the owner gets a new preview.

    It stays void until she approves again, whatever changes back. True if it was made void. It renders.
    """
    with store.read() as tx:
        before = tx.calendar.overrides().get(slot)
    now = as_it_is(store, words, slot, before)
    if now is None or now == before:
        return False
    with store.write() as tx:
        if tx.calendar.overrides().get(slot) == before:
            tx.calendar.set_override(slot, now)
            tx.calendar.clear_notified("preview", only=f"{slot} {now.about}")
    return True
