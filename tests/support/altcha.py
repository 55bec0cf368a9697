"""Solve a challenge of the ALTCHA protocol, as a browser does."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from hashlib import sha256


def number_of(challenge: Mapping[str, str | int]) -> int:
    """The number that the challenge hides."""
    salt, wanted = str(challenge["salt"]), challenge["challenge"]
    most = int(challenge["maxnumber"])
    return next(at for at in range(most + 1) if sha256(f"{salt}{at}".encode()).hexdigest() == wanted)


def encode(document: object) -> str:
    """As the field `altcha` has it."""
    return base64.b64encode(json.dumps(document).encode()).decode()


def solve(challenge: Mapping[str, str | int]) -> str:
    """The value of the field `altcha`."""
    return encode(
        {**{name: challenge[name] for name in challenge if name != "maxnumber"}, "number": number_of(challenge)}
    )
