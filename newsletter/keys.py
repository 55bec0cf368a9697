"""Keys: load the private keys for DKIM from PEM, and draw the random keys of new subscribers."""

from __future__ import annotations

import secrets
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from typing import TYPE_CHECKING

from newsletter.domain.errors import SettingsError
from newsletter.mail.dkim import Dkim, Key

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

RSA_BITS = range(2048, 4097)  # RFC 8301 section 3.2: signers should use at least 2048, verifiers must handle up to 4096
KEY_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"  # 32 letters and digits that are hard to confuse
_TO_LETTERS = (KEY_LETTERS * 8).encode()  # maps each of the 256 octets to a letter, all letters equally often
_MAKE = "Create one: openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out dkim.pem"


def fresh_key() -> str:
    """A new subscriber's key: 16 of 32 letters, so 80 random bits."""
    return secrets.token_bytes(16).translate(_TO_LETTERS).decode()


def fresh_keys() -> Iterator[str]:
    """Endless fresh keys, drawn a thousand at a time, for imports."""
    while True:
        many = secrets.token_bytes(16_000).translate(_TO_LETTERS).decode()
        yield from (many[at : at + 16] for at in range(0, len(many), 16))


def load_dkim(domain: str, keys: Iterable[tuple[str, str, str]]) -> Dkim | None:
    """The signer for a domain; None when no key is set.

    domain: in ASCII. keys: the prefix of a key's settings (for messages), its selector, and its PEM. Raises SettingsError for
    a key that cannot be used, and when `cryptography` is not installed.
    """
    given = [key for key in keys if key[1] or key[2]]
    return Dkim(domain, [_load(*key) for key in given]) if given else None


def _load(setting: str, selector: str, pem: str) -> Key:
    if not (selector and pem):
        have, lack = ("SELECTOR", "KEY") if selector else ("KEY", "SELECTOR")
        raise SettingsError(f"{setting}_{have} is set without {setting}_{lack}", fix="Set both or neither")
    try:
        from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - optional
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415 - optional
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey  # noqa: PLC0415 - optional
        from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415 - optional
    except ImportError:
        fix = "Install it: pip install 'tip-of-the-week[dkim]'"
        raise SettingsError(f"{setting}_KEY is set, but the package cryptography is not installed", fix=fix) from None
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        fix = f"Use PEM without a passphrase. {_MAKE}"
        raise SettingsError(f"{setting}_KEY cannot be read as a private key", fix=fix) from None
    if isinstance(key, Ed25519PrivateKey):
        return _ed25519(selector, key)
    if isinstance(key, RSAPrivateKey) and key.key_size in RSA_BITS:
        return _rsa(selector, key)
    raise SettingsError(f"{setting}_KEY is neither RSA of 2048 to 4096 bits nor Ed25519", fix=_MAKE)


def _rsa(selector: str, key: RSAPrivateKey) -> Key:
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15  # noqa: PLC0415 - optional
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415 - optional
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat  # noqa: PLC0415 - optional

    padding, digest = PKCS1v15(), SHA256()
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return _key(selector, "rsa", public, lambda data: key.sign(data, padding, digest))


def _ed25519(selector: str, key: Ed25519PrivateKey) -> Key:
    """An Ed25519 key signs the SHA-256 hash of the data (RFC 8463 section 3)."""
    public = key.public_key().public_bytes_raw()
    return _key(selector, "ed25519", public, lambda data: key.sign(sha256(data).digest()))


def _key(selector: str, kind: str, public: bytes, sign: Callable[[bytes], bytes]) -> Key:
    record = f"v=DKIM1; k={kind}; p={b64encode(public).decode()}"  # RFC 6376 section 3.6.1
    return Key(selector, f"{kind}-sha256", record, sign)
