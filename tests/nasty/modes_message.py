"""Relays that are bad at DATA, in the message, at its dot, and afterwards; and with PIPELINING."""

from __future__ import annotations

from datetime import timedelta

from tests.nasty.mode import DROP, ENDLESS, HALF_CLOSE, ODD, RESET, SILENT, STALL, Bad, Manners, mode

MINUTE = timedelta(minutes=1)

DATA = (
    mode("DATA 451 for 10 minutes", "all", Bad("data", "451 4.3.0 later", lasts=10 * MINUTE), minutes=30),
    mode("DATA 554 for one", "rest", Bad("data", "554 5.6.0 no", to=ODD), states="rejected"),
    mode("DATA 421 for one", "rest", Bad("data", "421 4.3.2 closing", to=ODD), states="deferred"),
    mode("DATA hang-up for one", "rest", Bad("data", DROP, to=ODD), states="deferred"),
    mode("DATA silence for one", "rest", Bad("data", STALL, to=ODD), states="deferred"),
    mode("DATA 250 for one", "rest", Bad("data", "250 ok", to=ODD), states="deferred"),
    mode("DATA 503 for all", "paused", Bad("data", "503 5.5.1 no")),
    mode("DATA 354 without text", "all", Bad("data", "354")),
    mode("DATA 354 in two lines", "all", Bad("data", "354-go|354 on")),
    mode("DATA 354 and 250 at once, refused at the dot", "waiting paused", Bad("data", "354 go|250 2.0.0 taken"),
         Bad("dot", "550 5.6.0 no")),
    mode("DATA 354 and 250 at once for one, refused at the dot", "rest", Bad("data", "354 go|250 2.0.0 taken", to=ODD),
         Bad("dot", "550 5.6.0 no", to=ODD), states="deferred held rejected"),
    mode("DATA 354 and 550 at once", "waiting paused", Bad("data", "354 go|550 5.6.0 no"), Bad("dot", "550 5.6.0 no")),
    mode("DATA 354 and 550 at once for one", "rest", Bad("data", "354 go|550 5.6.0 no", to=ODD), Bad("dot", DROP, to=ODD),
         states="deferred held rejected"),
    mode("DATA 354 twice for one", "rest", Bad("data", "354 go|354 go", to=ODD), states="deferred held sent",
         lost_replies=True),
)  # fmt: skip

BODY = (
    mode("hang-up in the message to one", "rest", Bad("body", DROP, to=ODD), states="deferred held", lost_replies=True),
    mode("RST in the message to one", "rest", Bad("body", RESET, to=ODD), states="deferred held", lost_replies=True),
    mode(
        "552 in the message to one", "rest", Bad("body", "552 5.3.4 too big", to=ODD), states="rejected deferred held"
    ),
    mode("silence in the message to one", "rest", Bad("body", STALL, to=ODD), states="deferred held"),
    mode("hang-up in every eighth message", "all", Bad("body", DROP, every=8), minutes=20, lost_replies=True),
)

DOT = (
    mode("dot 451 for one", "rest", Bad("dot", "451 4.3.0 later", to=ODD), states="deferred"),
    mode("dot 554 for one", "rest", Bad("dot", "554 5.6.0 no", to=ODD), states="rejected"),
    mode(
        "dot 550 5.1.1 for one",
        "rest",
        Bad("dot", "550 5.1.1 no such user", to=ODD),
        states="rejected",
        suppressed=True,
    ),
    mode("dot 550 spam for all", "paused", Bad("dot", "550 5.7.1 message looks like spam")),
    mode("dot 554 with ids for all", "paused", Bad("dot", "554 5.3.0 error {id}")),
    mode("dot 452 for 15 minutes", "all", Bad("dot", "452 4.3.1 disk full", lasts=15 * MINUTE), minutes=30),
    mode("dot 451 every third time", "all", Bad("dot", "451 4.3.0 later", every=3), minutes=30),
    mode("dot 421 for one", "rest", Bad("dot", "421 4.3.2 closing", to=ODD), states="deferred"),
    mode("dot 421 for all", "waiting", Bad("dot", "421 4.3.2 closing")),
    mode("dot 421 every fourth time", "all", Bad("dot", "421 4.3.2 closing", every=4), minutes=5),
    mode("dot hang-up for one", "rest", Bad("dot", DROP, to=ODD), states="deferred held", lost_replies=True),
    mode("dot silence for one", "rest", Bad("dot", STALL, to=ODD), states="deferred held", lost_replies=True),
    mode("dot 550 and 250 for one", "rest", Bad("dot", "550-5.6.0 no|250 ok", to=ODD), states="deferred held"),
    mode("dot 250 and 550 for one", "rest", Bad("dot", "250-ok|550 5.6.0 no", to=ODD), states="deferred held"),
    mode("dot 354 for one", "rest", Bad("dot", "354 go", to=ODD), states="deferred held"),
    mode("dot 100 for one", "rest", Bad("dot", "100 working on it", to=ODD), states="deferred held"),
)

