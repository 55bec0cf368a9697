"""Every address we accept can be sent to: through a real SMTP server, with and without SMTPUTF8."""

from __future__ import annotations

from pathlib import Path

import pytest

from newsletter.domain.delivery.outcome import Envelope, Sent
from newsletter.domain.subscribers.address import parse_address
from newsletter.senders import make_sender
from tests.support.faulty_smtp import FaultySmtp, ServerBehavior
from tests.support.web import open_web_harness
from tests.unit.test_is_email import CASES, verdict

LETTER = b"Message-ID: <1@tips.example>\r\nSubject: A tip\r\n\r\nSay it once.\r\n"
TAKEN = sorted({parse_address(address).text for address, _ in CASES if verdict(address) is None})
IN_LETTERS = [
    "jürgen@bücher.example",
    "почта@пошта.example",
    "用户@例え.example",
    "अजय@डाटा.example",
    "δοκιμή@tips.example",
]


def test_every_address_we_accept_is_accepted_by_a_mail_server_without_extensions() -> None:
    with FaultySmtp(behavior=ServerBehavior(smtputf8=False, eightbit=False)) as server:
        session = make_sender(server.url(), hostname="tips.example").open()
        outcomes = [session.send(Envelope("b@tips.example", address), LETTER) for address in TAKEN]
        session.close()

        assert len(TAKEN) == 20
        assert all(isinstance(outcome, Sent) for outcome in outcomes)
        assert [email.recipient.isascii() for email in server.emails] == [True] * len(TAKEN)
        assert [parse_address(email.recipient).text for email in server.emails] == TAKEN


@pytest.mark.parametrize(("offered", "state"), [(True, "sent"), (False, "rejected")])
def test_a_sign_up_with_a_non_ascii_local_part_is_delivered_or_rejected_with_its_reason(
    tmp_path: Path, state: str, *, offered: bool
) -> None:
    with (
        FaultySmtp(behavior=ServerBehavior(smtputf8=offered)) as server,
        open_web_harness(tmp_path, sender_url=server.url()) as web_harness,
    ):
        for address in IN_LETTERS:
            answer = web_harness.http.post(
                "/subscribe", json={"email": address}, headers={"Accept": "application/json"}
            )
            assert answer.status_code == 202, address
        web_harness.app.transactional.send()

        notices = web_harness.rows()["notice"]
        assert [row[4] for row in notices] == [state] * len(IN_LETTERS)
        assert web_harness.rows()["suppression"] == []
        if offered:
            names = [email.recipient.partition("@")[0] for email in server.emails]
            assert sorted(names) == sorted(address.partition("@")[0] for address in IN_LETTERS)
        else:
            assert all("needs SMTPUTF8" in str(row[-1]) for row in notices)
