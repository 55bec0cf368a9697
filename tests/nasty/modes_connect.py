"""Relays that are bad before the first email: connections, banner, EHLO, STARTTLS, AUTH."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tests.nasty.mode import DROP, ENDLESS, HALF_CLOSE, RESET, STALL, Bad, Manners, Mode, mode

MINUTE = timedelta(minutes=1)


def auth(name: str, ends: str, *faults: Bad, ehlo: str = "", **more: Any) -> Mode:
    return mode(name, ends, *faults, manners=Manners(users={"tips": "secret"}, ehlo=ehlo), login="tips:secret@", **more)


def tls(name: str, ends: str, *faults: Bad, **manners: Any) -> Mode:
    return mode(name, ends, *faults, manners=Manners(**manners), tls=True)


BANNER = (
    mode(
        "banner 554 about us", "paused", Bad("banner", "554 5.7.1 blocked using zen.spamhaus.example", disconnect=True)
    ),
    mode("banner 554 no service", "waiting", Bad("banner", "554 no SMTP service here", disconnect=True)),
    mode("banner 421", "waiting", Bad("banner", "421 4.3.2 service not available")),
    mode("banner 421 three times", "all", Bad("banner", "421 4.3.2 try again", times=3), minutes=5),
    mode("banner 421 every second time", "all", Bad("banner", "421 4.3.2 try again", every=2), minutes=5),
    mode("banner 421 for 20 minutes", "all", Bad("banner", "421 4.3.2 down", lasts=20 * MINUTE), minutes=40),
    mode("banner hang-up", "waiting", Bad("banner", DROP)),
    mode("banner RST", "waiting", Bad("banner", RESET)),
    mode("banner silence", "waiting", Bad("banner", STALL)),
    mode("banner half-close", "waiting", Bad("banner", HALF_CLOSE)),
    mode("banner without end", "waiting", Bad("banner", ENDLESS)),
    mode("banner of a web server", "waiting", Bad("banner", b"HTTP/1.1 400 Bad Request\r\n\r\n", disconnect=True)),
    mode("banner in three lines", "all", manners=Manners(greeting="220-welcome|220-to the|220 relay")),
    mode("banner with NUL and 8 bits", "all", Bad("banner", b"220 \xff\x00\x1b[2J relay\r\n")),
    mode("banner byte by byte", "all", Bad("banner", "220 slow", pause=0.002)),
    mode("banner without text", "all", manners=Manners(greeting="220")),
    mode("banner 250", "waiting", Bad("banner", "250 hello", disconnect=True)),
    mode("banner and the reply to EHLO at once", "waiting", Bad("banner", "220 hello|250 hello")),
    mode("banner 220 twice", "waiting", Bad("banner", "220 hello|220 hello")),
    mode("banner 554 and then 220", "waiting", Bad("banner", "554 no|220 yes")),
)

EHLO = (
    mode("EHLO unknown, HELO works", "all", Bad("ehlo", "500 5.5.1 unknown")),
    mode("EHLO 421", "waiting", Bad("ehlo", "421 4.3.2 closing")),
    mode("EHLO 451", "waiting", Bad("ehlo", "451 4.3.0 later")),
    mode("EHLO 354", "waiting", Bad("ehlo", "354 go")),
    mode("EHLO hang-up", "waiting", Bad("ehlo", DROP)),
    mode("EHLO hang-up every third time", "all", Bad("ehlo", DROP, every=3), minutes=5),
    mode("EHLO silence", "waiting", Bad("ehlo", STALL)),
    mode("EHLO without end", "waiting", Bad("ehlo", ENDLESS)),
    mode("EHLO without PIPELINING", "all", manners=Manners(pipelining=False)),
    mode("EHLO without any extension", "all", manners=Manners(pipelining=False, ehlo="250 relay")),
    mode("EHLO without text", "all", manners=Manners(pipelining=False, ehlo="250")),
    mode("EHLO in lower case", "all", manners=Manners(ehlo="250-relay|250-pipelining|250 8bitmime")),
    mode(
        "EHLO with strange extensions", "all",
        manners=Manners(ehlo="250-relay|250-AUTH=LOGIN|250-X-ANONYMOUSTLS|250-=|250-SIZE ten|250-8BITMIME no|250 PIPELINING"),
    ),
    mode("EHLO with 90 lines", "all", manners=Manners(ehlo="|".join(["250-XEXT"] * 89) + "|250 PIPELINING")),
    mode("EHLO with a line of 5 KB", "all", manners=Manners(ehlo=f"250-relay {'x' * 5000}|250 PIPELINING")),
    mode("EHLO with 8 bits", "all", Bad("ehlo", b"250-\xfcber\r\n250-\x00\r\n250 PIPELINING\r\n")),
    mode("EHLO with two codes", "waiting", Bad("ehlo", "250-relay|550 5.7.1 go away")),
    mode("EHLO with SIZE 100", "paused", manners=Manners(size=100)),
    mode("EHLO with SIZE beyond all numbers", "all", manners=Manners(ehlo=f"250-relay|250 SIZE {'9' * 40}")),
    mode("EHLO with SIZE below zero", "all", manners=Manners(ehlo="250-relay|250 SIZE -1")),
    mode("EHLO without 8BITMIME and SMTPUTF8", "all", manners=Manners(eightbit=False, smtputf8=False)),
    mode("EHLO twice", "waiting", Bad("ehlo", "250 relay|250 relay")),
)  # fmt: skip

CONNECTIONS = (
    mode("two at a time, the others wait", "all", manners=Manners(at_once=2)),
    mode(
        "two at a time, the others get 421", "all", manners=Manners(at_once=2, excess="421 4.7.0 too many connections")
    ),
    mode("one at a time, the others are dropped", "all", manners=Manners(at_once=1, excess="")),
    mode(
        "one at a time, the others get 554", "all", manners=Manners(at_once=1, excess="554 5.7.0 too many connections")
    ),
    mode("every fourth connection is reset", "all", Bad("banner", RESET, every=4), minutes=5),
)

TLS = (
    tls("STARTTLS 454", "waiting", Bad("starttls", "454 4.7.0 TLS not available")),
    tls("STARTTLS 421", "waiting", Bad("starttls", "421 4.3.2 closing")),
    tls("STARTTLS 501 once", "all", Bad("starttls", "501 5.5.2 no parameters", times=1)),
    tls("STARTTLS hang-up", "waiting", Bad("starttls", DROP)),
    tls("STARTTLS silence", "waiting", Bad("starttls", STALL)),
    tls("STARTTLS 220 and then plain text", "waiting", Bad("starttls", "220 go ahead|250 injected")),
    tls("STARTTLS 220 without TLS", "waiting", Bad("starttls", "220 go ahead", disconnect=True)),
    tls("STARTTLS not offered", "waiting", ehlo="250-relay|250 PIPELINING"),
    tls("STARTTLS without PIPELINING", "all", pipelining=False),
)

AUTH = (
    auth("AUTH 535", "paused", Bad("auth", "535 5.7.8 wrong password")),
    auth("AUTH 535 once", "paused", Bad("auth", "535 5.7.8 wrong password", times=2)),
    auth("AUTH 454", "waiting", Bad("auth", "454 4.7.0 temporary authentication failure")),
    auth("AUTH 421", "waiting", Bad("auth", "421 4.7.0 too many logins")),
    auth("AUTH hang-up", "waiting", Bad("auth", DROP)),
    auth("AUTH silence", "waiting", Bad("auth", STALL)),
    auth("AUTH 334 that is not base64", "waiting paused", Bad("auth", "334 !!!")),
    auth("AUTH not offered", "paused", ehlo="250-relay|250 PIPELINING"),
    auth("AUTH 454 for 5 minutes", "all", Bad("auth", "454 4.3.0 LDAP is down", lasts=5 * MINUTE), minutes=20),
    auth("MAIL 530 in spite of AUTH", "paused", Bad("mail", "530 5.7.0 authentication required")),
)

MODES = (*BANNER, *EHLO, *CONNECTIONS, *TLS, *AUTH)
