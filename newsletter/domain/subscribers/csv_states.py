"""What the cells of other tools say about a subscriber: state words in many languages, yes and no, and nothing.

The rule is that unknown never means consent: a word that is not in these lists is `UnknownState`, and the import stops.
The words come from the documented exports of Mailchimp, MailPoet, HubSpot, Brevo, Mautic, Sendy, AWeber, MailerLite,
Constant Contact, Wix, Kit, Substack, Buttondown, Ghost, listmonk, beehiiv, ActiveCampaign, Campaign Monitor,
GetResponse, Klaviyo, Omnisend, EmailOctopus, Drip, Shopify, and Squarespace, and from tables that people keep by hand.
"""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum

from newsletter.domain.subscribers.state_words import (
    ACTIVE_WORDS,
    CLEANED_WORDS,
    NO_WORDS,
    NOTHING_WORDS,
    UNCONFIRMED_WORDS,
    UNSUBSCRIBED_WORDS,
    YES_WORDS,
)


class SourceStatus(StrEnum):
    """The status of a subscriber in the tool that wrote the file; the order is from the least strict to the strictest."""

    ACTIVE = "active"
    UNCONFIRMED = "unconfirmed"
    UNSUBSCRIBED = "unsubscribed"
    CLEANED = "cleaned"  # the address bounced, complained or was blocked


STRICTNESS = {status: rank for rank, status in enumerate(SourceStatus)}


class Topic(StrEnum):
    """What a column is about, which decides what yes, no, and an empty cell mean in it."""

    STATUS = "status"  # words only
    AGREED = "agreed"  # no: unsubscribed; empty: nobody knows
    CONFIRMED = "confirmed"  # no: unconfirmed; empty: nobody knows
    OPTED_OUT = "opted out"  # yes, a time, or a reason: unsubscribed
    BOUNCED = "bounced"  # yes, a time, or a reason: cleaned
    PLACE = "place"  # "State" may be Texas


class UnknownState(Exception):
    """A cell that is not understood. word: what it says."""

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


def words_of(text: str) -> tuple[str, ...]:
    """The words of a list in this package."""
    return tuple(text.split())


def fold(text: str) -> str:
    """Lower-case letters and digits only, without accents: "Désabonné(e)" becomes "desabonnee"."""
    if text.isascii():
        return re.sub(r"[^0-9a-z]", "", text.lower())
    return "".join(char for char in unicodedata.normalize("NFKD", text.casefold()) if char.isalnum())


PLAN_WORDS = frozenset(
    words_of(
        """regular premium gifted trialed trial free paid comp member normal ok valid churning churned pastdue upcoming"""
    )
)
_WORDS = {
    SourceStatus.ACTIVE: ACTIVE_WORDS,
    SourceStatus.UNCONFIRMED: UNCONFIRMED_WORDS,
    SourceStatus.UNSUBSCRIBED: UNSUBSCRIBED_WORDS,
    SourceStatus.CLEANED: CLEANED_WORDS,
}
STATUS_BY_WORD = {fold(word): was for was, words in reversed(_WORDS.items()) for word in words.split()}
STATUS_BY_WORD |= dict.fromkeys(map(fold, PLAN_WORDS), SourceStatus.ACTIVE)
# A longer text may only make somebody stricter, never active: "Unsubscribed by the user", "Bounced (mailbox full)".
_STEMS = (
    (
        SourceStatus.UNCONFIRMED,
        re.compile(r"soft(?:ly)?bounc|notconfirm|unconfirm|nichtbestat|nonconfirm|noconfirm|nietbevestig"),
    ),
    (
        SourceStatus.CLEANED,
        re.compile(
            r"bounc|complain|spam|bla?cklist|blocklist|suppress|undeliver|unzustellbar|rebota|rimbalz|invalid|junk"
        ),
    ),
    (
        SourceStatus.UNSUBSCRIBED,
        re.compile(r"unsub|opt(?:ed)?out|donot|desabonn|desinscri|abgemeld|abbestell|dadodebaja|disiscri|uitgeschrev"),
    ),
)
_NEGATED = re.compile(r"no|never|nicht|kein|jamais|nunca|niet|nao")
_GENERIC = """left removed expired archived deleted disabled transactional rejected trash excluded invalid blocked refuse reclamo
    held dropped reported"""
CLEAR_WORDS = frozenset(
    word
    for word, status in STATUS_BY_WORD.items()
    if status in {SourceStatus.UNSUBSCRIBED, SourceStatus.CLEANED} and word not in _GENERIC.split()
)
"""Words that say in any column that somebody must not be emailed."""

