"""What a reader changes behind their personal link: name, pause, pace, address, leave, erase; sends nothing itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from newsletter.actions.subscribers.erase import erase
from newsletter.actions.subscribers.subscribe import clean_name
from newsletter.domain.errors import BadToken, InputError
from newsletter.domain.subscribers.address import Address, parse_address
from newsletter.domain.subscribers.subscriber import Consent, Subscriber
from newsletter.domain.subscribers.subscription import (
    CONFIRM_EMAIL_EVERY,
    CONFIRM_WITHIN,
    LONGEST_PAUSE,
    ON_THE_LIST,
    PAUSES,
    Frequency,
    Status,
    Verdict,
)
from newsletter.mail.tokens import Purpose, Signer
from newsletter.ports.store import Store, Tx
from newsletter.ports.subscribers import get_subscriber

Change = Callable[[Tx, Subscriber, datetime], None]


def inspect_link(store: Store, signer: Signer, token: str) -> Subscriber:
    """Whose preferences these are; changes nothing. Raises BadToken, also for somebody who was erased."""
    subscriber_key = _open_token(signer, token)
    with store.read() as tx:
        return _reader(tx, subscriber_key)


def change(store: Store, signer: Signer, token: str, what: Change, now: datetime) -> Subscriber | None:
    """Do one change; the reader as they are then, None if they are no more. Raises BadToken and what `what` raises."""
    subscriber_key = _open_token(signer, token)
    with store.write() as tx:
        what(tx, _reader(tx, subscriber_key), now)
        return tx.subscribers.by_key(subscriber_key)


# -- the changes -----------------------------------------------------------------------------------


def rename(name: str) -> Change:
    """Another name, or none."""

    def do(tx: Tx, reader: Subscriber, _: datetime) -> None:
        tx.subscribers.change(reader.id, name=clean_name(name))

    return do


def pause(weeks: int) -> Change:
    """No letter for 4, 8 or 12 weeks. Raises InputError for another number."""
    if weeks not in PAUSES:
        raise InputError("a pause can last 4, 8, or 12 weeks", fix="Choose one of these, or a date")

    def do(tx: Tx, reader: Subscriber, now: datetime) -> None:
        pause_until(tx, reader, now + timedelta(weeks=weeks), now, "preferences")

    return do


def pause_to(day_text: str, zone: ZoneInfo) -> Change:
    """No letter before a day (ISO), as the newsletter's zone counts. Raises InputError when it is not to come soon."""
    try:
        day = date.fromisoformat(day_text.strip())
        until = datetime.combine(day, time(), zone).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InputError("this is not a date", fix="Enter it as year-month-day, for example 2027-01-15") from None

    def do(tx: Tx, reader: Subscriber, now: datetime) -> None:
        if not now < until <= now + LONGEST_PAUSE:
            raise InputError("a pause can last up to one year", fix="Choose a date within the next year")
        pause_until(tx, reader, until, now, "preferences")

    return do


def pause_address(store: Store, address_text: str, weeks: int, now: datetime) -> datetime:
    """By the owner's command; until when. Raises InputError and NotFound."""
    address, until = parse_address(address_text), now + timedelta(weeks=weeks)
    if not now < until <= now + LONGEST_PAUSE:
        raise InputError("a pause can last 1 to 52 weeks")
    with store.write() as tx:
        reader = get_subscriber(tx.subscribers, address)
        pause_until(tx, reader, until, now, "command")
    return until


def pause_until(tx: Tx, reader: Subscriber, until: datetime, now: datetime, channel: str) -> None:
    """Pause inside a transaction. Raises InputError for somebody who is not on the list."""
    _must_be_on_the_list(reader)
    tx.subscribers.set_status(reader.id, Status.PAUSED, now, paused_until=until)
    tx.subscribers.log_consent(reader.id, Consent(now, "pause", f"until {until.date().isoformat()}, {channel}"))


def resume(tx: Tx, reader: Subscriber, now: datetime) -> None:
    """End a pause now."""
    if reader.status is Status.PAUSED:
        tx.subscribers.set_status(reader.id, Status.CONFIRMED, now)
        tx.subscribers.log_consent(reader.id, Consent(now, "resume", "preferences"))


def set_frequency(text: str) -> Change:
    """Weekly or monthly. Raises InputError."""
    if text not in set(Frequency):
        raise InputError("the frequency can be weekly or monthly", fix="Choose one of the two")

    def do(tx: Tx, reader: Subscriber, now: datetime) -> None:
        _must_be_on_the_list(reader)
        if reader.pace != text:
            tx.subscribers.change(reader.id, pace=text)
            tx.subscribers.log_consent(reader.id, Consent(now, "pace", f"{text}, preferences"))
            tx.maintenance.end_pauses(now)

    return do


def ask_to_move(address_text: str) -> Change:
    """Ask at the new address; the old one stays until its owner says yes. Raises InputError for what is no address.

    Says nothing of whether the new address is known: one of somebody else, of somebody suppressed, or one that was
    asked within a day gets no mail, and the page is the same.
    """
    wanted = parse_address(address_text)

    def do(tx: Tx, reader: Subscriber, now: datetime) -> None:
        _must_be_on_the_list(reader)
        since = now - CONFIRM_EMAIL_EVERY
        asked = reader.new_address_at is not None and reader.new_address_at > since
        if wanted.key == reader.address_key:
            tx.subscribers.move(reader.id, wanted)  # only another spelling
        elif not (asked or _is_not_free(tx, wanted) or tx.subscribers.is_move_requested(wanted.key, since)):
            tx.subscribers.change(reader.id, new_address=wanted, new_address_at=now)
            values = {"subscriber_key": reader.key, "asked_at": int(now.timestamp())}
            tx.transactional.add("move", wanted.text, values, now)

    return do


