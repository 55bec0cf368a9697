"""Reads the values of settings: each function returns the checked value of a text, or raises ValueError with advice."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from difflib import get_close_matches
from ipaddress import ip_network
from pathlib import Path

from newsletter.domain.subscribers.address import parse_address
from newsletter.domain.subscribers.subscription import UnsubscribeEmail
from newsletter.settings.env_reader import unwrapped

_SECONDS = {"s": 1, "sec": 1, "second": 1, "m": 60, "min": 60, "minute": 60, "h": 3600, "hour": 3600}
_DAYS = {"d": 1.0, "day": 1.0, "w": 7.0, "week": 7.0, "month": 365.25 / 12, "y": 365.25, "year": 365.25}
_PART = re.compile(r"\s*(\d{1,5})\s*([a-z]+)")


def parse_duration(text: str) -> timedelta:
    """A duration such as `24h`, `90 days`, `18 months`, or `1h 30min`; raises ValueError with advice.

    A year has 365.25 days and a month a twelfth of that; the result is rounded to whole days (18 months are 548 days).
    """
    found, end, rest = timedelta(), 0, text.strip().lower()[:40]
    while part := _PART.match(rest, end):
        number, unit = (
            int(part[1]),
            re.sub(r"(?<=..)s\Z", "", part[2]),
        )  # "hours" means "hour"; "ms" stays "ms", which is unknown
        if unit not in _SECONDS and unit not in _DAYS:
            break
        found += timedelta(seconds=number * _SECONDS.get(unit, 0), days=round(number * _DAYS.get(unit, 0)))
        end = part.end()
    if not end or end != len(text.strip()):
        raise ValueError("Write a number and a unit, as in 24h, 90 days, or 18 months")
    return found


def duration_or_never(text: str) -> timedelta | None:
    """A duration, or None for `never`."""
    return None if text.strip().lower() == "never" else parse_duration(text)


def one_of(*words: str) -> Callable[[str], str]:
    """A function that accepts some words, whatever their case."""

    def read(text: str) -> str:
        if text.lower() not in words:
            near = get_close_matches(text.lower(), words, n=1)
            rest = ", ".join(words[:-1])
            raise ValueError(
                f"Did you mean {near[0]}?" if near else f"Write {rest}{',' * (len(words) > 2)} or {words[-1]}"
            )
        return text.lower()

    return read


def unsubscribe_email(text: str) -> UnsubscribeEmail:
    """After which ways of unsubscribing a last email is sent."""
    return UnsubscribeEmail(one_of(*UnsubscribeEmail)(text))


def optional(read: Callable[[str], object], *, unset: object = "") -> Callable[[str], object]:
    """A function that reads a text like `read`, and returns `unset` for an empty text."""
    return lambda text: read(text) if text else unset


def matching(pattern: str, advice: str) -> Callable[[str], str]:
    """A function that accepts texts that match a regular expression as a whole; `advice` is the fix for all others."""

    def read(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(advice)
        return text

    return read


one_line = matching(r"[^\x00-\x1f\x7f]*", "Write it on one line")
short_line = matching(r"[^\x00-\x1f\x7f]{0,200}", "Write it on one line, with at most 200 characters")
_several_lines = matching(r"[^\x00-\x09\x0b-\x1f\x7f]*", "Write plain text")


def several_lines(text: str) -> str:
    r"""Text of several lines; `\n` is a line break, since many programs cannot pass on a real one."""
    return _several_lines(re.sub(r"\s*(\\n|\r?\n)\s*", "\n", text))


_ANGLED = re.compile(r"(?P<name>[^<>]*)<(?P<address>[^<>]*)>?", re.DOTALL)
_BEHIND = re.compile(r"(?P<address>[^\s()]+@[^\s()]+)\s*\((?P<name>.*)\)", re.DOTALL)
_BESIDE = re.compile(r"(?P<name>[^@]*[^@\s])\s+(?P<address>[^\s<>]+@[^\s<>]+)", re.DOTALL)


def mailbox(text: str) -> str:
    """`Name <address>` or an address, as people write it."""
    split_mailbox(one_line(text))
    return text


def split_mailbox(text: str) -> tuple[str, str]:
    """Name and address of `Name <address>`; the name may be empty. Raises InputError if the address is not valid.

    The name needs no quotes: in `Tips: weekly <a@b.example>` and `Doe, John <a@b.example>` it is all that comes first,
    where RFC 5322 section 3.4 would see a group and a list.
    """
    text = text.strip()
    found = _ANGLED.fullmatch(text) or _BEHIND.fullmatch(text) or _BESIDE.fullmatch(text)
    name, found_address = (found["name"], found["address"]) if found else ("", text)
    return _display_name(name), parse_address(re.sub(r"(?i)\Amailto:", "", found_address.strip())).text


def formatted_mailbox(text: str, name: str) -> str:
    """`Name <address>`, with this name if the text has none. Raises InputError."""
    own, found = split_mailbox(text)
    return f"{own or re.sub('[<>]', '', name).strip()} <{found}>".strip()


def _display_name(text: str) -> str:
    name = " ".join(text.split())
    quoted = re.fullmatch(r'"(.*)"', name)  # RFC 5322 section 3.2.4: a backslash comes before a quotation mark
    return re.sub(r"\\(.)", r"\1", quoted[1]).strip() if quoted else unwrapped(name)


def addresses(text: str) -> tuple[str, ...]:
    """Email addresses, separated by commas, semicolons, or spaces; names beside them are left out."""
    found: list[str] = []
    name = ""
    for part in re.split(r"[,;]", one_line(text)):
        bare = re.sub(r'"[^"]*"(?=\s*<)', "", part)
        several = re.findall(r"<[^<>]*>|[^\s<>\"]+@[^\s<>\"]+", bare)
        if name and "<" not in part:  # only in Doe, John <…> does a name have a comma
            split_mailbox(name)
        name = "" if several else part.strip()
        found += [split_mailbox(one)[1] for one in several]
    if name:
        split_mailbox(name)
    return tuple(dict.fromkeys(found))


_URL = re.compile(r"https?://(\[[0-9a-f:.]+\]|[^\s\"'<>/:@\[\]]+)(:\d{1,5})?(/[^\s\"'<>]*)?")
_LOCAL_HOST = re.compile(r"(localhost|127\.[\d.]+|\[::1\])(:\d+)?(/|\Z)")


def web_url(text: str) -> str:
    """A URL with http or https; `tips.example.org` means https, and `localhost:8000` http."""
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = ("http" if _LOCAL_HOST.match(text) else "https"), text
    host, slash, path = rest.partition("/")
    url = f"{scheme.lower()}://{host.lower()}{slash}{path}"
    if not _URL.fullmatch(url) or not (separator or _LOCAL_HOST.match(text) or "." in host):
        # Only the host is quoted: what follows it may be a secret that belongs elsewhere.
        near = re.sub(r"(?i)\Ahttps?(:/*|/+)", "", text).partition("/")[0]
        near = near if near != text and "." in near and _URL.fullmatch(f"https://{near}") else "tips.example.org"
        raise ValueError(f"Write a full URL that starts with https://, as in https://{near}")
    return url


def link(text: str) -> str:
    """A URL with http:, https:, or mailto:; an email address means the latter."""
    if text.lower().startswith("mailto:") or re.fullmatch(r"[^\s/:]+@[^\s/:]+", text):
        return f"mailto:{split_mailbox(one_line(text))[1]}"
    return web_url(text)


def base_url(text: str) -> str:
    """The URL of the web pages, without a trailing slash."""
    if "?" in text or "#" in text:
        raise ValueError("Write it without a query, as in https://tips.example.org")
    return web_url(text).rstrip("/")


def host_and_port(text: str) -> tuple[str, int]:
    """`host:port`; `:8000` means every address of the machine."""
    found = re.fullmatch(r"(?:http://)?(\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]]*):(\d{1,5})/?", text)
    if not found or int(found[2]) > 65_535:
        raise ValueError("Write host:port, as in 127.0.0.1:8000")
    return found[1].strip("[]") or "0.0.0.0", int(found[2])  # noqa: S104 - the owner asked for it


def whole_number(text: str) -> int:
    """A number from 0 to 999,999,999."""
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise ValueError("Write a whole number, as in 10000")
    return int(text)


def split_list(text: str) -> tuple[str, ...]:
    """The items of a list that is separated by commas or spaces."""
    return tuple(re.findall(r"[^\s,]+", text))


def origins(text: str) -> tuple[str, ...]:
    """Web origins (RFC 6454 section 7), or `*`."""
    for origin in split_list(text):
        if not re.fullmatch(r"\*|https?://(\*\.)?[A-Za-z0-9.-]+(:\d{1,5})?", origin):
            raise ValueError("Write origins separated by commas, as in https://www.example.org")
    return split_list(text)


def networks(text: str) -> tuple[str, ...]:
    """IP addresses or networks, or `*`."""
    for word in split_list(text):
        try:
            word == "*" or ip_network(word, strict=False)
        except ValueError:
            what = f"{word} is none. " if re.fullmatch(r"[\d./]+", word) else ""
            raise ValueError(
                f"{what}Write IP addresses or networks separated by commas, as in 10.0.0.0/8, or *"
            ) from None
    return split_list(text)


def keys(text: str) -> tuple[str, ...]:
    """Secret keys, separated by commas."""
    found = tuple(key.strip() for key in text.split(",") if key.strip())
    if any(len(key) < 16 for key in found):
        raise ValueError("A key needs at least 16 characters; `newsletter init` makes a good one")
    return found


selector = matching(
    r"(?=.{1,63}\Z)[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*",
    "Write the name before ._domainkey in DNS, as in 2026a",
)  # RFC 6376 section 3.1

private_key = matching(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----\n[A-Za-z0-9+/=\n:, -]+",
    "Write a private key in PEM format, or add _FILE to the name and set it to the path of the key",
)


def sender_urls(text: str) -> tuple[str, ...]:
    """Sender URLs, separated by spaces; each sender reads what follows its scheme."""
    if any(not re.match(r"[a-z][a-z0-9+.-]*:", url) for url in text.split()):
        raise ValueError("Write smtp://user:password@host:587, smtps://…, maildir:///path, or console:")
    return tuple(text.split())


def sqlite_url(text: str) -> str:
    """The URL of a database file."""
    if re.fullmatch(r"(sqlite:///|postgresql(\+psycopg)?://)\S.*", text):
        return text
    path = re.sub(r"\Asqlite:/{0,2}", "", text)
    near = f"; did you mean sqlite:///{path}?" if re.fullmatch(r"[\w./ -]+\.(db|sqlite3?)", path) else ""
    raise ValueError(f"Write sqlite:///path/to/newsletter.db{near}")


_LOCALE = re.compile(r"(?P<language>[A-Za-z]{2,3})(?P<rest>([-_][A-Za-z0-9]{2,8})*)(\.[A-Za-z0-9-]+)?(@\w+)?")
_LANGUAGES = {"english": "en", "american": "en", "british": "en-GB", "german": "de", "deutsch": "de"}


def language(text: str) -> str:
    """A language tag (RFC 5646), also from a locale such as `en_US.UTF-8` or the name of a language we have."""
    if known := _LANGUAGES.get(text.lower()):
        return known
    found = _LOCALE.fullmatch(text)
    if not found:
        raise ValueError("Write a language tag, as in en or pt-BR")
    parts = re.split(r"[-_]", found["rest"])[1:]
    return "-".join([found["language"].lower(), *(p.upper() if len(p) == 2 else p.title() for p in parts)])


MAX_PICTURE = 200_000  # bytes
_PICTURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8")


def picture(text: str) -> Path:
    """The path of a picture in a format that email programs show."""
    path = Path(text)
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(8)
    except OSError as error:
        raise ValueError(f"The file cannot be read: {error.strerror or error}") from None
    if not head.startswith(_PICTURES):
        raise ValueError("Set it to a PNG, JPEG, or GIF file")
    if size > MAX_PICTURE:
        raise ValueError(f"The image has {size:,} bytes; make it smaller than {MAX_PICTURE:,}")
    return path
