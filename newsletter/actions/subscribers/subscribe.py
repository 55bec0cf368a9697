"""Coming in: a sign-up by the form, or a reader the owner adds; confirms nobody (that is `confirm`)."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from datetime import datetime

from newsletter.actions.subscribers.erase import is_erased
from newsletter.domain.errors import Refused, UsageError
from newsletter.domain.subscribers.address import Address, parse_address
from newsletter.domain.subscribers.subscriber import UNSUBSCRIBED_ELSEWHERE, Consent, NewSubscriber, Subscriber
from newsletter.domain.subscribers.subscription import ON_THE_LIST, Status, may_send_confirmation
from newsletter.mail.tokens import Signer
from newsletter.ports.store import Store, Tx

MAX_NAME = 100
_NEVER_IN_A_NAME = {"Cc", "Cs", "Co", "Cn"}  # controls, lone surrogates, private and unassigned code points
_BIDI_CONTROLS = re.compile("[\u202a-\u202e\u2066-\u2069]")  # they turn round what stands beside the name
_LIKE_A_URL = re.compile(
    r"://|/|@|\bwww\.|(?<![\w.])(?!(?:dr|mr|mrs|ms|prof|st)\.)[\w-]{2,}\.[^\W\d_]{2,}", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Added:
    """What `add_subscriber` found or made; `changed` is False when all was so already."""

    status: Status
    address: str
    changed: bool


def clean_name(text: str) -> str:
    """One line of at most 100 characters without controls; "" for what a mail program would make a link of."""
    if len(text) <= MAX_NAME and text.isascii() and text.replace(" ", "").isalpha() and "  " not in text:
        return text.strip()  # most are so, and an import has a million
    if text.isascii() and text.isprintable():
        name = " ".join(text[: 10 * MAX_NAME].split())[:MAX_NAME].rstrip()
        return "" if _LIKE_A_URL.search(name) else name
    shown = "".join(
        " " if char.isspace() else char
        for char in unicodedata.normalize("NFC", text[: 10 * MAX_NAME])
        if char.isspace() or unicodedata.category(char) not in _NEVER_IN_A_NAME
    )
    name = " ".join(_BIDI_CONTROLS.sub("", shown).split())[:MAX_NAME].rstrip()
    return "" if _LIKE_A_URL.search(name) else name


def subscribe(tx: Tx, *, address: Address, name: str, form: str, origin: str, key: str, now: datetime) -> bool:
    """Take a sign-up; the caller answers the same whatever comes of it. Was a confirmation mail needed?

    form: the version of the words the visitor saw, kept as proof. origin: where the request came from.
    key: a fresh, unguessable subscriber key. At most one confirmation mail per address in 24 hours.
    For an address that gets none, the same rows are written and taken back: the time says as little as the answer.
    """
    name = clean_name(name)
    reader = tx.subscribers.by_address(address.key)
    suppressed = tx.suppressions.get(address.key)
    if (suppressed and suppressed.reason != UNSUBSCRIBED_ELSEWHERE) or not _may_mail(reader, now):
        _pretend(tx, name, form, origin, key, now)
        return False
    with tx.rolled_back():
        pass  # it takes as long as the one that `_pretend` needs
    reader = _pending(tx, reader, address, name=name, source=form, key=key, now=now)
    tx.subscribers.log_consent(reader.id, Consent(now, "signup", form, origin))
    ask_to_confirm(tx, reader, now)
    return True


def _pretend(tx: Tx, name: str, form: str, origin: str, key: str, now: datetime) -> None:
    nobody = Address(f"{key}@nobody.invalid", f"{key}@nobody.invalid")
    with tx.rolled_back():
        reader = _pending(tx, None, nobody, name=name, source=form, key=key, now=now)
        tx.subscribers.log_consent(reader.id, Consent(now, "signup", form, origin))
        tx.subscribers.change(reader.id, confirmation_mailed_at=now)
    tx.transactional.add(
        "confirm", nobody.text, {"subscriber_key": key, "signup_at": int(now.timestamp())}, now, wanted=False
    )


def add_subscriber(
    store: Store,
    signer: Signer,
    *,
    address_text: str,
    name: str,
    confirmed_source: str | None,
    key: str,
    now: datetime,
) -> Added:
    """Add a reader by hand: confirmed if `confirmed_source` says where the consent was given, else asked to confirm.

    Raises InputError, UsageError for an empty source, and Refused for a suppressed address, for one who left and for
    one who was erased.
    """
    address, name = parse_address(address_text), clean_name(name)
    if confirmed_source is not None and not confirmed_source.strip():
        raise UsageError("a confirmed reader needs a proof", fix='Say where they agreed: --source "paper list, 3 May"')
    with store.write() as tx:
        reader = tx.subscribers.by_address(address.key)
        if reader and reader.status in ON_THE_LIST and not reader.suppressed:
            return Added(reader.status, reader.address, changed=False)
        _check_may_be_added(tx, signer, reader, address)
        if confirmed_source is not None:
            return _import_confirmed(tx, reader, address, name=name, proof=confirmed_source.strip(), key=key, now=now)
        if not _may_mail(reader, now):
            return Added(Status.PENDING, address.text, changed=False)
        reader = _pending(tx, reader, address, name=name, source="command", key=key, now=now)
        tx.subscribers.log_consent(reader.id, Consent(now, "signup", "added by the owner"))
        ask_to_confirm(tx, reader, now)
        return Added(Status.PENDING, reader.address, changed=True)


def _may_mail(reader: Subscriber | None, now: datetime) -> bool:
    if reader is None:
        return may_send_confirmation(None, None, now)
    return may_send_confirmation(reader.status, reader.confirmation_mailed_at, now)


def _pending(
    tx: Tx, reader: Subscriber | None, address: Address, *, name: str, source: str, key: str, now: datetime
) -> Subscriber:
    if reader is None:
        return tx.subscribers.add(NewSubscriber(address, name, key, Status.PENDING, source, signup_at=now), now)
    tx.subscribers.sign_up_again(reader.id, name, now)
    return replace(reader, signup_at=now, status=Status.PENDING)


def ask_to_confirm(tx: Tx, reader: Subscriber, now: datetime, *, kind: str = "confirm") -> None:
    """Queue the mail that asks for a confirmation of the reader's sign-up; kind: confirm or remind."""
    values = {"subscriber_key": reader.key, "signup_at": int(reader.signup_at.timestamp())}
    tx.transactional.add(kind, reader.address, values, now)
    tx.subscribers.change(reader.id, confirmation_mailed_at=now)


