"""Tokens: a signed token opens, a changed one does not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.domain.errors import BadToken, SettingsError
from newsletter.mail.tokens import Purpose, Signer

OLD, NEW = "an old key of the owner", "a new key of the owner"
fields = st.lists(st.text("abcXYZ019_-", min_size=1, max_size=20), min_size=1, max_size=4)


@given(fields)
def test_a_signed_token_gives_its_fields_back(values: list[str]) -> None:
    signer = Signer([NEW])
    assert signer.open(Purpose.CONFIRM, signer.sign(Purpose.CONFIRM, *values)) == tuple(values)


@given(fields)
def test_a_stamp_gives_the_same_token_as_sign(values: list[str]) -> None:
    signer = Signer([NEW, OLD])
    assert signer.stamp(Purpose.USEFUL)(".".join(values)) == signer.sign(Purpose.USEFUL, *values)


def test_a_token_is_refused_for_every_other_purpose() -> None:
    signer = Signer([NEW])
    token = signer.sign(Purpose.UNSUBSCRIBE, "ada", "3")
    for purpose in set(Purpose) - {Purpose.UNSUBSCRIBE}:
        with pytest.raises(BadToken):
            signer.open(purpose, token)


def test_no_single_bit_of_a_token_can_be_flipped() -> None:
    signer = Signer([NEW])
    token = signer.sign(Purpose.UNSUBSCRIBE, "ada", "3")
    for place in range(len(token)):
        for bit in range(8):
            changed = token[:place] + chr(ord(token[place]) ^ (1 << bit)) + token[place + 1 :]
            with pytest.raises(BadToken):
                signer.open(Purpose.UNSUBSCRIBE, changed)


@given(st.text(max_size=300))
def test_an_invented_token_does_not_open(token: str) -> None:
    with pytest.raises(BadToken):
        Signer([NEW]).open(Purpose.FORM, token)


def test_the_first_key_signs_and_all_verify() -> None:
    old, both, new = Signer([OLD]), Signer([NEW, OLD]), Signer([NEW])
    assert both.open(Purpose.FORM, old.sign(Purpose.FORM, "x")) == ("x",)
    assert new.open(Purpose.FORM, both.sign(Purpose.FORM, "x")) == ("x",)
    with pytest.raises(BadToken):
        new.open(Purpose.FORM, old.sign(Purpose.FORM, "x"))


@pytest.mark.parametrize("field", ["", "a.b", "a b", "ä", "a\n", "a/b"])
def test_a_field_that_could_be_misread_is_not_signed(field: str) -> None:
    with pytest.raises(ValueError, match="cannot be in a token"):
        Signer([NEW]).sign(Purpose.FORM, field)


def test_a_token_has_a_field_and_at_most_200_characters() -> None:
    signer = Signer([NEW])
    with pytest.raises(ValueError, match="200 characters"):
        signer.sign(Purpose.FORM)
    with pytest.raises(ValueError, match="200 characters"):
        signer.sign(Purpose.FORM, "a" * 180)
    with pytest.raises(BadToken):
        signer.open(Purpose.FORM, "a." * 100 + "b" * 22)


@pytest.mark.parametrize("keys", [[], ["short"], [NEW, "short"]])
def test_a_short_or_missing_key_is_named_with_its_fix(keys: list[str]) -> None:
    with pytest.raises(SettingsError, match="newsletter init"):
        Signer(keys)


def test_a_seal_is_short_lower_case_and_bound_to_its_purpose() -> None:
    signer = Signer([NEW])
    seal = signer.seal(Purpose.BOUNCE, "3-1c")
    assert len(seal) == 16
    assert seal == seal.lower()
    assert signer.is_sealed(Purpose.BOUNCE, "3-1c", seal)
    assert Signer([OLD, NEW]).is_sealed(Purpose.BOUNCE, "3-1c", seal)
    assert not signer.is_sealed(Purpose.BOUNCE, "3-1d", seal)
    assert not signer.is_sealed(Purpose.UNSUBSCRIBE_EMAIL, "3-1c", seal)
    assert not signer.is_sealed(Purpose.BOUNCE, "3-1c", "ü" * 16)
