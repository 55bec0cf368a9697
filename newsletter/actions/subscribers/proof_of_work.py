"""What a visitor does for a sign-up while the form is abused: a calculation by the ALTCHA protocol, or a wait.

ALTCHA's challenge (altcha.org/docs, version 1): a browser looks for the number whose SHA-256 together with a salt is given.
Finding it takes many hashes, checking it takes one. Everything is signed, so that nothing is kept until it is used.
Own code and no library: it needs only `hashlib`, and the official ones twice had a salt that could be cut elsewhere
(CVE-2025-68113); here, salt and number are of one form only.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from newsletter.domain.errors import BadToken
from newsletter.domain.subscribers.signup_limits import CHALLENGE_AGE, MAX_NUMBER, WAIT_AGE
from newsletter.mail.tokens import Purpose, Signer
from newsletter.mail.verp import base36

ALGORITHM = "SHA-256"
MAX_SOLUTION = 1_000  # characters; a real one has under 400
_SALT = re.compile(r"[0-9a-f]{24}\?expires=([1-9][0-9]{9,10})&for=([0-9a-f]{16})&", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Wait:
    """A wait that a visitor without scripts was asked for. token: for the form; left: the seconds that are left."""

    token: str
    left: int


@dataclass(frozen=True, slots=True)
class ProofOfWork:
    """Makes and checks challenges and waits. Each belongs to one address, and to the sign-up form. `now` is aware."""

    signer: Signer

    def challenge(self, address_key: str, now: datetime) -> dict[str, str | int]:
        """A challenge for a sign-up of this address, with the keys that ALTCHA gives it."""
        expires = int((now + CHALLENGE_AGE).timestamp())
        # The "&" at the end keeps the digits of the number apart from the salt.
        salt = f"{secrets.token_hex(12)}?expires={expires}&for={self.signer.seal(Purpose.PROOF, address_key)}&"
        digest = _digest(salt, secrets.randbelow(MAX_NUMBER + 1))
        signature = self.signer.sign(Purpose.PROOF, digest).rpartition(".")[2]
        return {
            "algorithm": ALGORITHM,
            "challenge": digest,
            "maxnumber": MAX_NUMBER,
            "salt": salt,
            "signature": signature,
        }

    def solved(self, solution: str, address_key: str, now: datetime) -> str:
        """The name of the challenge that was solved for this address in time, so that it is used only once; or "".

        solution: Base64 of a JSON object with algorithm, challenge, number, salt, and signature. It comes from a stranger.
        """
        found = _read(solution)
        number = found.get("number")
        salt, digest, signature = (found.get(name) for name in ("salt", "challenge", "signature"))
        # `type` and not `isinstance`: True is an int, too.
        if type(number) is not int or not 0 <= number <= MAX_NUMBER or found.get("algorithm") != ALGORITHM:
            return ""
        if not (isinstance(salt, str) and isinstance(digest, str) and isinstance(signature, str)):
            return ""
        parts = _SALT.fullmatch(salt)
        if not parts or not _DIGEST.fullmatch(digest) or int(parts[1]) < now.timestamp():
            return ""
        try:
            self.signer.open(Purpose.PROOF, f"{digest}.{signature}")
        except BadToken:
            return ""
        is_right = hmac.compare_digest(_digest(salt, number), digest)
        return digest if is_right and self.signer.is_sealed(Purpose.PROOF, address_key, parts[2]) else ""

    def wait(self, address_key: str, now: datetime, token: str = "") -> Wait:
        """The wait of a visitor whose browser runs no script. token: of a wait that has begun, which then goes on."""
        age = self._waited(token, address_key, now)
        if age is not None and timedelta() <= age < WAIT_AGE[0]:
            return Wait(token, ceil((WAIT_AGE[0] - age).total_seconds()))
        fields = base36(int(now.timestamp())), secrets.token_hex(8), self.signer.seal(Purpose.WAIT, address_key)
        return Wait(self.signer.sign(Purpose.WAIT, *fields), int(WAIT_AGE[0].total_seconds()))

    def waited(self, token: str, address_key: str, now: datetime) -> str:
        """The name of the wait that is over for this address, so that it is used only once; or ""."""
        age = self._waited(token, address_key, now)
        return token.split(".")[1] if age is not None and WAIT_AGE[0] <= age <= WAIT_AGE[1] else ""

    def _waited(self, token: str, address_key: str, now: datetime) -> timedelta | None:
        try:
            began, _, sealed = self.signer.open(Purpose.WAIT, token)
        except (BadToken, ValueError):
            return None
        if not self.signer.is_sealed(Purpose.WAIT, address_key, sealed):
            return None
        return timedelta(seconds=now.timestamp() - int(began, 36))


def _digest(salt: str, number: int) -> str:
    return hashlib.sha256(f"{salt}{number}".encode()).hexdigest()


def _read(solution: str) -> Mapping[str, object]:
    if len(solution) > MAX_SOLUTION:
        return {}
    try:
        found = json.loads(binascii.a2b_base64(solution, strict_mode=True))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
