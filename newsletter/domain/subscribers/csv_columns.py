"""Understand the columns of other newsletter tools by their titles.

A column has one of these uses. The first rule that fits decides.

1. The owner said `--ignore-column`: it is not used.
2. A title in one of the lists below: an address, a name, a time, an IP address, or a column of our own exports.
3. A title that speaks of bounces or complaints, of unsubscribing, of a confirmation, of a state, or of an agreement, in
   one of many languages: it is a state column, and `csv_states` reads its cells. All state columns of a file count, and
   the strictest wins. A cell that is not understood stops the import, which names the column and the cell.
4. Everything else is not used; every run lists those columns. If their cells turn out to be state words, the import
   stops as well.

An empty cell in a column of states, agreements or confirmations is no agreement. Such a row is unconfirmed, unless
another column or a confirmation time says otherwise.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial

from newsletter.domain.subscribers.csv_states import (
    SourceStatus,
    Topic,
    UnknownState,
    fold,
    read_state,
    strictest,
    words_of,
)

EMAIL = words_of("""email emailaddress address mail subscriberemail emailadresse mailadresse adresseemail adressemail
    adressedemessagerie courriel correo correoelectronico direcciondecorreo direcciondecorreoelectronico
    indirizzoemail indirizzodiposta postaelettronica emailadres mailadres enderecodeemail emailaddress1 email1
    email1value email1address primaryemail primaryemailaddress contactemail useremail subscriber emails""")
NAME = words_of(
    """name fullname displayname vollername nomcomplet nombrecompleto nomecompleto volledigenaam contactname filteas"""
)
FIRST = words_of("""first firstname givenname fname vorname prenom nombre nombres nome voornaam primeironome""")
LAST = words_of("""last lastname surname familyname lname nachname familienname nom nomdefamille apellido apellidos cognome
    achternaam sobrenome""")
SIGNED_UP = words_of("""optintime createdat creationdate signupdate subscribedat startdate dateadded joinedat signupat
    subscriptiontime subscriptiondate signuptime createdate created addedat addedtime addedon subscribedon
    datesubscribed optindate subscribedate subscribersince registrationdate registered registeredat registeredon
    registriert registriertam erstelltam erstellt angemeldetam anmeldedatum dateinscription dateajout fechadealta""")
CONFIRMED = words_of(
    """confirmtime confirmedat confirmationdate confirmationtime confirmdate confirmedon bestatigtam"""
)
UNSUBSCRIBED_AT = words_of("""unsubtime unsubscriptiondate unsubscribedat deletedat cancelledat unsubscribedate unsubscribetime
    unsubscribedon""")
CONFIRM_IP = words_of("""confirmip confirmationip ipconfirm confirmedip optinip signupip subscriptionip ipaddress ip""")
PAUSED, FREQUENCY, RECORD = ("pauseduntil",), ("pace",), ("tiprecord",)  # our own exports
BUTTONDOWN = ("type", "subscribertype")  # too common a name, except beside the other columns of Buttondown
_HARMLESS = frozenset(
    words_of("""activesubscription activesubscriptions subscriberid subscriptionid subscriberkey subscriptiontype
    subscriptionplan subscribername subscribertype subscriptiontypes subscriptiontier subscriptionsource
    subscribersource""")
)
_WAITS = (
    r"pending|awaiting|unconfirm|(?:not|non|no|never|nicht|niet|nao|sin)(?:yet)?(?:confirm|verif|bestat|bevestig|conferm)|unverif"
    r"|unbest[aä]t|onbevestig|ausstehend|enattente|pendient|pendente|inattesa"
)
_NOT = r"^(?:no|not|non|never|kein|keine|keinen|nicht|nie|geen|niet|sans|sin|sem|nao|inte|ikke|ingen|bez|nechce|не|нет|без)$"
_TITLES = {
    Topic.BOUNCED: rf"{_WAITS}|bounc|complain|spam(?!filter)|undeliver|suppress|quarantin|clean|invalid|unzustellbar|ungultig"
    r"|rebot|rejet|rimbalz|beschwerde|plainte|queja|reclam|klacht|abuse|onhold|^hold|^held|junk|^npai",
    Topic.OPTED_OUT: r"unsub|opt(?:ed|s|ing)?out|donot|dont(?:contact|mail|email|send)|nomail|noemail|nocontact|bla?cklist"
    r"|blocklist|blocked|revok|withdr[ae]w|exclude|disabled|deleted|removed|cancel|inactive|wypis|rezygn|odhlas|avregist|avprenum|avmeld|afmeld|peruut|отпис|解除|停止|退订|退会|austritt|deactivat|neveremail"
    r"|abgemeld|abmeld|abbestell|ausgetragen|kundig|kuendig|gesperrt|widerruf|widerspr|geloscht|geloescht|inaktiv|keinewerbung"
    r"|keinemail|deaktiv|desabonn|desinscri|bloqu|resili|supprim|nepascontacter|desuscri|darsedebaja|^baja|baja$|eliminad|^stop(?:time|date)|disable|refus|ablehn|abgelehnt"
    r"|verweiger|rechaz|rifiut|weiger|disagree|unmail|unreach|banned|deceased|verstorben|decede|falleci|decedut|overleden|molest"
    r"|disturb|listanegra|listenoire|seminteresse|geenmail|sperr|ausgetreten|radie|^remove|^delete|^trash|archived|^dn[ce]$"
    r"|^mute|iptal|unwant|unerwunsch|whyleft|leaving|^stop|stopped|stopp$|beendet|declined|denied|拒否|不可|不要|不同意|отказ"
    r"|disiscri|blocca|annullat|uitgeschre|uitschrij|afgemeld|opgezegd|geblokk|verwijderd|descadast|removid",
    Topic.CONFIRMED: r"confirm|verified|verific|doubleopt|^doi|bestatig|bestaetig|conferm|bevestig|^activated|^activation|^aktiviert"
    r"|freigeschaltet|potwierdz|bekraft|bekraeft|bekreft|vahvist|potvrz|подтвер|onaylandi|確認|确认",
    Topic.STATUS: r"status|statut|estado|^stato|stato$|^etat|zustand|situacao|situation|deliverab|^stan$|^stav$|статус|состояни"
    r"|durum|^tila$|^tilstand|ステータス|状態|状态|상태|κατασταση",
    Topic.AGREED: r"subscri|optin|optedin|consent|permission|gdpr|dsgvo|rgpd|accepts|agree|marketing|newsletter|infolettre"
    r"|boletin|einwillig|zustimm|angemeld|abonn|inscri|suscri|iscri|consenso|ingeschre|toestemming|aangemeld|assinante"
    r"|subscri|^active$|^isactive$|^aktiv$|^actif$|^activo$|^attivo$|^ativo$|^actief$|^enabled$|mailable|^opt$"
    r"|^sends?$|^sendto|^sendemail|^mailings?$|^onlist|^onthelist|^inlist|^wants|^wishes|^gets|^receives?|toreceive|^allow"
    r"|contactable|accett|accept|acept|aceit|akzept|^erhalt"
    r"|^mochte|empfang|recevoir|recibir|ricevere|ontvangen|receber|versand|подпис|購読|配信|订阅|구독"
    r"|samtyk|samtyck|souhlas|^zgod|соглас|^izin|^riza|同意|メルマガ|rassyl|рассыл|^nl$|^nljanein|^abo$|emailerlaubt|contactallowed"
    r"|mailok|mailsok|consent|sendme|keepme|stayin|emailme|mailme|wouldyoulike|gewunscht|erwunscht|emailnotif|emailvalid|validemail",
}
_TOPICS = tuple((topic, re.compile(pattern)) for topic, pattern in _TITLES.items())
# The state of something else. "Email status", "Subscription status" and the like are not among them.
_OTHER_SUBJECTS = re.compile(
    r"(?:order|payment|financial|fulfil+ment|marital|employment|ticket|attendee|relationship|billing|shipping"
    r"|invoice|civil|project|tax|rsvp)\w*(?:status|state)|zivilstand|familienstand|estadocivil|statocivile|etatcivil"
)
_PERMISSION = re.compile(
    r"^(?:ok(?:ay)?to|okfor|can(?:i|we)?|may(?:i|we)?|allow(?:ed)?to|wants?|wishesto)(?:be)?(?:e?mail|contact)"
)
_ROLES = frozenset(words_of("role roles userrole userroles wprole wproles"))
_TOKENS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W_A-Za-z\d]+")
_TIMES = frozenset(words_of("time date at on datum since timestamp fecha data heure zeit zeitpunkt dato"))
_REASONS = frozenset(
    words_of(
        """reason reasons campaign title comment cause by why mode modo modus grund motif motivo reden via code type id source origin method"""
    )
)
_INDIFFERENT = frozenset(
    words_of("""id ip source url link plan key uuid page form method country city count name email mail language timezone tier
    zip text description wording version""")
)
_BY = frozenset(words_of("to by via per for receive receiving"))  # "Consent to email" is no address
_NEGATION = re.compile(_NOT)
_ENDS = frozenset(words_of("end ends ended until bis expires expired expiry expiration"))
_OTHER_CHANNELS = frozenset(words_of("sms phone whatsapp push mobile telefon postal call calls tel viber"))
_KNOWN = frozenset((*SIGNED_UP, *CONFIRMED, *CONFIRM_IP, *EMAIL, *NAME))


@dataclass(frozen=True, slots=True)
class StateColumn:
    """A column that says who may get email. any_text, soft: see `read_state`."""

    index: int
    title: str
    topic: Topic
    any_text: bool = False
    soft: bool = False

    def read(self, cell: str) -> SourceStatus | None:
        """The status that the cell says; None if it says nothing. Raises UnknownState."""
        return read_state(self.topic, cell, any_text=self.any_text, soft=self.soft)

    @property
    def must_speak(self) -> bool:
        """Does an empty cell mean that nobody knows?"""
        return self.topic in {Topic.STATUS, Topic.AGREED, Topic.CONFIRMED}


class UnknownCell(Exception):
    """A cell of a state column that is not understood."""

    def __init__(self, column: StateColumn, word: str) -> None:
        super().__init__(word)
        self.column, self.word = column, word


@dataclass(frozen=True, slots=True)
class Columns:
    """The index of each column in a row; -1 if there is none. Readers of a row append an empty cell, which -1 then finds.

    unused: (index, title) of each column without a use. is_plain: a list without a header row, or with addresses only.
    ignored: the folded titles that must not be used.
    """

    address: int
    first: int = -1  # the name, or its first part
    last: int = -1
    signup: int = -1
    confirmed: int = -1
    left: int = -1
    paused: int = -1
    pace: int = -1
    ip: int = -1
    record: int = -1
    states: tuple[StateColumn, ...] = ()
    unused: tuple[tuple[int, str], ...] = ()
    titles: tuple[str, ...] = ()
    is_plain: bool = False
    ignored: frozenset[str] = frozenset()

    @property
    def is_headless(self) -> bool:
        """Was there no header row?"""
        return self.is_plain and self.titles[self.address].startswith("column ")

    @property
    def required(self) -> tuple[int, ...]:
        """The columns that every row needs, since an empty cell in them is an answer of its own."""
        return tuple(column.index for column in self.states if column.must_speak)

    @property
    def evidence(self) -> str:
        """The title of the column that proves confirmations; "" without one."""
        return self.titles[self.confirmed] if self.confirmed >= 0 else ""

    def status_reader(self) -> Callable[[Sequence[str], bool], str]:
        """A function of the cells of a row, and of whether it has a confirmation time, which answers for silent columns.

        It returns a value of `SourceStatus`, the strictest of all state columns, and raises UnknownCell. Few
        combinations occur, so they are cached.
        """
        indexes = [column.index for column in self.states]
        cached = lru_cache(2000)(partial(_status_of, self.states))
        return lambda cells, proven: cached(tuple(cells[at] for at in indexes), proven)


def _status_of(states: Sequence[StateColumn], cells: Sequence[str], proven: bool) -> str:  # noqa: FBT001 - cached
    said = [SourceStatus.ACTIVE] if proven else []
    silent = False
    for column, cell in zip(states, cells, strict=True):
        try:
            found = column.read(cell)
        except UnknownState as error:
            raise UnknownCell(column, error.word) from None
        if found is None:
            silent = silent or column.must_speak
        else:
            said.append(found)
    if not said:
        return (SourceStatus.UNCONFIRMED if silent else SourceStatus.ACTIVE).value
    return strictest(said).value


def find_columns(header: Sequence[str], ignored: Collection[str] = ()) -> Columns | None:
    """The columns of a header row; None if there is no address column. ignored: titles that must not be used."""
    shown = [title.strip() for title in header]
    skipped = frozenset(map(fold, ignored))
    folded = ["" if fold(title) in skipped else fold(title) for title in shown]

    def find(names: Sequence[str]) -> int:
        return next((folded.index(name) for name in names if name in folded), -1)

    address = find(EMAIL)
    if address < 0:
        address = next((at for at, title in enumerate(shown) if folded[at] and _is_address_title(title)), -1)
    if address < 0:
        return None
    first, last = (find(NAME), -1) if find(NAME) >= 0 else (find(FIRST), find(LAST))
    states = tuple(_state_columns(shown, folded, address))
    found = Columns(
        address,
        first=first,
        last=last,
        signup=_times(find(SIGNED_UP), Topic.AGREED, shown, folded, states),
        confirmed=_times(find(CONFIRMED), Topic.CONFIRMED, shown, folded, states),
        left=_times(find(UNSUBSCRIBED_AT), Topic.OPTED_OUT, shown, folded, states),
        paused=find(PAUSED),
        pace=find(FREQUENCY),
        ip=find(CONFIRM_IP),
        record=find(RECORD),
        states=states,
        titles=tuple(shown),
        ignored=skipped,
    )
    return _with_unused(found)


def columns_without_header(cells: Sequence[str], ignored: Collection[str] = ()) -> Columns | None:
    """The columns of a file without a header row, whose first row has an address already; None if it has none."""
    at = next((at for at, cell in enumerate(cells) if "@" in cell), -1)
    if at < 0:
        return None
    titles = tuple(f"column {number}" for number in range(1, len(cells) + 1))
    others = ((other, titles[other]) for other, cell in enumerate(cells) if other != at and "@" not in cell)
    skipped = frozenset(map(fold, ignored))
    return Columns(at, titles=titles, unused=tuple(others), is_plain=True, ignored=skipped)


def _with_unused(found: Columns) -> Columns:
    used = {found.address, found.first, found.last, found.signup, found.confirmed, found.left, found.paused, found.pace}
    used |= {found.record} | (
        {found.titles.index("source")} if found.record >= 0 and "source" in found.titles else set()
    )
    used |= {found.ip} if found.confirmed >= 0 else set()
    used |= {column.index for column in found.states}
    unused = tuple((at, title or f"column {at + 1}") for at, title in enumerate(found.titles) if at not in used)
    return replace(found, unused=unused, is_plain=len(found.titles) == 1)


def _times(at: int, topic: Topic, shown: Sequence[str], folded: Sequence[str], states: Sequence[StateColumn]) -> int:
    """A column of times: the known one, else one such as "Double opt-in date", else a state column that may hold times.

    In exports of MailerLite, "Subscribed" holds times.
    """
    if at >= 0:
        return at
    for other, title in enumerate(shown):
        if folded[other] and _subject(title) is topic and set(_tokens(title)[-1:]) & _TIMES:
            return other
    return next((one.index for one in states if one.topic is topic and not one.soft), -1)


def _is_address_title(title: str) -> bool:
    word = fold(title)
    is_about_email = re.search(r"e?mail|courriel|correo|epost", word) and topic_of(title) is None
    return bool(is_about_email) and not (
        set(_tokens(title)) & (_INDIFFERENT - {"email", "mail"} | {"type", "label", "list"})
    )


def _state_columns(shown: Sequence[str], folded: Sequence[str], address: int) -> list[StateColumn]:
    from_buttondown = bool({"creationdate", "unsubscriptiondate"} & set(folded))
    columns = []
    for at, title in enumerate(shown):
        if at == address or not folded[at] or (title.lower() == "cancel date" and "stripeplan" in folded):
            continue
        topic = topic_of(title)
        if topic is None and folded[at] in EMAIL and title.rstrip().endswith("?"):  # "Mail?" beside "Email"
            topic = Topic.AGREED
        if topic is None and from_buttondown and folded[at] in BUTTONDOWN:
            topic = Topic.STATUS
        if topic:
            tokens = _tokens(title)
            negative = topic in {Topic.OPTED_OUT, Topic.BOUNCED}
            any_text = negative and (bool(set(tokens) & (_TIMES | _REASONS)) or "reason" in folded[at])
            soft = topic is Topic.BOUNCED and ("soft" in tokens or bool(re.search(_WAITS, folded[at])))
            columns.append(StateColumn(at, title, topic, any_text, soft))
    return columns


@lru_cache(500)
def topic_of(title: str) -> Topic | None:
    """What a column says about who may get email, by its title; None if it is about something else."""
    word = fold(title)
    if word in {"state", "estado"}:
        return Topic.PLACE
    if not word or word in _HARMLESS or word in _KNOWN or _OTHER_SUBJECTS.search(word):
        return None
    if _PERMISSION.match(word):
        return Topic.AGREED
    topic = _subject(title)
    if topic in {Topic.OPTED_OUT, Topic.BOUNCED, Topic.STATUS}:
        return topic
    *before, last = ["", *_tokens(title)]
    if last in _TIMES | _INDIFFERENT and not (before[-1] in _BY and last in {"email", "mail"}):
        return None
    return topic


def is_about_something_else(title: str) -> bool:
    """Does a column have state words that say nothing about email: other channels, or the roles of users?"""
    tokens = set(_tokens(title))
    return fold(title) in _ROLES or (bool(tokens & _OTHER_CHANNELS) and not tokens & {"email", "mail"})


def _subject(title: str) -> Topic | None:
    tokens = set(_tokens(title))
    if is_about_something_else(title):
        return None
    word = fold(title)
    found = next((topic for topic, pattern in _TOPICS if pattern.search(word)), None)
    found = Topic.AGREED if found is None and "opt" in tokens else found
    # "No newsletter" and "Kein Newsletter" turn the answer round. "No. of newsletters" is about numbers.
    if found is Topic.AGREED and _NEGATION.match(next(iter(_tokens(title)), "")) and "of" not in tokens:
        return Topic.OPTED_OUT
    # A date below "Subscription ends" may be in the past or not, so that it must not be taken for a yes.
    return Topic.PLACE if found is Topic.AGREED and tokens & _ENDS else found


def _tokens(title: str) -> list[str]:
    plain = "".join(char for char in unicodedata.normalize("NFKD", title) if not unicodedata.combining(char))
    return [token.lower() for token in _TOKENS.findall(plain)]
