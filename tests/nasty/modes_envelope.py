"""Relays that are bad at MAIL and RCPT: senders, recipients, limits, and times of day."""

from __future__ import annotations

from datetime import timedelta

from tests.nasty.mode import DROP, ENDLESS, FEW, HALF_CLOSE, ODD, RESET, STALL, Bad, Manners, mode

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
NOBODY = "550 5.1.1 no such user"
IDS = "550-5.1.1 The email account that you tried to reach does not exist.|550 5.1.1 NoSuchUser {id} - gsmtp"

MAIL = (
    mode("MAIL 421", "waiting", Bad("mail", "421 4.3.2 closing")),
    mode("MAIL 451", "waiting", Bad("mail", "451 4.3.0 later")),
    mode("MAIL 451 once", "all", Bad("mail", "451 4.3.0 later", times=1)),
    mode("MAIL 451 every fifth time", "all", Bad("mail", "451 4.3.0 later", every=5), minutes=2),
    mode("MAIL 452 for 10 minutes", "all", Bad("mail", "452 4.3.1 disk full", lasts=10 * MINUTE), minutes=30),
    mode("MAIL 550", "paused", Bad("mail", "550 5.1.0 sender rejected")),
    mode("MAIL 553 after 20 emails", "paused", Bad("mail", "553 5.7.1 not owned by user tips", first=20)),
    mode("MAIL 550 of a quota", "waiting", Bad("mail", "550 5.4.5 daily sending quota exceeded")),
    mode("MAIL 354", "waiting", Bad("mail", "354 go")),
    mode("MAIL 503 once", "all", Bad("mail", "503 5.5.1 bad sequence of commands", times=1)),
    mode("MAIL 250 without text", "all", Bad("mail", "250")),
    mode("MAIL 250 in two lines", "all", Bad("mail", "250-sender|250 ok")),
    mode("MAIL 250 twice", "waiting", Bad("mail", "250 ok|250 ok")),
    mode("MAIL hang-up", "waiting", Bad("mail", DROP)),
    mode("MAIL hang-up every seventh time", "all", Bad("mail", DROP, every=7), minutes=2),
    mode("MAIL RST every seventh time", "all", Bad("mail", RESET, every=7), minutes=2),
    mode("MAIL silence", "waiting", Bad("mail", STALL)),
    mode("MAIL junk", "waiting", Bad("mail", b"\x00\xff\r\n")),
)

LIMITS = (
    mode("five emails on a connection, then 421", "all", Bad("mail", "421 4.7.0 reconnect", per="connection", first=5)),
    mode("five emails on a connection, then 452", "all", Bad("mail", "452 4.5.3 too many", per="connection", first=5),
         minutes=2),
    mode("five emails on a connection, then hang-up", "all", Bad("mail", DROP, per="connection", first=5)),
    mode("one email on a connection, then 421", "all", Bad("mail", "421 4.7.0 reconnect", per="connection", first=1)),
    mode("one email on a connection, then RST", "all", Bad("accepted", b"250 ok\r\n", disconnect=True)),
    mode("three recipients on a connection, then 421", "all", Bad("rcpt", "421 4.7.0 enough", per="connection", first=3)),
    mode("three recipients on a connection, then 452", "all",
         Bad("rcpt", "452 4.5.3 too many recipients", per="connection", first=3)),
    mode("three recipients on a connection, then 450", "all", Bad("rcpt", "450 4.7.1 not now", per="connection", first=3),
         minutes=5),
    mode("three emails on a connection, then 451 at the dot", "all",
         Bad("dot", "451 4.3.0 not now", per="connection", first=3), minutes=5),
    mode("ten emails a minute, then 421", "all", Bad("mail", "421 4.7.0 slow down", first=10, window=MINUTE),
         minutes=30, bad_for=120),
    mode("ten emails a minute, then 450", "all", Bad("rcpt", "450 4.7.1 slow down", first=10, window=MINUTE), minutes=30),
    mode("fifteen emails a day", "waiting", Bad("rcpt", "550 5.4.5 daily user sending limit exceeded", first=15)),
    mode("two emails to a domain each hour", "rest", Bad("rcpt", "450 4.7.1 too many", to=FEW, first=2, window=HOUR),
         states="sent deferred"),
)  # fmt: skip

