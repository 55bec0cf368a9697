"""Addresses: what is one, how it is written, when two are the same."""

from __future__ import annotations

import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import given
from hypothesis import strategies as st

from newsletter.domain.address import parse_address
from newsletter.domain.errors import InputError


def test_the_domain_is_lower_cased_and_the_local_part_kept_for_the_envelope() -> None:
    address = parse_address("  Jane.Doe@Example.ORG ")

    assert (address.text, address.key) == ("Jane.Doe@example.org", "jane.doe@example.org")


def test_an_international_address_is_normalised() -> None:
    assert parse_address("käthe@bücher.example").text == "käthe@bücher.example"


@pytest.mark.parametrize(
    "text",
    ["", "jane", "jane@", "@example.org", "jane@example", "ja ne@example.org", "jane@exa_mple.org", "jane@localhost",
     "jane..doe@example.org", ".jane@example.org", "jane@example.org\nBcc: x@y.example", "jane@-example.org",
     f"{'a' * 65}@example.org", f"jane@{'a' * 64}.org", f"{'a' * 64}@{'b' * 63}.{'c' * 63}.{'d' * 63}.org",
     "jane@[127.0.0.1]", "Jane <jane@example.org>", "jane@example.org, bob@example.org"],
)  # fmt: skip
def test_what_is_no_address_is_refused_in_words(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_address(text)

    assert str(caught.value)


LETTERS = "aB1._+-@x"


@given(st.text(LETTERS, max_size=12), st.text("aB1.-_", max_size=12), st.sampled_from(["org", "c", "x1", "test"]))
def test_the_quick_way_and_the_library_agree(local: str, host: str, top: str) -> None:
    text = f"{local}@{host}.{top}"
    try:
        found = validate_email(text, check_deliverability=False, strict=True, test_environment=True)
        expected: str | None = found.normalized
    except EmailNotValidError:
        expected = None
    try:
        actual: str | None = parse_address(text).text
    except InputError:
        actual = None

    assert expected == actual
