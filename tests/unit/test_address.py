"""Email addresses: which are valid, how they are normalized, and when two are the same."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import given
from hypothesis import strategies as st

from newsletter.domain.errors import InputError
from newsletter.domain.subscribers.address import address_key, address_parser, parse_address


def test_the_domain_is_lowercased_and_the_local_part_keeps_its_case() -> None:
    address = parse_address("  Jane.Doe@Example.ORG ")

    assert (address.text, address.key) == ("Jane.Doe@example.org", "jane.doe@example.org")


def test_an_international_address_is_normalized() -> None:
    assert parse_address("käthe@bücher.example").text == "käthe@bücher.example"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Straße@example.org", "strasse@example.org"),
        ("anna@straße.example", "anna@strasse.example"),
        ("\u0131@example.org", "I@example.org"),  # Turkish: ı is the lower case of I
        ("\u0130@example.org", "i@example.org"),
        ("νικος@example.org", "νικοσ@example.org"),
        ("anna@νικος.example", "anna@νικοσ.example"),
        ("\ufb01n@example.org", "fin@example.org"),  # a ligature
        ("\u017fam@example.org", "sam@example.org"),  # a long s
        ("\uff41nna@example.org", "anna@example.org"),  # a full-width letter
    ],
)
def test_addresses_with_different_letters_are_two_people(one: str, other: str) -> None:
    assert parse_address(one).key != parse_address(other).key


@pytest.mark.parametrize(
    "spellings",
    [
        ["anna@example.org", "ANNA@EXAMPLE.org", "anna@ＥＸＡＭＰＬＥ。org"],
        ["jos\u00e9@example.org", "jose\u0301@example.org", "JOS\u00c9@example.org"],
        ["straße@example.org", "STRAẞE@EXAMPLE.org"],
        ["anna@straße.example", "anna@xn--strae-oqa.example", "anna@STRAẞE.example"],
        ["anna@bücher.example", "anna@BU\u0308CHER.example", "anna@xn--bcher-kva.example"],
        ["\u212a@example.org", "k@example.org"],  # the Kelvin sign is the letter K in NFC
        ["νικος@example.org", "ΝΙΚΟΣ@example.org"],
    ],
)
def test_spellings_of_one_address_have_one_key(spellings: list[str]) -> None:
    assert len({parse_address(text).key for text in spellings}) == 1
    assert {address_parser()(text)[1] for text in spellings} == {parse_address(spellings[0]).key}


@given(st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=6))
def test_a_key_is_the_key_of_itself(local: str) -> None:
    try:
        found = parse_address(f"{local}@example.org")
    except InputError:
        return
    assert address_key(found.key) == found.key


@pytest.mark.parametrize(
    "text",
    ["", "jane", "jane@", "@example.org", "jane@example", "ja ne@example.org", "jane@exa_mple.org", "jane@localhost",
     "jane..doe@example.org", ".jane@example.org", "jane@example.org\nBcc: x@y.example", "jane@-example.org",
     f"{'a' * 65}@example.org", f"jane@{'a' * 64}.org", f"{'a' * 64}@{'b' * 63}.{'c' * 63}.{'d' * 63}.org",
     "jane@[127.0.0.1]", "Jane <jane@example.org>", "jane@example.org, bob@example.org"],
)  # fmt: skip
def test_an_invalid_address_is_refused_with_a_message(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_address(text)

    assert str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["\u200bjane@example.org", "jane@example.org\u00a0", "\ufeffjane@example.org", "jane\u200b@example.org",
     "\u202ajane@example.org\u202c", "jane@exam\u00adple.org", "jane@example.org\u200d", " \u2066jane@example.org\u2069 "],
)  # fmt: skip
def test_invisible_characters_are_removed(text: str) -> None:
    assert parse_address(text).text == "jane@example.org"
    assert address_parser()(text) == ("jane@example.org", "jane@example.org")


def test_an_address_with_a_replacement_character_is_refused() -> None:
    with pytest.raises(InputError, match=r"U\+FFFD"):
        parse_address("jane\ufffd@example.org")


CHARACTERS = "aB1._+-@x"


@given(st.text(CHARACTERS, max_size=12), st.text("aB1.-_", max_size=12), st.sampled_from(["org", "c", "x1", "test"]))
def test_the_fast_path_and_the_library_agree(local: str, host: str, top: str) -> None:
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


def verdict(read: Callable[[str], object], text: str) -> object:
    try:
        return read(text)
    except InputError as error:
        return str(error)


def in_full(text: str) -> tuple[str, str]:
    found = parse_address(text)
    return found.text, found.key


LOCALS = st.one_of(
    st.text(CHARACTERS, max_size=12), st.sampled_from(["Info", "a" * 64, "a" * 65, "o'b", "käthe", '"a b"', ""])
)
DOMAINS = st.sampled_from(
    ["Example.org", "example.org", "xn--bcher-kva.example", "bücher.example", "localhost", "a.test", "exa_mple.org",
     "x.arpa", "-a.org", "a.b.c", "", f"{'d' * 63}.{'d' * 63}.{'d' * 63}.org", "example.org."]
)  # fmt: skip


@given(st.lists(st.tuples(LOCALS, DOMAINS), max_size=20))
def test_the_parser_for_many_addresses_agrees_with_the_one_for_a_single_address(parts: list[tuple[str, str]]) -> None:
    read = address_parser()
    for local, domain in parts:
        text = f"{local}@{domain}"
        assert verdict(read, text) == verdict(in_full, text)
