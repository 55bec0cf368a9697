"""Who may knock at the front door how often. What counts is in the database; stores no visitor and mails nobody.

So a restart or a second process opens nothing. The memory of this process holds refusals alone: whoever was told to
come back later is told so again without a look into the database.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network

from newsletter.domain.errors import Refused
from newsletter.domain.subscribers.signup_limits import LONGEST_CLOSURE, SignupDecision, SignupLimit
from newsletter.ports.store import Tx

LANES = {True: ("proven", 24), False: ("unproven", 18)}
"""Mails that nobody answered, an hour; by visitors who saw our form, and by others."""
LIMITS = dict(LANES.values())
PER_ORIGIN = {True: 20, False: 5}
PER_DOMAIN, LINKS = 15, 5
BRIEFLY = timedelta(seconds=10)  # how long a spent limit is believed without a look
REMEMBERED = 10_000  # refusals, before those that are over are thrown away


class TooMany(Refused):
    """Too many sign-ups, from one place or altogether; the words are for the visitor."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One sign-up on its way in. closes: it was the one too many, and the owner should know."""

    address_key: str
    lane_name: str
    lane: SignupLimit
    closes: bool = False

    @property
    def domain(self) -> str:
        """Of the address."""
        return self.address_key.rpartition("@")[2]


@dataclass
class Guard:
    """The limits of one newsletter. Every `now` is aware; safe for threads.

    place: the `origin_key` of where a visitor comes from. One that cannot be told apart (the machine itself, or none)
    has no limit of its own: behind a proxy that no setting names, that would be everybody.
    """

    _lock: threading.Lock = field(default_factory=threading.Lock)
    _refused_until: dict[str, datetime] = field(default_factory=dict)
    _turned_away: dict[str, int] = field(default_factory=dict)

    def look(self, address_key: str, place: str, *, proven: bool, now: datetime) -> str:
        """Raise TooMany for what was refused a moment ago, without a look into the database.

        Comes back with "", or, once, with the lane that is knocked at so much that `note_pressure` should be called.
        """
        name, limit = LANES[proven]
        if self._was_refused(name, now):
            with self._lock:
                self._turned_away[name] = self._turned_away.get(name, 0) + 1
                if self._turned_away[name] == limit + 1:
                    return name
            raise _closed()
        if self._was_refused(_from("signup", place), now):
            raise _from_there()
        domain = address_key.rpartition("@")[2]
        if self._was_refused(f"domain/{domain}", now):
            raise _to_there(domain)
        return ""

    def note_pressure(self, tx: Tx, lane_name: str) -> TooMany:
        """Write down that a closed door is still knocked at; the error for the visitor."""
        lane = tx.signup_limits.get(lane_name, LIMITS[lane_name])
        lane.turned_away = max(lane.turned_away, lane.limit + 1)
        tx.signup_limits.save(lane_name, lane)
        return _closed()

    def enter(self, tx: Tx, address_key: str, place: str, *, proven: bool, now: datetime) -> Visit:
        """Let one sign-up pass, or raise TooMany: the transaction then has nothing to keep. `settle` is to follow.

        proven: it comes from a form of ours that somebody looked at.
        """
        lane_name, limit = LANES[proven]
        lane = tx.signup_limits.get(lane_name, limit)
        if lane.closed_until and lane.is_closed(now):
            self._refuse(lane_name, lane.closed_until)
            raise _closed()
        self._count_origin(tx, "signup", place, PER_ORIGIN[proven], now)
        visit = Visit(address_key, lane_name, lane)
        if tx.signup_limits.is_used_up(f"domain/{visit.domain}", PER_DOMAIN, now):
            self._refuse(f"domain/{visit.domain}", now + BRIEFLY)
            raise _to_there(visit.domain)
        if lane.try_one(now) is SignupDecision.CLOSES:
            tx.signup_limits.save(lane_name, lane)
            return Visit(address_key, lane_name, lane, closes=True)
        return visit

    def settle(self, tx: Tx, visit: Visit, now: datetime, *, mailed: bool) -> None:
        """Count the mail; the same statements where none was needed after all."""
        if not mailed:
            visit.lane.refund()
        tx.signup_limits.save(visit.lane_name, visit.lane)
        tx.signup_limits.hit(f"domain/{visit.domain}", PER_DOMAIN, now, by=int(mailed))
        tx.signup_limits.remember(visit.address_key, visit.lane_name, now, mailed=mailed)

    def ask_for_link(self, tx: Tx, place: str, now: datetime) -> None:
        """One more wish for a personal link from this place; raises TooMany."""
        self._count_origin(tx, "link", place, LINKS, now)

    def turn_away(self) -> TooMany:
        """The error for the visit that closed the door."""
        return _closed()

    def answered(self, tx: Tx, address_key: str, now: datetime) -> None:
        """Somebody pressed the button of the mail."""
        lane_name = tx.signup_limits.take(address_key)
        if lane_name:
            lane = tx.signup_limits.get(lane_name, LIMITS[lane_name])
            lane.answered()
            tx.signup_limits.save(lane_name, lane)
            tx.signup_limits.refund(f"domain/{address_key.rpartition('@')[2]}", now)

    def _count_origin(self, tx: Tx, what: str, place: str, limit: int, now: datetime) -> None:
        name = _from(what, place)
        if name and not tx.signup_limits.hit(name, limit, now):
            self._refuse(name, now + BRIEFLY)
            raise _from_there()

    def _was_refused(self, name: str, now: datetime) -> bool:
        until = self._refused_until.get(name)
        return until is not None and until - LONGEST_CLOSURE < now < until

    def _refuse(self, name: str, until: datetime) -> None:
        with self._lock:
            if len(self._refused_until) > REMEMBERED:
                self._refused_until.clear()
            self._refused_until[name] = until
            self._turned_away.pop(name, None)


def _from(what: str, place: str) -> str:
    return f"{what}/{place}" if place else ""


def _from_there() -> TooMany:
    return TooMany("there have been too many requests from your network", fix="Try again in an hour")


def _to_there(domain: str) -> TooMany:
    return TooMany(f"too many people are signing up from {domain} right now", fix="Try again in an hour")


def _closed() -> TooMany:
    return TooMany(
        "someone is abusing the sign-up form, so confirmation emails are paused for a while",
        fix="Try again in an hour",
    )


def origin_key(origin: str) -> str:
    """What counts as one place: an IPv4 address, or the /64 of an IPv6 one; "" for this machine and for no address."""
    try:
        address = ip_address(origin.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            address = address.ipv4_mapped
        elif not address.is_loopback:
            return str(ip_network((address, 64), strict=False))
    return "" if address.is_loopback else str(address)
