"""Who may knock at the front door how often: limits and budgets in the memory of one process; stores and mails nothing."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network

from limits import RateLimitItemPerHour
from limits.storage import Storage
from limits.strategies import FixedWindowRateLimiter

from newsletter.domain.errors import Refused
from newsletter.domain.protection import Entry, Lane

PROVEN, UNPROVEN = 24, 18  # mails that nobody answered, an hour; by a visitor who saw our form, and by others
PER_ORIGIN = {True: RateLimitItemPerHour(20), False: RateLimitItemPerHour(5)}
PER_DOMAIN = RateLimitItemPerHour(15)
LINKS = RateLimitItemPerHour(5)
REMEMBERED = 10_000  # windows of limits, before those that are over are thrown away


class TooMany(Refused):
    """Too many sign-ups, from one place or altogether; the words are for the visitor."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One sign-up on its way in. closes: it was the one too many, and the owner should know."""

    address_key: str
    domain: str
    closes: bool = False


class HandStorage(Storage):
    """Counters of `limits` on a clock that is told the time, so that tests need not wait."""

    STORAGE_SCHEME = None

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self._counters: dict[str, tuple[int, float]] = {}

    @property
    def base_exceptions(self) -> type[Exception]:
        """No error of another library can come from here."""
        return KeyError

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Add to a counter, which begins anew when its window is over."""
        if len(self._counters) > REMEMBERED:
            self._counters = {name: found for name, found in self._counters.items() if found[1] > self.now}
        count, until = self._counters.get(key, (0, 0.0))
        if until <= self.now:
            count, until = 0, self.now + expiry
        self._counters[key] = max(0, count + amount), until
        return count + amount

    def get(self, key: str) -> int:
        """The count of the open window."""
        count, until = self._counters.get(key, (0, 0.0))
        return count if until > self.now else 0

    def get_expiry(self, key: str) -> float:
        """When the window ends."""
        return self._counters.get(key, (0, self.now))[1]

    def check(self) -> bool:
        """Memory is always there."""
        return True

    def reset(self) -> int:
        """Forget everything."""
        count = len(self._counters)
        self._counters.clear()
        return count

    def clear(self, key: str) -> None:
        """Forget one counter."""
        self._counters.pop(key, None)


@dataclass
class Guard:
    """The limits of one newsletter. Every `now` is aware; safe for threads.

    An origin that cannot be told apart (the machine itself, or none) has no limit of its own: behind a proxy that
    no setting names, that would be everybody.
    """

    _lock: threading.Lock = field(default_factory=threading.Lock)
    _storage: HandStorage = field(default_factory=HandStorage)
    _lanes: dict[bool, Lane] = field(default_factory=lambda: {True: Lane(PROVEN), False: Lane(UNPROVEN)})
    _asked: dict[str, tuple[bool, datetime]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._limiter = FixedWindowRateLimiter(self._storage)

    def enter(self, address_key: str, origin: str, *, proven: bool, now: datetime) -> Visit:
        """Let one sign-up pass, or raise TooMany. proven: it comes from a form of ours that somebody looked at."""
        domain = address_key.rpartition("@")[2]
        with self._lock:
            self._storage.now = now.timestamp()
            self._count_origin(origin, "signup", PER_ORIGIN[proven])
            lane = self._lanes[proven]
            if not lane.is_closed(now) and not self._limiter.hit(PER_DOMAIN, "domain", domain):
                raise TooMany(f"many people sign up from {domain} just now", fix="Come back in an hour")
            entry = lane.enter(now)
            if entry is Entry.CLOSED:
                raise _closed()
            if entry is Entry.OPEN:
                self._remember(address_key, proven=proven, now=now)
            return Visit(address_key, domain, closes=entry is Entry.CLOSES)

    def ask_for_link(self, origin: str, now: datetime) -> None:
        """One more wish for a personal link from this origin; raises TooMany."""
        with self._lock:
            self._storage.now = now.timestamp()
            self._count_origin(origin, "link", LINKS)

    def turn_away(self) -> TooMany:
        """The error for the visit that closed the door."""
        return _closed()

    def give_back(self, visit: Visit) -> None:
        """No mail was needed after all."""
        self._settle(visit.address_key, answered=False)

    def answered(self, address_key: str) -> None:
        """Somebody pressed the button of the mail."""
        self._settle(address_key, answered=True)

    def _settle(self, address_key: str, *, answered: bool) -> None:
        with self._lock:
            proven, _ = self._asked.pop(address_key, (None, None))
            if proven is None:
                return
            lane = self._lanes[proven]
            if answered:
                lane.answered()
            else:
                lane.give_back()
            self._limiter.hit(PER_DOMAIN, "domain", address_key.rpartition("@")[2], cost=-1)

    def _count_origin(self, origin: str, what: str, limit: RateLimitItemPerHour) -> None:
        network = origin_key(origin)
        if network and not self._limiter.hit(limit, what, network):
            raise TooMany("there were many requests from your network just now", fix="Come back in an hour")

    def _remember(self, address_key: str, *, proven: bool, now: datetime) -> None:
        if len(self._asked) >= REMEMBERED:
            day_ago = now - timedelta(days=1)
            self._asked = {key: found for key, found in self._asked.items() if found[1] > day_ago}
        self._asked[address_key] = proven, now


def _closed() -> TooMany:
    return TooMany(
        "somebody misuses the sign-up form just now, so we send no confirmation mails for a while",
        fix="Come back in an hour",
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
