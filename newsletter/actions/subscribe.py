"""Coming in: a sign-up by the form, or a reader the owner adds; confirms nobody (that is `confirm`)."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime

from newsletter.domain.address import Address, parse_address
from newsletter.domain.errors import Refused, UsageError
from newsletter.domain.people import Consent, NewReader, Reader
from newsletter.domain.ports import Store, Tx
from newsletter.domain.subscription import Status, may_mail_confirmation

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
    shown = "".join(
        " " if char.isspace() else char
        for char in unicodedata.normalize("NFC", text[: 10 * MAX_NAME])
        if char.isspace() or unicodedata.category(char) not in _NEVER_IN_A_NAME
    )
    name = " ".join(_BIDI_CONTROLS.sub("", shown).split())[:MAX_NAME].rstrip()
    return "" if _LIKE_A_URL.search(name) else name


def subscribe(store: Store, *, address_text: str, name: str, form: str, origin: str, key: str, now: datetime) -> None:
    """Take a sign-up; the caller answers the same whatever comes of it. Raises InputError for what is no address.

    form: the version of the words the visitor saw, kept as proof. origin: where the request came from.
    key: a fresh, unguessable subscriber key. One transaction; at most one confirmation mail per address in 24 hours.
    """
    address, name = parse_address(address_text), clean_name(name)
    with store.write() as tx:
        reader = tx.subscribers.by_address(address.key)
        if tx.suppressions.get(address.key) or not _may_mail(reader, now):
            return
        reader = _pending(tx, reader, address, name=name, source=form, key=key, now=now)
        tx.subscribers.log_consent(reader.id, Consent(now, "signup", form, origin))
        _ask_to_confirm(tx, reader, now)


def add_subscriber(
    store: Store, *, address_text: str, name: str, confirmed_source: str | None, key: str, now: datetime
) -> Added:
    """Add a reader by hand: confirmed if `confirmed_source` says where the consent was given, else asked to confirm.

    Raises InputError, UsageError for an empty source, and Refused for a suppressed address or for one who left.
    """
    address, name = parse_address(address_text), clean_name(name)
    if confirmed_source is not None and not confirmed_source.strip():
        raise UsageError("a confirmed reader needs a proof", fix='Say where they agreed: --source "paper list, 3 May"')
    with store.write() as tx:
        reader = tx.subscribers.by_address(address.key)
        if reader and reader.status in (Status.CONFIRMED, Status.PAUSED) and not reader.suppressed:
            return Added(reader.status, reader.address, changed=False)
        _refuse_the_unwilling(tx, reader, address)
        if confirmed_source is not None:
            return _import_confirmed(tx, reader, address, name=name, proof=confirmed_source.strip(), key=key, now=now)
        if not _may_mail(reader, now):
            return Added(Status.PENDING, address.text, changed=False)
        reader = _pending(tx, reader, address, name=name, source="command", key=key, now=now)
        tx.subscribers.log_consent(reader.id, Consent(now, "signup", "added by the owner"))
        _ask_to_confirm(tx, reader, now)
        return Added(Status.PENDING, reader.address, changed=True)


def _may_mail(reader: Reader | None, now: datetime) -> bool:
    if reader is None:
        return may_mail_confirmation(None, None, now)
    return may_mail_confirmation(reader.status, reader.confirmation_mailed_at, now)


def _pending(
    tx: Tx, reader: Reader | None, address: Address, *, name: str, source: str, key: str, now: datetime
) -> Reader:
    if reader is None:
        return tx.subscribers.add(NewReader(address, name, key, Status.PENDING, source, signup_at=now), now)
    tx.subscribers.sign_up_again(reader.id, name, now)
    return reader


def _ask_to_confirm(tx: Tx, reader: Reader, now: datetime) -> None:
    values = {"subscriber_key": reader.key, "signup_at": int(now.timestamp())}
    tx.notices.add("confirm", reader.address, values, now)
    tx.subscribers.confirmation_mailed(reader.id, now)


def _refuse_the_unwilling(tx: Tx, reader: Reader | None, address: Address) -> None:
    if found := tx.suppressions.get(address.key):
        raise Refused(
            f"{address.text} is suppressed ({found.reason})",
            fix=f"If that was a mistake: newsletter suppressions remove {address.text}",
        )
    if reader and reader.status is Status.UNSUBSCRIBED:
        raise Refused(f"{reader.address} has left", fix="Only they can come back: by the sign-up form")


def _import_confirmed(
    tx: Tx, reader: Reader | None, address: Address, *, name: str, proof: str, key: str, now: datetime
) -> Added:
    if reader is None:
        new = NewReader(address, name, key, Status.CONFIRMED, "import", signup_at=now, confirmed_at=now)
        reader = tx.subscribers.add(new, now)
    else:
        tx.subscribers.set_status(reader.id, Status.CONFIRMED, now)
    tx.subscribers.log_consent(reader.id, Consent(now, "import", proof))
    return Added(Status.CONFIRMED, reader.address, changed=True)