def erase_me(signer: Signer) -> Change:
    """Remove the person, for good."""

    def do(tx: Tx, reader: Subscriber, now: datetime) -> None:
        erase(tx, signer, reader, now)

    return do


# -- moving to the new address ---------------------------------------------------------------------


def move_token(signer: Signer, subscriber_key: str, asked_at: int) -> str:
    """The token of the link in the mail to a new address (seconds since 1970)."""
    return signer.sign(Purpose.MOVE, subscriber_key, str(asked_at))


def inspect_move_link(store: Store, signer: Signer, token: str, now: datetime) -> tuple[Verdict, str]:
    """What the link would do, and the new address; changes nothing. Raises BadToken."""
    with store.read() as tx:
        return _move_verdict(tx, signer, token, now)[:2]


def move(store: Store, signer: Signer, token: str, now: datetime) -> tuple[Verdict, str]:
    """Letters go to the new address from the next claim on. Raises BadToken."""
    with store.write() as tx:
        verdict, shown, reader = _move_verdict(tx, signer, token, now)
        if verdict is Verdict.DO and reader.new_address:
            tx.subscribers.move(reader.id, reader.new_address)
            tx.subscribers.log_consent(reader.id, Consent(now, "move", "link in the mail to the new address"))
    return verdict, shown


def _move_verdict(tx: Tx, signer: Signer, token: str, now: datetime) -> tuple[Verdict, str, Subscriber]:
    fields = signer.open(Purpose.MOVE, token)
    if len(fields) != 2 or not fields[1].isdecimal():
        raise BadToken("this link is not complete")
    reader = _reader(tx, fields[0])
    asked_at = reader.new_address_at
    if asked_at is None or int(asked_at.timestamp()) != int(fields[1]) or now - asked_at > CONFIRM_WITHIN:
        return Verdict.STALE, "", reader
    if reader.new_address is None:
        return Verdict.ALREADY, reader.address, reader
    free = not _is_not_free(tx, reader.new_address)
    return Verdict.DO if free and reader.status in ON_THE_LIST else Verdict.STALE, reader.new_address.text, reader


# -- my link, my data ------------------------------------------------------------------------------


def send_link(store: Store, *, address: Address, key: str, now: datetime) -> bool:
    """Queue a mail with the personal link for somebody we know, once in 24 hours; was one needed?

    For anybody else the same row is written and marked as not wanted. key: a fresh subscriber key, for that.
    """
    with store.write() as tx:
        reader = tx.subscribers.by_address(address.key)
        known = reader is not None and not reader.suppressed and reader.status not in (Status.PENDING, Status.EXPIRED)
        since = now - CONFIRM_EMAIL_EVERY
        wanted = bool(reader and known and (reader.link_mailed_at is None or reader.link_mailed_at <= since))
        if reader and wanted:
            tx.subscribers.change(reader.id, link_mailed_at=now)
        else:
            with tx.rolled_back():
                tx.suppressions.add(f"{key}@nobody.invalid", "", "", now)
        to = reader.address if reader and wanted else f"{key}@nobody.invalid"
        tx.transactional.add(
            "link", to, {"subscriber_key": reader.key if reader and wanted else key}, now, wanted=wanted
        )
    return wanted


def my_data(store: Store, signer: Signer, token: str) -> dict[str, Any]:
    """Everything we keep of one reader, ready for JSON. Raises BadToken."""
    subscriber_key = _open_token(signer, token)
    with store.read() as tx:
        reader = _reader(tx, subscriber_key)
        consents, deliveries = tx.subscribers.consents(reader.id), tx.subscribers.deliveries(reader.id)
    return {
        "address": reader.address,
        "name": reader.name,
        "status": reader.display_status,
        "pace": reader.pace.value,
        "source": reader.source,
        "new_address": reader.new_address.text if reader.new_address else None,
        **{
            name: _iso(getattr(reader, name))
            for name in ("signup_at", "confirmed_at", "paused_until", "left_at", "quarterly_at")
        },
        "consent": [{**asdict(consent), "at": _iso(consent.at)} for consent in consents],
        "deliveries": [
            {"issue": one.issue, "slot": _iso(one.slot), "tip": one.tip, "state": one.state} for one in deliveries
        ],
    }


# -- helpers ---------------------------------------------------------------------------------------


def _iso(at: date | None) -> str | None:
    return at.isoformat() if at else None


def _open_token(signer: Signer, token: str) -> str:
    return signer.open(Purpose.PREFERENCES, token)[0]


def _reader(tx: Tx, subscriber_key: str) -> Subscriber:
    reader = tx.subscribers.by_key(subscriber_key)
    if reader is None:
        raise BadToken("this link belongs to nobody any more")
    return reader


def _must_be_on_the_list(reader: Subscriber) -> None:
    if reader.status not in ON_THE_LIST:
        raise InputError("you are not subscribed", fix="Sign up again")


def _is_not_free(tx: Tx, address: Address) -> bool:
    return tx.subscribers.by_address(address.key) is not None or tx.suppressions.get(address.key) is not None
