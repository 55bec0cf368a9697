"""Envelope senders and mailto: addresses: signed, short, and readable after a change of case."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.domain.errors import BadToken, SettingsError
from newsletter.domain.site import Site
from newsletter.mail.tokens import Signer
from newsletter.mail.verp import SignedAddresses, base36, read_envelope_sender, read_unsubscribe_address

SIGNER = Signer(["a key for these tests only"])
SITE = Site("Tip of the Week", "Tip of the Week", "tips@news.example", "https://news.example")
OWN_DOMAIN = replace(SITE, bounce_domain="bounces.news.example")
numbers = st.integers(0, 2**63)


@given(numbers)
def test_base36_is_what_int_reads(number: int) -> None:
    assert int(base36(number), 36) == number


@given(st.sampled_from([SITE, OWN_DOMAIN]), st.integers(1, 10**6), numbers)
def test_a_bounce_finds_its_delivery_even_in_lower_or_upper_case(site: Site, issue: int, subscriber: int) -> None:
    local, _, domain = SignedAddresses(site, SIGNER).bounce(issue, subscriber).rpartition("@")
    assert domain == (site.bounce_domain or "news.example")
    assert len(local) <= 64
    assert re.fullmatch(r"(tips\+)?[a-z0-9-]+", local)
    for seen in (local, local.lower(), local.upper()):
        assert read_envelope_sender(SIGNER, seen) == (issue, subscriber)


@given(st.sampled_from([SITE, OWN_DOMAIN]), st.text("abcdefghij0123456789", min_size=16, max_size=16))
def test_an_unsubscribe_email_identifies_its_subscriber(site: Site, key: str) -> None:
    local = SignedAddresses(site, SIGNER).unsubscribe(7, key).rpartition("@")[0]
    assert len(local) <= 64
    assert read_unsubscribe_address(SIGNER, local.upper()) == (key, 7)


def test_a_changed_or_foreign_address_is_refused() -> None:
    local = SignedAddresses(OWN_DOMAIN, SIGNER).bounce(12, 34).rpartition("@")[0]
    for place in range(len(local)):
        changed = local[:place] + ("0" if local[place] != "0" else "1") + local[place + 1 :]
        with pytest.raises(BadToken):
            read_envelope_sender(SIGNER, changed)
    for foreign in ("", "postmaster", "b-1-1-", f"{local}x", "x" * 70, f"{'x' * 60}+{local}"):
        with pytest.raises(BadToken):
            read_envelope_sender(SIGNER, foreign)


def test_a_bounce_address_does_not_unsubscribe_and_the_other_way_round() -> None:
    bounce = SignedAddresses(OWN_DOMAIN, SIGNER).bounce(12, 34).rpartition("@")[0]
    leave = SignedAddresses(OWN_DOMAIN, SIGNER).unsubscribe(12, "y").rpartition("@")[0]
    with pytest.raises(BadToken):
        read_unsubscribe_address(SIGNER, f"u{bounce[1:]}")
    with pytest.raises(BadToken):
        read_envelope_sender(SIGNER, f"b{leave[1:]}")


def test_a_from_address_too_long_for_a_plus_address_is_a_settings_error() -> None:
    site = replace(SITE, from_address=f"{'long' * 12}@news.example")
    with pytest.raises(SettingsError, match="NEWSLETTER_BOUNCE_DOMAIN"):
        SignedAddresses(site, SIGNER).bounce(1, 1)
    assert SignedAddresses(replace(site, bounce_domain="b.example"), SIGNER).bounce(1, 1).endswith("@b.example")
