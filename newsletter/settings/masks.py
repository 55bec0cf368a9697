"""Hides what is secret in the texts of settings, as `config show` prints them; also in texts that cannot be read as a URL.

What is not known to be harmless is hidden: the owner can look it up in the env file, and a screenshot cannot be taken back.
"""

from __future__ import annotations

import re

HIDDEN = "********"
_NEXT_URL = re.compile(r"\s+(?=[a-z][a-z0-9+.-]*:)", re.IGNORECASE)
_SCHEME = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*:/{0,3})(?P<rest>.*)", re.IGNORECASE | re.DOTALL)
_PLACE = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]*)(:\d{0,5})?", re.IGNORECASE)
_SHORT = re.compile(r"[A-Za-z0-9._-]{1,15}")
_ADDRESS = re.compile(r"[A-Za-z0-9._+-]+(@|%40)[A-Za-z0-9.-]+")
_HARMLESS = re.compile(
    r"(tls|ca_file|connections|(domain_)?per_[a-z]+|[a-z]+_timeout|timeout|mode|cache|immutable|nolock|vfs|speed|region)",
    re.IGNORECASE,
)
_FILES = ("maildir:", "sqlite:", "console:", "file:")


def mask_all(text: str) -> str:
    """Hide a secret, including its length."""
    return HIDDEN if text else ""


def mask_path(text: str) -> str:
    """A URL whose path is the secret."""
    found = re.match(r"(?i)https?://[^/?#@\s]+(?=/.|[?#]|\Z|/\Z)", text)
    return (found[0] if found.end() == len(text) else f"{found[0]}/{HIDDEN}") if found else mask_all(text)


def mask_urls(text: str) -> str:
    """URLs, separated by spaces, of which the scheme, a short name of the user, the host, and harmless options are shown."""
    return " ".join(_mask_url(one) for one in _NEXT_URL.split(text.strip()) if one)


def _mask_url(text: str) -> str:
    found = _SCHEME.fullmatch(text)
    if not found:
        return mask_all(text)
    if "@" in found["rest"].partition("?")[2]:  # in a password with a ?, or in an option: nobody can tell
        return f"{found['scheme']}{HIDDEN}"
    # An @ in a password, even one after a /, must not show what comes before it.
    login, at, rest = found["rest"].rpartition("@")
    place, mark, options = rest.partition("?")
    shown = f"{found['scheme']}{_login(login)}{at}{_place(place, found['scheme'], is_behind_login=bool(at))}"
    return f"{shown}{mark}{'&'.join(map(_option, re.split('[&;]', options)))}"


def _login(text: str) -> str:
    """`user:password`; only a user that looks like a name is shown, since some providers use a token in its place."""
    user, _, password = text.partition(":")
    is_name = bool(_SHORT.fullmatch(user) or _ADDRESS.fullmatch(user)) and user != password
    if not text:
        return ""
    return f"{user}:{HIDDEN}" if password and is_name else HIDDEN


def _place(text: str, scheme: str, *, is_behind_login: bool) -> str:
    if scheme.lower().startswith(_FILES) and not is_behind_login:
        return text
    host, slash, path = text.partition("/")
    shown = host if _PLACE.fullmatch(host) else HIDDEN
    return f"{shown}{slash}{mask_all(path)}"


def _option(text: str) -> str:
    name, equals, value = text.partition("=")
    if not equals:
        return mask_all(text)
    return text if _HARMLESS.fullmatch(name) and not re.search(r"[\s#]", value) else f"{name}={HIDDEN}"
