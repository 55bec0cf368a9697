"""The calculation and the wait that a sign-up needs while the form is abused."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from newsletter.actions.subscribers.proof_of_work import ProofOfWork
from newsletter.domain.subscribers.signup_limits import CHALLENGE_AGE, MAX_NUMBER, WAIT_AGE, is_stream
from newsletter.mail.tokens import Signer
from tests.support.altcha import encode, number_of, solve

NOON = datetime(2026, 5, 2, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
ANNA = "anna@host.example"
PROOF = ProofOfWork(Signer(["a-key-that-only-tests-have-0123456789"]))
CHALLENGE = PROOF.challenge(ANNA, NOON)
SOLUTION: dict[str, Any] = {**CHALLENGE, "number": number_of(CHALLENGE)}


def solved(solution: str, *, address: str = ANNA, at: datetime = NOON) -> str:
    return PROOF.solved(solution, address, at)


def test_a_solution_counts_for_its_address_until_the_challenge_expires() -> None:
    solution = solve(CHALLENGE)
    assert solved(solution) == CHALLENGE["challenge"]
    assert solved(solution, at=NOON + CHALLENGE_AGE) == CHALLENGE["challenge"]
    assert solved(solution, at=NOON + CHALLENGE_AGE + SECOND) == ""
    assert solved(solution, address="anna2@host.example") == ""


def test_the_challenge_has_what_the_protocol_asks_for() -> None:
    assert set(CHALLENGE) == {"algorithm", "challenge", "maxnumber", "salt", "signature"}
    assert (CHALLENGE["algorithm"], CHALLENGE["maxnumber"]) == ("SHA-256", MAX_NUMBER)
    assert str(CHALLENGE["salt"]).endswith("&")
    assert len(str(CHALLENGE["salt"])) % 64 + len(str(MAX_NUMBER)) <= 55  # so that a number costs a browser one block


def test_a_solution_of_an_older_key_counts_and_one_of_a_foreign_key_does_not() -> None:
    new = ProofOfWork(Signer(["a-new-key-0123456789", "a-key-that-only-tests-have-0123456789"]))
    foreign = ProofOfWork(Signer(["a-new-key-0123456789"]))
    assert new.solved(solve(CHALLENGE), ANNA, NOON)
    assert foreign.solved(solve(CHALLENGE), ANNA, NOON) == ""


def _cut(salt: str, number: int) -> dict[str, Any]:
    """The splicing of CVE-2025-68113: what belongs to the salt is moved into the number."""
    return {"salt": salt[:-1], "number": f"&{number}"}


@pytest.mark.parametrize(
    "change",
    [
        {"number": SOLUTION["number"] + 1},
        {"number": str(SOLUTION["number"])},
        {"number": float(SOLUTION["number"])},
        {"number": True},
        {"number": -1},
        {"number": None},
        {"number": 10**400},
        {"algorithm": "SHA-1"},
        {"algorithm": "sha-256"},
        {"algorithm": ["SHA-256"]},
        {"challenge": CHALLENGE["challenge"].upper()},  # type: ignore[union-attr]
        {"challenge": "0" * 64},
        {"challenge": 5},
        {"signature": ""},
        {"signature": "A" * 22},
        {"signature": CHALLENGE["signature"] + "."},  # type: ignore[operator]
        {"signature": None},
        {"salt": str(CHALLENGE["salt"]).replace("expires=1", "expires=2")},
        {"salt": str(CHALLENGE["salt"]) + "\n"},
        {"salt": str(CHALLENGE["salt"]).replace("=1", "=\u0661")},
        {"salt": {}},
        _cut(str(CHALLENGE["salt"]), SOLUTION["number"]),
        {"salt": str(CHALLENGE["salt"]) + str(SOLUTION["number"])[:1], "number": int(str(SOLUTION["number"])[1:] or 0)},
    ],
)
def test_a_solution_that_was_changed_does_not_count(change: dict[str, Any]) -> None:
    assert solved(encode({**SOLUTION, **change})) == ""


@pytest.mark.parametrize(
    "solution",
    [
        "",
        "x",
        "AAAA",
        "\ud800",
        "\u00e4" * 40,
        encode([]),
        encode("x"),
        encode(None),
        encode({}),
        base64.b64encode(b"[" * 700).decode(),
        base64.b64encode(b'{"number": 1e999}').decode(),
        base64.b64encode(b"\xff\xfe").decode(),
        "A" * 20_000,
        base64.b64encode(json.dumps(SOLUTION).encode()).decode() + "\n",
        base64.b64encode(b'{"number": ' + b"9" * 600 + b"}").decode(),
    ],
)
def test_garbage_is_no_solution(solution: str) -> None:
    assert solved(solution) == ""


def test_a_wait_counts_between_its_least_and_its_longest_time_for_its_address() -> None:
    wait = PROOF.wait(ANNA, NOON)
    ages = [WAIT_AGE[0] - SECOND, WAIT_AGE[0], WAIT_AGE[1], WAIT_AGE[1] + SECOND]
    assert [bool(PROOF.waited(wait.token, ANNA, NOON + age)) for age in ages] == [False, True, True, False]
    assert PROOF.waited(wait.token, "bob@host.example", NOON + WAIT_AGE[0]) == ""
    assert PROOF.waited(wait.token, ANNA, NOON - SECOND) == ""
    for token in ("", "x", CHALLENGE["signature"], f"{CHALLENGE['challenge']}.{CHALLENGE['signature']}"):
        assert PROOF.waited(str(token), ANNA, NOON + WAIT_AGE[0]) == ""


def test_a_button_that_is_pressed_early_does_not_begin_the_wait_again() -> None:
    wait = PROOF.wait(ANNA, NOON)
    again = PROOF.wait(ANNA, NOON + 10 * SECOND, wait.token)
    assert again.token == wait.token
    assert again.left == wait.left - 10
    assert PROOF.wait("bob@host.example", NOON, wait.token).token != wait.token


@pytest.mark.parametrize(
    ("unanswered", "answered", "expected"),
    [(39, 0, False), (40, 0, True), (40, 9, True), (40, 10, False), (336, 84, True), (336, 168, False)],
)
def test_a_stream_of_false_sign_ups(unanswered: int, answered: int, *, expected: bool) -> None:
    assert is_stream(unanswered, answered) is expected
