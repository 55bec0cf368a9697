"""What the cells of other tools say about a subscriber: state words in seven languages, yes and no, and nothing.

The rule is that unknown never means consent: a word that is not in these lists is `UnknownState`, and the import stops.
The words come from the documented exports of Mailchimp, MailPoet, HubSpot, Brevo, Mautic, Sendy, AWeber, MailerLite,
Constant Contact, Wix, Kit, Substack, Buttondown, Ghost, listmonk, beehiiv, ActiveCampaign, Campaign Monitor,
GetResponse, Klaviyo, Omnisend, EmailOctopus, Drip, Shopify, and Squarespace, and from tables that people keep by hand.
"""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum


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


PLAN_WORDS = frozenset(words_of("regular premium gifted trialed free paid comp member normal ok valid"))
_WORDS = {
    SourceStatus.ACTIVE: """active subscribed enabled confirmed paused optedin optin implicit explicit express implied
        expressconsent impliedconsent doubleoptin singleoptin confirmedoptin doubleoptedin verified deliverable marketable
        marketingcontact permitted allowed granted accepted consented mailable subscriber
        aktiv abonniert abonnent angemeldet bestatigt bestaetigt eingetragen zugestimmt erlaubt
        actif abonne abonnee inscrit inscrite confirme confirmee
        activo activa suscrito suscrita subscrito subscrita inscrito inscrita confirmado confirmada
        attivo attiva iscritto iscritta confermato confermata
        actief ingeschreven geabonneerd aangemeld bevestigd
        ativo ativa assinante""",
    SourceStatus.UNCONFIRMED: """unconfirmed unactivated pending inactive notconfirmed notyetconfirmed unverified notverified
        awaitingconfirmation pendingconfirmation awaiting waiting validating needsattention invited unknown notset
        nopermissionsset permissionnotset nosubscriptionstatus softbounced softbounce softbounces temphold onhold
        unbestatigt unbestaetigt nichtbestatigt nichtbestaetigt ausstehend wartend inaktiv unbekannt
        nonconfirme nonconfirmee enattente inactif
        noconfirmado noconfirmada sinconfirmar pendiente inactivo inactiva
        nonconfermato nonconfermata inattesa inattivo inattiva
        onbevestigd nietbevestigd inafwachting inactief
        naoconfirmado naoconfirmada pendente inativo inativa""",
    SourceStatus.UNSUBSCRIBED: """unsubscribed unsubscribe unsubscribes unsub cancelled canceled removed disabled deleted optedout
        optout archived left expired nonsubscribed notsubscribed neversubscribed neveroptedin notoptedin transactional
        trash trashed donotcontact donotmail donotemail globallyunsubscribed globalunsubscribe excluded
        nonmarketingcontact declined denied revoked withdrawn noconsent notallowed notpermitted forgotten deactivated
        abgemeldet abbestellt ausgetragen gekundigt gekuendigt geloscht geloescht widerrufen widersprochen abgelehnt
        nichtabonniert nichtangemeldet ausgeschlossen deaktiviert
        desabonne desabonnee desinscrit desinscrite resilie resiliee supprime supprimee annule annulee desactive
        desactivee nonabonne nonabonnee noninscrit noninscrite refuse refusee
        baja debaja dadodebaja dadadebaja cancelado cancelada desuscrito desuscrita eliminado eliminada nosuscrito
        nosuscrita desactivado desactivada rechazado rechazada
        disiscritto disiscritta cancellato cancellata annullato annullata eliminato eliminata noniscritto noniscritta
        disattivato disattivata rifiutato rifiutata
        uitgeschreven afgemeld opgezegd verwijderd geannuleerd nietingeschreven
        descadastrado descadastrada removido removida excluido excluida naoinscrito naoinscrita desinscrito desinscrita
        desativado desativada anulado""",
    SourceStatus.CLEANED: """cleaned bounced bounce bounces undeliverable nondeliverable complained complaint complaints complainer
        blocklisted blacklisted blocked spam spammed suppressed hardbounced hardbounce hardbounces invalid rejected
        markedasspam spamcomplaint reportedspam reportedasspam abuse quarantined
        unzustellbar gesperrt blockiert ungultig ungueltig zuruckgewiesen zurueckgewiesen gebounct beschwerde
        rejete rejetee bloque bloquee invalide plainte indesirable nondelivrable
        rebotado rebotada rebote bloqueado bloqueada invalido invalida queja noentregable
        rimbalzato rimbalzata bloccato bloccata nonvalido reclamo
        geblokkeerd gebounced ongeldig onbestelbaar klacht
        devolvido devolvida rejeitado rejeitada retornado reclamacao""",
}
STATUS_BY_WORD = {word: was for was, words in reversed(_WORDS.items()) for word in words.split()}
STATUS_BY_WORD |= dict.fromkeys(PLAN_WORDS, SourceStatus.ACTIVE)
# A longer text may only make somebody stricter, never active: "Unsubscribed by the user", "Bounced (mailbox full)".
_STEMS = (
    (SourceStatus.UNCONFIRMED, re.compile(r"soft(?:ly)?bounc|notconfirm|unconfirm")),
    (
        SourceStatus.CLEANED,
        re.compile(r"bounc|complain|spam|bla?cklist|blocklist|suppress|undeliver|unzustellbar|rebota|rimbalz"),
    ),
    (
        SourceStatus.UNSUBSCRIBED,
        re.compile(r"unsub|opt(?:ed)?out|donot|desabonn|desinscri|abgemeld|abbestell|dadodebaja|disiscri|uitgeschrev"),
    ),
)
_NEGATED = re.compile(r"no|never|nicht|kein|jamais|nunca|niet|nao")
_GENERIC = "left removed expired archived deleted disabled transactional rejected trash excluded invalid blocked refuse reclamo"
CLEAR_WORDS = frozenset(
    word
    for word, status in STATUS_BY_WORD.items()
    if status in {SourceStatus.UNSUBSCRIBED, SourceStatus.CLEANED} and word not in _GENERIC.split()
)
"""Words that say in any column that somebody must not be emailed."""