def _check_may_be_added(tx: Tx, signer: Signer, reader: Subscriber | None, address: Address) -> None:
    if is_erased(tx, signer, address.key):
        raise Refused(f"{address.text} was erased at their wish", fix="Only they can come back: by the sign-up form")
    if found := tx.suppressions.get(address.key):
        raise Refused(
            f"{address.text} is suppressed ({found.reason})",
            fix=f"If that was a mistake: newsletter suppressions remove {address.text}",
        )
    if reader and has_unsubscribed(reader):
        raise Refused(f"{reader.address} has left", fix="Only they can come back: by the sign-up form")


def has_unsubscribed(reader: Subscriber) -> bool:
    """Did they leave, and not come back by their own word? A sign-up alone may be anybody's."""
    return reader.left_at is not None and reader.status not in ON_THE_LIST


def _import_confirmed(
    tx: Tx, reader: Subscriber | None, address: Address, *, name: str, proof: str, key: str, now: datetime
) -> Added:
    if reader is None:
        new = NewSubscriber(address, name, key, Status.CONFIRMED, "import", signup_at=now, confirmed_at=now)
        reader = tx.subscribers.add(new, now)
    else:
        tx.subscribers.set_status(reader.id, Status.CONFIRMED, now)
    tx.subscribers.log_consent(reader.id, Consent(now, "import", proof))
    return Added(Status.CONFIRMED, reader.address, changed=True)
