"""Keys for DKIM tests, made for each run, because a private key does not belong in a repository."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat


def pem(key: RSAPrivateKey | Ed25519PrivateKey | EllipticCurvePrivateKey, passphrase: bytes = b"") -> str:
    """A key as openssl writes it."""
    protection = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection).decode()


def rsa(bits: int) -> str:
    """A new RSA key."""
    return pem(generate_rsa(65537, bits))


RSA = rsa(2048)
ED25519 = pem(Ed25519PrivateKey.generate())
UNSUPPORTED_KEYS = {
    "too short": rsa(1024),
    "another kind": pem(generate_private_key(SECP256R1())),
    "locked": pem(Ed25519PrivateKey.generate(), b"secret"),
}