ONE_RECIPIENT = (
    mode("RCPT 550 5.1.1 for one", "rest", Bad("rcpt", NOBODY, to=ODD), states="rejected", suppressed=True),
    mode("RCPT 550 for one, no enhanced code", "rest", Bad("rcpt", "550 no such user", to=ODD), states="rejected",
         suppressed=True),
    mode("RCPT 550 for one, byte by byte", "rest", Bad("rcpt", NOBODY, to=ODD), manners=Manners(split=1),
         states="rejected", suppressed=True),
    mode("RCPT 550 for one, and hang-up", "rest", Bad("rcpt", NOBODY, to=ODD, disconnect=True), states="rejected",
         suppressed=True),
    mode("RCPT 550 for one, UTF-8 in two lines", "rest",
         Bad("rcpt", "550-5.1.1 Unbekannter Empfänger|550 5.1.1 <{to}> gibt es nicht", to=ODD),
         states="rejected", suppressed=True),
    mode("RCPT 550 for one, NUL and Latin-1", "rest", Bad("rcpt", b"550 5.1.1 no such user \xfc\x00\r\n", to=ODD),
         states="rejected", suppressed=True),
    mode("RCPT 550 for one, 3 KB", "rest", Bad("rcpt", f"550 5.1.1 {'no such user ' * 240}", to=ODD), states="rejected",
         suppressed=True),
    mode("RCPT 550 for one, without PIPELINING", "rest", Bad("rcpt", NOBODY, to=ODD), manners=Manners(pipelining=False),
         states="rejected", suppressed=True),
    mode("RCPT 550 for one, DATA is taken", "rest", Bad("rcpt", NOBODY, to=ODD), states="rejected", suppressed=True,
         manners=Manners(data_without_recipients=True)),
    mode("RCPT 550 for one, twice", "rest", Bad("rcpt", f"{NOBODY}|{NOBODY}", to=ODD), states="rejected", suppressed=True),
    mode("RCPT 550 for one, RSET 421", "rest", Bad("rcpt", NOBODY, to=ODD), Bad("rset", "421 4.3.2 closing"), odd=ODD,
         states="rejected", suppressed=True),
    mode("RCPT 550 for one, RSET 500", "rest", Bad("rcpt", NOBODY, to=ODD), Bad("rset", "500 5.5.1 what"), odd=ODD,
         states="rejected", suppressed=True),
    mode("RCPT 550 for one, RSET hang-up", "rest", Bad("rcpt", NOBODY, to=ODD), Bad("rset", DROP), odd=ODD,
         states="rejected", suppressed=True),
    mode("RCPT 550 for one, RSET silence", "rest", Bad("rcpt", NOBODY, to=ODD), Bad("rset", STALL), odd=ODD,
         states="rejected", suppressed=True),
    mode("RCPT 550 and 250 for one", "rest", Bad("rcpt", "550-5.1.1 no such user|250 ok", to=ODD), states="deferred held"),
    mode("RCPT 552 full for one", "rest", Bad("rcpt", "552 5.2.2 mailbox full", to=ODD), states="rejected"),
    mode("RCPT 452 full for one", "rest", Bad("rcpt", "452 4.2.2 mailbox full", to=ODD), states="deferred"),
    mode("RCPT 451 for one, and hang-up", "rest", Bad("rcpt", "451 4.3.0 no", to=ODD, disconnect=True), states="deferred"),
    mode("RCPT 550 5.7.1 for one", "rest", Bad("rcpt", "550 5.7.1 blocked by policy", to=ODD), states="deferred"),
    mode("RCPT 551 for one", "rest", Bad("rcpt", "551 user not local; please try <x@y.example>", to=ODD), states="rejected",
         suppressed=True),
    mode("RCPT 503 for one", "rest", Bad("rcpt", "503 5.5.1 bad sequence", to=ODD), states="rejected"),
    mode("RCPT 421 for one", "rest", Bad("rcpt", "421 4.7.0 temporarily deferred", to=ODD), states="deferred"),
    mode("RCPT 421 for the first", "rest", Bad("rcpt", "421 4.7.0 deferred", to="reader1@a.example"), states="deferred"),
    mode("RCPT 354 for one", "rest", Bad("rcpt", "354 go", to=ODD), states="deferred"),
    mode("RCPT 999 for one", "rest", Bad("rcpt", "999 what", to=ODD), states="deferred"),
    mode("RCPT hang-up for one", "rest", Bad("rcpt", DROP, to=ODD), states="deferred"),
    mode("RCPT RST for one", "rest", Bad("rcpt", RESET, to=ODD), states="deferred"),
    mode("RCPT half-close for one", "rest", Bad("rcpt", HALF_CLOSE, to=ODD), states="deferred"),
    mode("RCPT silence for one", "rest", Bad("rcpt", STALL, to=ODD), states="deferred"),
    mode("RCPT junk for one", "rest", Bad("rcpt", b"\x00\x01junk\r\n", to=ODD), states="deferred"),
    mode("RCPT without end for one", "rest", Bad("rcpt", ENDLESS, to=ODD), states="deferred"),
)  # fmt: skip

