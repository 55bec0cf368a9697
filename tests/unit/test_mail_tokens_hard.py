"""Attacks on tokens: every changed bit, every other purpose, every rotated key."""

import pytest

from newsletter.domain.errors import BadToken
from newsletter.mail.tokens import Purpose, Signer

KEYS = [f"key-number-{number}-of-the-newsletter" for number in range(7)]


@pytest.mark.parametrize("purpose", Purpose)
def test_any_single_changed_bit_is_refused(purpose: Purpose) -> None:
    signer = Signer(KEYS[:2])
    token = signer.sign(purpose, "abcdefgh23456789", "1a").encode()
    assert signer.open(purpose, token.decode()) == ("abcdefgh23456789", "1a")
    for at in range(len(token)):
        for bit in range(8):
            changed = bytes([*token[:at], token[at] ^ 1 << bit, *token[at + 1 :]]).decode("latin-1")
            with pytest.raises(BadToken):
                signer.open(purpose, changed)


@pytest.mark.parametrize("purpose", Purpose)
def test_a_token_of_one_purpose_is_refused_for_all_others(purpose: Purpose) -> None:
    signer = Signer(KEYS[:1])
    token = signer.sign(purpose, "abcdefgh23456789", "1746178200")
    for other in set(Purpose) - {purpose}:
        with pytest.raises(BadToken):
            signer.open(other, token)


def test_a_token_outlives_five_rotations_of_the_key_and_not_the_removal_of_its_own() -> None:
    token = Signer(KEYS[:1]).sign(Purpose.UNSUBSCRIBE, "abcdefgh23456789", "a")
    for rotations in range(6):
        signer = Signer(list(reversed(KEYS[: rotations + 1])))
        assert signer.open(Purpose.UNSUBSCRIBE, token) == ("abcdefgh23456789", "a")
    with pytest.raises(BadToken):
        Signer(KEYS[1:]).open(Purpose.UNSUBSCRIBE, token)


def test_there_is_a_seal_of_each_key_with_the_newest_first() -> None:
    old, new = Signer(KEYS[:1]), Signer([KEYS[1], KEYS[0]])
    assert new.seals(Purpose.ERASED, "a@b.example")[1] == old.seal(Purpose.ERASED, "a@b.example")
    assert new.seals(Purpose.ERASED, "a@b.example")[0] == new.seal(Purpose.ERASED, "a@b.example")
