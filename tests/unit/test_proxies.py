"""The address of a visitor behind proxies, and forged ones in front of it."""

from __future__ import annotations

import pytest

from newsletter.web.proxies import MAX_HOPS, TrustedProxies, read_hop

PEER, VISITOR, FORGED = "10.0.0.1", "203.0.113.9", "192.0.2.66"


@pytest.mark.parametrize(
    ("trusted", "forwarded", "expected"),
    [
        ("*", [VISITOR], VISITOR),
        ("*", [f"{FORGED}, {VISITOR}"], VISITOR),
        ("*", [FORGED, VISITOR], VISITOR),
        ("*", [f"{FORGED}, 127.0.0.1, {VISITOR}"], VISITOR),
        ("* 10.0.0.0/8", [f"{FORGED}, {VISITOR}, 10.0.0.2"], VISITOR),
        ("10.0.0.1", [f"{FORGED}, {VISITOR}"], VISITOR),
        ("10.0.0.1", [f"{FORGED}, {VISITOR}, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.0/8", [f"{FORGED}, {VISITOR}, 10.0.0.2"], VISITOR),
        ("10.0.0.1/8", [f"{VISITOR}, 10.0.0.2, 10.9.9.9"], VISITOR),
        ("10.0.0.0/8", ["10.1.1.1, " + VISITOR], VISITOR),
        ("10.0.0.0/8", ["10.1.1.1, 10.2.2.2"], "10.1.1.1"),
        ("10.0.0.0/8 ::1", [f"{FORGED}, unknown, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.0/8", ["unknown"], PEER),
        ("10.0.0.0/8", [""], PEER),
        ("10.0.0.0/8", [" , ,, "], PEER),
        ("10.0.0.0/8", [VISITOR + ",,"], VISITOR),
        ("10.0.0.0/8", ["x" * 60_000], PEER),
        ("10.0.0.0/8", [f"{FORGED}, " * 1_000 + VISITOR], VISITOR),
        ("10.0.0.0/8", [f"{FORGED}, " + "10.0.0.2, " * 1_000], "10.0.0.2"),
        ("192.0.2.0/24", [VISITOR], PEER),
        ("::1", [VISITOR], PEER),
        ("10.0.0.0/8", ["::ffff:203.0.113.9"], VISITOR),
        ("10.0.0.0/8", ["::ffff:10.0.0.9, ::ffff:10.0.0.8"], "10.0.0.9"),
    ],
)
def test_only_what_a_trusted_proxy_added_is_believed(trusted: str, forwarded: list[str], expected: str) -> None:
    assert TrustedProxies(trusted.split()).visitor(PEER, forwarded) == expected


def test_a_peer_in_ipv6_notation_is_the_same_proxy() -> None:
    assert TrustedProxies(["10.0.0.1"]).visitor("::ffff:10.0.0.1", [VISITOR]) == VISITOR
    assert TrustedProxies(["fd00::/8"]).visitor("fd00::1", [VISITOR]) == VISITOR
    assert TrustedProxies(["10.0.0.1"]).visitor("testclient", [VISITOR]) == "testclient"


def test_a_thousand_hops_cost_no_more_than_the_last_ones() -> None:
    hops = [f"10.0.{n // 250}.{n % 250}" for n in range(1_000)]
    assert TrustedProxies(["10.0.0.0/8"]).visitor(PEER, [",".join(hops)]) == hops[-MAX_HOPS]
    assert TrustedProxies(["10.0.0.0/8"]).visitor(PEER, hops) == hops[-MAX_HOPS]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.1", "192.0.2.1"),
        (" 192.0.2.1:4711 ", "192.0.2.1"),
        ("2001:DB8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ('"[2001:db8::1]:4711"', "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("[fe80::1%eth0]:1", "fe80::1"),
        ("for=192.0.2.1", None),
        ("_hidden", None),
        ("192.0.2.1.5", None),
        ("192.0.2.1 evil", None),
        ("0300.0.2.1", None),
        ("[::1", "::1"),
        ("", None),
        ("\u0661.2.3.4", None),
    ],
)
def test_a_hop(text: str, expected: str | None) -> None:
    found = read_hop(text)
    assert (str(found) if found else None) == expected