_YES = frozenset(
    words_of("""true t yes y wahr ja j vrai oui o verdadero si s vero waar verdadeiro sim on x ok checked""")
)
_NO = frozenset(words_of("false f no n falsch nein faux non falso onwaar nee nao off unchecked"))
_NOTHING = frozenset(("", "null", "none", "nil", "na", "nan", "never", "empty", "undefined"))
_NUMBER = re.compile(r"[+-]?\d{1,4}(?:[.,]0+)?\Z")
_ZERO_TIME = re.compile(r"0{4}-0{2}-0{2}|0{2}[/.]0{2}[/.]0{4}")
_TIME = re.compile(
    r"\d{1,4}[-./]\d{1,2}[-./]\d{1,4}|\d{9,13}\Z|\d{8}(?:T\d|\Z)"
    r"|(?:\d{1,2}[. ]+[^\W\d]{3,10}[. ,]+\d{4})|(?:[^\W\d]{3,10}[. ]+\d{1,2}[, ]+\d{4})"
)
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


def fold(text: str) -> str:
    """Lower-case letters and digits only, without accents: "Désabonné(e)" becomes "desabonnee"."""
    if text.isascii():
        return re.sub(r"[^0-9a-z]", "", text.lower())
    return "".join(char for char in unicodedata.normalize("NFKD", text.casefold()) if char.isalnum())


def is_nothing(text: str) -> bool:
    """Is the cell empty, or as good as empty: "NULL", "N/A", a dash, or the zero time of MySQL?"""
    return (fold(text) in _NOTHING and text.strip(" ") not in {*_TICKS, *_CROSSES}) or bool(
        _ZERO_TIME.match(text.strip())
    )


def is_time(text: str) -> bool:
    """Does the cell look like a date or a time, even one that cannot be read for certain?"""
    return bool(_TIME.match(text.strip())) and not _ZERO_TIME.match(text.strip())


def yes_or_no(text: str) -> bool | None:
    """Yes or no, as Excel and people write it in seven languages; None if the cell says something else."""
    text = text.strip()
    if _NUMBER.match(text):
        number = float(text.replace(",", "."))
        return bool(number) if number in {0.0, 1.0} else None
    if text and text in _TICKS + _CROSSES:
        return text in _TICKS
    word = fold(text)
    return True if word in _YES else False if word in _NO else None


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
    return negative if any_text else _NO_ANSWER


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