LOST_REPLIES = (
    mode("taken and hung up for one", "rest", Bad("accepted", DROP, to=ODD), states="held", lost_replies=True),
    mode("taken and reset for one", "rest", Bad("accepted", RESET, to=ODD), states="held", lost_replies=True),
    mode("taken and silent for one", "rest", Bad("accepted", STALL, to=ODD), states="held", lost_replies=True),
    mode("taken and half-closed for one", "rest", Bad("accepted", HALF_CLOSE, to=ODD), states="held", lost_replies=True),
    mode("taken and junk for one", "rest", Bad("accepted", b"\x00\xff junk\r\n", to=ODD), states="held", lost_replies=True),
    mode("taken and 354 for one", "rest", Bad("accepted", "354 go", to=ODD), states="held", lost_replies=True),
    mode("taken and 250 without its end for one", "rest", Bad("accepted", b"250 ok", to=ODD, disconnect=True),
         states="held", lost_replies=True),
    mode("taken and a reply without end for one", "rest", Bad("accepted", ENDLESS, to=ODD), states="held",
         lost_replies=True),
    mode("taken and 250 and 550 for one", "rest", Bad("accepted", "250-ok|550 no", to=ODD), states="held",
         lost_replies=True),
    mode("taken and hung up for all", "paused", Bad("accepted", DROP), lost_replies=True),
    mode("taken and silent for all", "paused", Bad("accepted", SILENT), lost_replies=True),
    mode("taken and reset for all", "paused", Bad("accepted", RESET), lost_replies=True),
    mode("taken and hung up every fifth time", "all held", Bad("accepted", DROP, every=5), minutes=30, lost_replies=True),
    mode("taken and hung up once each", "all paused", Bad("accepted", DROP, per="recipient", times=1), minutes=30,
         lost_replies=True),
    mode("taken and hung up for five minutes", "all paused", Bad("accepted", DROP, lasts=5 * MINUTE), minutes=30,
         lost_replies=True),
)  # fmt: skip

AFTERWARDS = (
    mode("dot 250 twice", "all", Bad("accepted", "250 ok|250 ok")),
    mode("dot 250 and then 421", "all", Bad("accepted", "250 ok|421 4.4.2 idle")),
    mode("dot 250 and then 354", "all", Bad("accepted", "250 ok|354 go")),
    mode("dot 250 and then 550", "all", Bad("accepted", "250 ok|550 5.1.1 no such user")),
    mode("dot 250 in three lines", "all", Bad("accepted", "250-2.0.0 ok|250-2.0.0 queued|250 2.0.0 as {id}")),
    mode("dot 250 without text", "all", Bad("accepted", "250")),
    mode("dot 251", "all", Bad("accepted", "251 2.1.5 will forward")),
    mode("dot 252", "all", Bad("accepted", "252 2.5.0 will try")),
    mode("dot 299", "all", Bad("accepted", "299 fine")),
    mode("dot 250 with NUL and 8 bits", "all", Bad("accepted", b"250 \xff\x00\xfe\r\n")),
    mode("dot 250 with a lone LF", "all", Bad("accepted", b"250 ok\n")),
    mode("dot 250 byte by byte", "all", Bad("accepted", "250 2.0.0 ok", pause=0.0005)),
    mode("dot 250 with 3 KB", "all", Bad("accepted", f"250 {'x' * 3000}")),
    mode("QUIT hang-up", "all", Bad("quit", DROP)),
    mode("QUIT silence", "all", Bad("quit", STALL)),
    mode("QUIT 421", "all", Bad("quit", "421 4.3.2 closing")),
    mode("QUIT junk", "all", Bad("quit", b"\x00\r\n")),
    mode("QUIT RST", "all", Bad("quit", RESET)),
    mode("QUIT without end", "all", Bad("quit", ENDLESS)),
)

PIPELINING = (
    mode("replies byte by byte", "all", manners=Manners(split=1)),
    mode("replies in pieces of seven octets", "all", manners=Manners(split=7)),
    mode("replies in several lines", "all", manners=Manners(multiline=True)),
    mode("replies before their commands", "all", Bad("mail", "250 ok|250 ok|354 go"), Bad("rcpt", SILENT),
         Bad("data", SILENT)),
    mode("PIPELINING offered, and not read", "all", manners=Manners(forgets=True), minutes=5),
    mode("PIPELINING offered, and refused with 503", "all",
         manners=Manners(pipelining=False, ehlo="250-relay|250 PIPELINING"), minutes=5),
    mode("PIPELINING offered, replies kept back until DATA", "all", Bad("mail", SILENT), Bad("rcpt", SILENT),
         Bad("data", "250 ok|250 ok|354 go")),
)  # fmt: skip

MODES = (*DATA, *BODY, *DOT, *LOST_REPLIES, *AFTERWARDS, *PIPELINING)