ONE_DOMAIN = (
    mode("RCPT 421 for a domain", "rest", Bad("rcpt", "421 4.7.0 not now", to=FEW), states="deferred"),
    mode("RCPT hang-up for a domain", "rest", Bad("rcpt", DROP, to=FEW), states="deferred"),
    mode("RCPT silence for a domain", "rest", Bad("rcpt", STALL, to=FEW), states="deferred"),
    mode("RCPT 450 for a domain", "rest", Bad("rcpt", "450 4.4.1 host not reachable", to=FEW), states="deferred"),
    mode("RCPT 550 5.7.1 for a domain", "rest", Bad("rcpt", "550 5.7.1 blocked by policy", to=FEW), states="deferred"),
    mode("RCPT 550 5.1.1 for a domain", "rest", Bad("rcpt", NOBODY, to=FEW), states="rejected deferred pending"),
)

EVERYBODY = (
    mode("RCPT 550 5.1.1 for all", "paused", Bad("rcpt", NOBODY), odd="*"),
    mode("RCPT 550 5.1.1 for all, with ids", "paused", Bad("rcpt", IDS)),
    mode("RCPT 550 5.1.1 for every second", "paused", Bad("rcpt", NOBODY, every=2)),
    mode("RCPT 550 5.1.1 for every second, with ids", "paused", Bad("rcpt", IDS, every=2)),
    mode("RCPT 550 5.1.1 for every third, with ids", "paused doubted", Bad("rcpt", IDS, every=3)),
    mode("RCPT 550 5.1.1 for twelve in the middle", "paused doubted", Bad("rcpt", NOBODY, first=15, times=12)),
    mode("RCPT 550 5.1.1 for the last twelve", "paused doubted", Bad("rcpt", NOBODY, first=27)),
    mode("RCPT 550 5.1.1 on one connection", "paused", Bad("rcpt", IDS, first=2, per="connection")),
    mode("RCPT 450 and then 550 for all", "paused", Bad("rcpt", "450 4.2.0 later", per="recipient", times=1),
         Bad("rcpt", IDS)),
    mode("RCPT 550 relay denied", "paused", Bad("rcpt", "550 5.7.1 relaying denied")),
    mode("RCPT 554 in no known words", "paused", Bad("rcpt", "554 {id} xyzzy")),
    mode("RCPT 552 full for all", "paused", Bad("rcpt", "552 5.2.2 mailbox full {id}")),
    mode("RCPT 450 for all", "waiting", Bad("rcpt", "450 4.3.0 later")),
    mode("RCPT 452 for 15 minutes", "all", Bad("rcpt", "452 4.3.1 disk full", lasts=15 * MINUTE), minutes=30),
    mode("RCPT 451 every third time", "all", Bad("rcpt", "451 4.3.0 later", every=3), minutes=30),
    mode("greylisting", "all", Bad("rcpt", "450 4.2.0 greylisted", per="recipient", times=1), minutes=2),
    mode("greylisting for five minutes", "all", Bad("rcpt", "451 4.7.1 greylisted", per="recipient", lasts=5 * MINUTE),
         minutes=10),
    mode("RCPT 421 every seventh time", "all", Bad("rcpt", "421 4.3.2 closing", every=7), minutes=2),
    mode("RCPT hang-up every seventh time", "all", Bad("rcpt", DROP, every=7), minutes=2),
    mode("RCPT RST every fifth time", "all", Bad("rcpt", RESET, every=5), minutes=2),
    mode("RCPT hang-up every second time", "all", Bad("rcpt", DROP, every=2), minutes=120, bad_for=180),
    mode("RCPT 421 for all", "waiting", Bad("rcpt", "421 4.3.2 closing")),
    mode("RCPT hang-up for all", "waiting", Bad("rcpt", DROP)),
    mode("RCPT silence for all", "waiting", Bad("rcpt", STALL), bad_for=20),
    mode("RCPT 251", "all", Bad("rcpt", "251 2.1.5 will forward")),
    mode("RCPT 252", "all", Bad("rcpt", "252 2.0.0 cannot verify")),
    mode("RCPT 250 without text", "all", Bad("rcpt", "250")),
    mode("RCPT 250 twice", "waiting paused", Bad("rcpt", "250 ok|250 ok")),
)  # fmt: skip

MODES = (*MAIL, *LIMITS, *ONE_RECIPIENT, *ONE_DOMAIN, *EVERYBODY)
