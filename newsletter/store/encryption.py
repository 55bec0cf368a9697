"""Encrypts a file with a passphrase: scrypt makes the key, and ChaCha20-Poly1305 seals pieces of a megabyte each.

The pieces are numbered and the last one is marked, so that none can be missing, moved, or changed without notice. That
is the STREAM construction ("Online Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance", 2015, section 7).
The cost of scrypt follows RFC 7914 section 2 and OWASP's advice for interactive use, doubled twice.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from newsletter import files
from newsletter.domain.errors import InputError, NewsletterError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

MAGIC = b"Tip of the Week, encrypted backup 1\n"
PIECE = 1_000_000  # bytes
TAG = 16  # bytes, which each piece is longer when it is sealed (RFC 8439 section 2.8)
SHORTEST = 8  # characters of a passphrase
_COST = 17  # the binary logarithm of scrypt's N: 128 MB and half a second
_HEADER = struct.Struct(">B16s7s")  # cost, salt, beginning of each nonce


def is_encrypted(path: Path) -> bool:
    """Was this file made by `encrypt`?"""
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def encrypt(source: Path, target: Path, passphrase: str) -> None:
    """Write an encrypted copy to a new private file. Raises NewsletterError without the package `cryptography`."""
    header = MAGIC + _HEADER.pack(_COST, os.urandom(16), os.urandom(7))
    seal = _cipher(header, passphrase).encrypt
    with source.open("rb") as plain, os.fdopen(files.create(target), "wb") as sealed:
        sealed.write(header)
        for nonce, piece in _pieces(plain, header, PIECE):
            sealed.write(seal(nonce, piece, header))
        sealed.flush()
        os.fsync(sealed.fileno())


def decrypt(source: Path, target: Path, passphrase: str) -> None:
    """Write the decrypted copy to a new private file. Raises InputError for a wrong passphrase or a changed file."""
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - optional; `_cipher` says how to install it

    with source.open("rb") as sealed:
        header = sealed.read(len(MAGIC) + _HEADER.size)
        cipher = _cipher(header, passphrase)
        with os.fdopen(files.create(target), "wb") as plain:
            is_first = True
            for nonce, piece in _pieces(sealed, header, PIECE + TAG):
                try:
                    plain.write(cipher.decrypt(nonce, piece, header))
                except InvalidTag:
                    raise _refused(source, is_first=is_first) from None
                is_first = False


def _refused(source: Path, *, is_first: bool) -> InputError:
    if is_first:
        # The first piece tells no difference.
        fix = "Nothing was changed. Try again, or use another backup"
        return InputError(f"the passphrase of {source} is wrong, or the file is damaged", fix=fix)
    return InputError(f"{source} is damaged or incomplete", fix="Nothing was changed. Use another backup")


def _pieces(file: BinaryIO, header: bytes, size: int) -> Iterator[tuple[bytes, bytes]]:
    """(nonce, piece) of each piece; the last one, which may be empty, has a nonce that says so."""
    beginning = header[-7:]
    piece, number = file.read(size), 0
    while True:
        following = file.read(size)
        yield beginning + struct.pack(">IB", number, not following), piece
        if not following:
            return
        piece, number = following, number + 1


def _cipher(header: bytes, passphrase: str) -> ChaCha20Poly1305:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305  # noqa: PLC0415 - optional
        from cryptography.hazmat.primitives.kdf.scrypt import Scrypt  # noqa: PLC0415 - optional
    except ImportError:
        raise NewsletterError(
            "encrypted backups need the package cryptography, which is not installed",
            fix="Run: pip install 'tip-of-the-week[encryption]'",
        ) from None
    cost, salt, _ = _HEADER.unpack(header[len(MAGIC) :].ljust(_HEADER.size, b"\0"))
    if cost != _COST:  # else a forged file could ask for any amount of memory
        raise InputError("this encrypted backup is damaged, or a newer program made it", fix="Use another backup")
    key = Scrypt(salt=salt, length=32, n=2**cost, r=8, p=1).derive(passphrase.encode())
    return ChaCha20Poly1305(key)
