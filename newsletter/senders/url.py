"""Sender URLs: host, login, path, and options of the next hop.

`smtp://user:password@host:587?tls=required&connections=10`; several URLs, separated by spaces, are a failover order.
No message, `str`, or `repr` in this module ever contains a password: a URL that cannot be parsed is not quoted at all.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from difflib import get_close_matches
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from newsletter.domain.delivery.rate_limit import Rate
from newsletter.domain.errors import SettingsError

RATES = {
    "per_hour": Rate(0, timedelta(hours=1)),
    "per_minute": Rate(0, timedelta(minutes=1)),
    "per_second": Rate(0, timedelta(seconds=1)),
    "domain_per_hour": Rate(0, timedelta(hours=1), per_domain=True),
    "domain_per_minute": Rate(0, timedelta(minutes=1), per_domain=True),
}
COMMON_OPTIONS = ("connections", *RATES)
_ENCODE = (
    "In the user and the password, write @ as %40, : as %3A, / as %2F, ? as %3F, # as %23, a space as %20, and % as %25"
)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*\Z")
_SECRET = re.compile(r"key|token|secret|pass|pw|auth|sig|cred|user|login|account|bearer|hash|code", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z0-9._-]{1,15}|[A-Za-z0-9._+-]+@[A-Za-z0-9.-]+")  # else it may be a token in place of a name
_SECONDS = re.compile(r"(?P<number>\d{1,6}(?:\.\d{1,3})?)(?P<unit>s|m|h|)\Z")


@dataclass(frozen=True, slots=True, repr=False)
class SenderUrl:
    """One sender URL, percent-decoded. Empty strings and port 0 mean "not given".

    password_has_percent: it was written with a %, so a wrong one may be due to the decoding.
    """

    scheme: str
    host: str = ""
    port: int = 0
    user: str = ""
    password: str = ""
    path: str = ""
    options: Mapping[str, str] = field(default_factory=dict, hash=False)
    password_has_percent: bool = False

    def masked(self) -> str:
        """The URL for messages and logs: *** replaces the password, and options whose names sound like secrets."""
        # Without a password, the user may be a misplaced one; some providers want a token in both places.
        is_name = self.password not in ("", self.user) and _NAME.fullmatch(self.user)
        who = quote(self.user, safe="") if is_name else "***"
        login = f"{who}{':***' if self.password else ''}@" if self.user or self.password else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        place = f"//{login}{host}{f':{self.port}' if self.port else ''}" if host or self.path.startswith("/") else ""
        shown = {name: "***" if _SECRET.search(f"{name} {value}") else value for name, value in self.options.items()}
        return f"{self.scheme}:{place}{quote(self.path)}{'?' if shown else ''}{urlencode(shown, safe='*/')}"

    def __repr__(self) -> str:
        return f"SenderUrl({self.masked()})"

    __str__ = masked

    @property
    def is_local(self) -> bool:
        """Is the host this machine, so that nothing crosses the network?"""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def check_options(self, *known: str) -> None:
        """Raise SettingsError for an option that is neither in `known` nor common to all senders."""
        allowed = sorted({*known, *COMMON_OPTIONS})
        for name in self.options:
            if name not in allowed:
                raise self.make_error(f"has no option {name!r}", _nearest(name, allowed))

    def get_integer(self, name: str, default: int, *, minimum: int = 1, maximum: int = 1_000_000) -> int:
        """An option that is a whole number; raises SettingsError if it is not, or is out of range."""
        text = self.options.get(name)
        if text is None:
            return default
        if not (text.isascii() and text.isdigit() and len(text) <= 9 and minimum <= int(text) <= maximum):
            raise self.make_error(f"the value of {name} cannot be used", f"Write {minimum} to {maximum}")
        return int(text)

    def rates(self) -> tuple[Rate, ...]:
        """The rate limits in the options: `per_hour=500&domain_per_minute=20`. The caller keeps them."""
        return tuple(
            replace(rate, count=self.get_integer(name, 0, maximum=100_000_000))
            for name, rate in RATES.items()
            if name in self.options
        )

    def get_seconds(self, name: str, default: float) -> float:
        """An option that is a duration, in seconds: `30`, `30s`, `5m`, `1h`. Raises SettingsError if longer than a day."""
        text = self.options.get(name)
        if text is None:
            return default
        found = _SECONDS.match(text)
        value = float(found["number"]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found["unit"]] if found else 0
        if not 0 < value <= 86_400:
            raise self.make_error(f"the value of {name} is not a duration", "Write it as 30s, 5m, or 1h")
        return value

    def get_choice(self, name: str, allowed: Collection[str], default: str) -> str:
        """An option that is one of `allowed`; raises SettingsError."""
        text = self.options.get(name, default)
        if text not in allowed:
            raise self.make_error(f"the value of {name} cannot be used", _nearest(text, allowed))
        return text

    def make_error(self, message: str, fix: str) -> SettingsError:
        """An error that shows this URL without its secrets."""
        return SettingsError(f"NEWSLETTER_SENDER_URL: {self.masked()}: {message}", fix=fix)


def parse_sender_urls(text: str) -> tuple[SenderUrl, ...]:
    """Parse one or more URLs, separated by spaces, in failover order; raises SettingsError."""
    urls = tuple(_parse(part) for part in text.split())
    if not urls:
        raise SettingsError(
            "NEWSLETTER_SENDER_URL is empty",
            fix="Set it to your outgoing mail server, as in smtp://user:password@relay.example:587?tls=required, or console:",
        )
    return urls


def _parse(text: str) -> SenderUrl:
    scheme, colon, rest = text.partition(":")
    scheme = scheme.lower()
    if not colon or not _SCHEME.match(scheme):
        raise _invalid(
            "it does not start with a scheme", "Write smtp://host, smtps://host, maildir:///path, or console:"
        )
    if not text.isascii() or not text.isprintable():
        raise _invalid(f"the {scheme} URL has a character that is not ASCII", "Percent-encode it, as in %C3%BC for ü")
    place, _, query = rest.partition("?")
    if "#" in rest or "@" in query or ("@" in place.removeprefix("//").partition("/")[2] and place.startswith("//")):
        raise _invalid(f"the {scheme} URL has a # or an @ in the wrong place", _ENCODE)
    return _split_url(scheme, place, query)


def _split_url(scheme: str, place: str, query: str) -> SenderUrl:
    try:
        parts = urlsplit(f"{scheme}:{place}")
        host, port = (parts.hostname or "").lower(), parts.port or 0
        options = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query), max_num_fields=50)
    except ValueError:
        raise _invalid(f"the {scheme} URL has a host, port, or option that cannot be parsed", _ENCODE) from None
    names = [name for name, _ in options]
    for name in names:
        if names.count(name) > 1:
            raise _invalid(f"the {scheme} URL has an option twice: {name!r}", "Write it once")
    user, password = _decode(parts.username or ""), _decode(parts.password or "")
    has_percent = "%" in (parts.password or "")
    return SenderUrl(scheme, host, port, user, password, unquote(parts.path), dict(options), has_percent)


def _decode(text: str) -> str:
    """Percent-decode a user or a password. A % that starts no code for a character is a % (RFC 3986 section 2.1)."""
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        return text


def _invalid(message: str, fix: str) -> SettingsError:
    return SettingsError(f"NEWSLETTER_SENDER_URL: {message}", fix=fix)


def _nearest(word: str, allowed: Collection[str]) -> str:
    near = get_close_matches(word, allowed, n=1, cutoff=0.5)
    return f"Did you mean {near[0]}?" if near else f"Write one of: {', '.join(sorted(allowed))}"