_YES, _NO = (frozenset(map(fold, words.split())) for words in (YES_WORDS, NO_WORDS))
_NOTHING = frozenset(("", *words_of(NOTHING_WORDS)))
_SENTENCE = re.compile(r"([^\W\d_]+)[\s,.;:!]+(.*)", re.DOTALL)
_SENTENCE_YES = frozenset(words_of("yes ja oui si sim tak"))
_SENTENCE_NO = frozenset(words_of("no nein non nee nao nie"))
_BUT = re.compile(r"\b(?:not?|but|except|only|nicht|kein|aber|nur|pas|mais|pero|sin|ma|maar|niet|mas)", re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?\d{1,4}(?:[.,]0+)?\Z")
_ZERO_TIME = re.compile(r"0{4}-0{2}-0{2}|0{2}[/.]0{2}[/.]0{4}")
_TIME = re.compile(
    r"\d{1,4}[-./]\d{1,2}[-./]\d{1,4}|\d{9,13}\Z|\d{8}(?:T\d|\Z)"
    r"|(?:\d{1,2}[. ]+[^\W\d]{3,10}[. ,]+\d{4})|(?:[^\W\d]{3,10}[. ]+\d{1,2}[, ]+\d{4})"
)
_MARK = re.compile(r"\[[A-Z?]\]")  # Mailman: "[U]" by the user, "[B]" after bounces, "[A]" by an administrator
_TICKS = "\u2713\u2714\u2611\u2705"
_CROSSES = "\u2717\u2718\u2610\u274c"
_PLACES = frozenset(
    words_of("""alabama alaska arizona arkansas california colorado connecticut delaware florida georgia hawaii idaho illinois
    indiana iowa kansas kentucky louisiana maine maryland massachusetts michigan minnesota mississippi missouri
    montana nebraska nevada newhampshire newjersey newmexico newyork northcarolina northdakota ohio oklahoma
    oregon pennsylvania rhodeisland southcarolina southdakota tennessee texas utah vermont virginia washington
    westvirginia wisconsin wyoming districtofcolumbia washingtondc puertorico guam ontario quebec britishcolumbia
    alberta manitoba saskatchewan novascotia newbrunswick newfoundland newfoundlandandlabrador princeedwardisland
    yukon nunavut northwestterritories newsouthwales queensland victoria tasmania southaustralia westernaustralia
    northernterritory bayern badenwurttemberg berlin brandenburg bremen hamburg hessen niedersachsen
    nordrheinwestfalen rheinlandpfalz saarland sachsen sachsenanhalt schleswigholstein thuringen
    mecklenburgvorpommern""")
)


def is_nothing(text: str) -> bool:
    """Is the cell empty, or as good as empty: "NULL", "N/A", a dash, or the zero time of MySQL?"""
    return (fold(text) in _NOTHING and text.strip(" ") not in {*_TICKS, *_CROSSES}) or bool(
        _ZERO_TIME.match(text.strip())
    )


def is_time(text: str) -> bool:
    """Does the cell look like a date or a time, even one that cannot be read for certain?"""
    return bool(_TIME.match(text.strip())) and not _ZERO_TIME.match(text.strip())


def yes_or_no(text: str) -> bool | None:
    """Yes or no, as Excel and people write it; None if the cell says something else."""
    text = text.strip()
    if _NUMBER.match(text):
        number = float(text.replace(",", "."))
        return bool(number) if number in {0.0, 1.0} else None
    if text and text in _TICKS + _CROSSES:
        return text in _TICKS
    word = fold(text)
    return True if word in _YES else False if word in _NO else None


def yes_or_no_sentence(text: str) -> bool | None:
    """The same for a sentence, such as "Yes, please!"; None if it says more than that. "No" at the start is always no."""
    found = _SENTENCE.match(text.strip())
    word = fold(found[1]) if found else ""
    if found and word in _SENTENCE_YES and not _BUT.search(found[2]):
        return True
    return False if word in _SENTENCE_NO else None


def read_state(topic: Topic, text: str, *, any_text: bool = False, soft: bool = False) -> SourceStatus | None:
    """The status that one cell says; None if it says nothing.

    any_text: the column gives reasons or times, so any content means that it happened. soft: it is about soft bounces,
    which are no proof that the mailbox is gone. Raises UnknownState.
    """
    if is_nothing(text):
        return None
    negative = {Topic.OPTED_OUT: SourceStatus.UNSUBSCRIBED, Topic.BOUNCED: SourceStatus.CLEANED}.get(topic)
    if negative is SourceStatus.CLEANED and soft:
        negative = SourceStatus.UNCONFIRMED
    if negative and (found := _read_negative(negative, text, any_text=any_text)) is not _NO_ANSWER:
        return found if isinstance(found, SourceStatus) else None
    if topic in {Topic.AGREED, Topic.CONFIRMED}:
        answer = True if is_time(text) else yes_or_no(text)
        if answer is None and fold(text) not in STATUS_BY_WORD:
            answer = yes_or_no_sentence(text)
        if answer is not None:
            no = SourceStatus.UNSUBSCRIBED if topic is Topic.AGREED else SourceStatus.UNCONFIRMED
            return SourceStatus.ACTIVE if answer else no
    if topic is Topic.PLACE and (re.fullmatch(r"[A-Z]{2,3}", text.strip()) or fold(text) in _PLACES):
        return None
    return _read_word(text)


_NO_ANSWER = object()


def _read_negative(negative: SourceStatus, text: str, *, any_text: bool) -> object:
    """The status if the cell says yes, None if it says no, and _NO_ANSWER for another word."""
    answer = yes_or_no(text)
    if answer is not None:
        return negative if answer else None
    if is_time(text):
        return negative
    if negative is SourceStatus.UNSUBSCRIBED and _NUMBER.match(text.strip()):  # Mautic: 1, 2 and 3 are reasons
        return negative
    if _NUMBER.match(text.strip()):  # how often their mailbox refused an email, which may have been full
        return SourceStatus.UNCONFIRMED
    return negative if any_text or _MARK.fullmatch(text.strip()) else _NO_ANSWER


def _read_word(text: str) -> SourceStatus:
    word = fold(text)
    if word in STATUS_BY_WORD:
        return STATUS_BY_WORD[word]
    if not _NEGATED.match(word):
        for status, stem in _STEMS:
            if stem.search(word):
                return status
    raise UnknownState(text.strip()[:80])


def strictest(found: list[SourceStatus]) -> SourceStatus:
    """The strictest of several."""
    return max(found, key=STRICTNESS.__getitem__)
