"""Signed, purpose-bound tokens for links; knows neither clocks nor rows, only who signed what."""

from __future__ import annotations

import hashlib
import hmac
import re
from binascii import b2a_base64
from collections.abc import Callable, Sequence
from enum import StrEnum
from functools import lru_cache

from newsletter.domain.errors import BadToken, SettingsError

MAX_TOKEN = 200
MIN_KEY = 16
_PAYLOAD = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*")
_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_TOKEN = re.compile(rf"(?=.{{1,{MAX_TOKEN}}}\Z)(?:[A-Za-z0-9_-]+\.)+[A-Za-z0-9_-]{{22}}\Z")


class Purpose(StrEnum):
    """What a token may do; one made for one purpose is refused for every other."""

    CONFIRM = "confirm"
    UNSUBSCRIBE = "unsubscribe"
    PREFERENCES = "preferences"
    FORM = "form"
    RESUBSCRIBE = "back"  # to the list, for somebody who left
    USEFUL = "useful"  # to say whether a tip was
    OWNER = "owner"
    BOUNCE = "bounce"  # in an envelope sender
    MOVE = "move"  # to a new address
    ERASED = "erased"  # stands for an address that was erased
    UNSUBSCRIBE_EMAIL = "unsubscribe-mail"  # in the address of a mailto: link


class Signer:
    """Signs with the first key, accepts what any of the keys has signed, so that keys can be changed.

    keys: at least one, each of 16 characters or more; raises SettingsError.
    """

    __slots__ = ("_keys",)

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys or any(len(key) < MIN_KEY for key in keys):
            raise SettingsError(
                f"NEWSLETTER_SECRET_KEY needs a key of {MIN_KEY} characters or more",
                fix="Run `newsletter init`, which makes one",
            )
        self._keys = tuple(hashlib.sha256(key.encode()).digest() for key in keys)

    def sign(self, purpose: Purpose, *fields: str) -> str:
        """The fields and a MAC, joined by dots; URL-safe.

        fields: each of letters, digits, `_` and `-`, not empty. Raises ValueError.
        """
        if not fields:
            raise ValueError(f"a token has at least one field and at most {MAX_TOKEN} characters")
        payload = ".".join(fields)
        if not _PAYLOAD.fullmatch(payload) or payload.count(".") != len(fields) - 1:
            raise ValueError(f"not a token field among these: {fields!r}")
        token = self.stamp(purpose)(payload)
        if len(token) > MAX_TOKEN:
            raise ValueError(f"a token has at most {MAX_TOKEN} characters")
        return token

    def stamp(self, purpose: Purpose) -> Callable[[str], str]:
        """`sign` for many texts, where whoever calls made the fields: they come joined by dots, and nothing is checked."""
        return _stamper(self._keys[0], purpose)

    def sealer(self, purpose: Purpose) -> Callable[[str], str]:
        """`seal` for many texts."""
        return _sealer(self._keys[0], purpose)

    def open(self, purpose: Purpose, token: str) -> tuple[str, ...]:
        """The fields of a token we signed for this purpose; raises BadToken for everything else."""
        if _TOKEN.match(token):
            payload = token.rpartition(".")[0]
            # The encoded texts are compared, not the bytes: the 4 spare bits of the last base64 digit count too.
            if any([hmac.compare_digest(_stamper(key, purpose)(payload), token) for key in self._keys]):  # noqa: C419 - no early end
                return tuple(payload.split("."))
        raise BadToken("this link is not one of ours", fix="Open it again from the email")

    def seal(self, purpose: Purpose, text: str) -> str:
        """A MAC of 64 bits in 16 lower-case letters and digits, for places that lose upper case."""
        return seal(self._keys[0], purpose, text)

    def seals(self, purpose: Purpose, text: str) -> tuple[str, ...]:
        """The seal of every key, the first one first."""
        return tuple(seal(key, purpose, text) for key in self._keys)

    def is_sealed(self, purpose: Purpose, text: str, given: str) -> bool:
        """Did any of our keys seal this text for this purpose?"""
        sealed = given.encode()
        return any([hmac.compare_digest(seal(key, purpose, text).encode(), sealed) for key in self._keys])  # noqa: C419


def seal(key: bytes, purpose: Purpose, text: str) -> str:
    """The seal of a key of 64 octets at most that is no signer's."""
    return _sealer(key, purpose)(text)


def digester(keyed: hashlib.blake2b) -> Callable[[str], bytes]:
    """The MACs of many texts. keyed: as it is before the text; what is the same for all of them is done once."""

    def digest(text: str) -> bytes:
        mac = keyed.copy()
        mac.update(text.encode())
        return mac.digest()

    return digest


@lru_cache(maxsize=256)
def _digester(key: bytes, purpose: Purpose) -> Callable[[str], bytes]:
    """Keyed BLAKE2b (RFC 7693 section 2.9): a MAC as it stands, at a fifth of the time of HMAC-SHA256."""
    return digester(hashlib.blake2b(b"%b:" % purpose.encode(), digest_size=16, key=key, person=b"newsletter"))


def _stamper(key: bytes, purpose: Purpose) -> Callable[[str], str]:
    digest = _digester(key, purpose)
    return lambda payload: f"{payload}.{b2a_base64(digest(payload))[:22].translate(_URL_SAFE).decode()}"


def _sealer(key: bytes, purpose: Purpose) -> Callable[[str], str]:
    digest = _digester(key, purpose)
    return lambda text: digest(text)[:8].hex()
