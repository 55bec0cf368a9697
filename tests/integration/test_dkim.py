"""DKIM from the settings to the sent messages, with dkimpy as the verifier."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import dkim
import pytest

from newsletter.domain.delivery.outcome import Envelope
from newsletter.domain.errors import SettingsError
from newsletter.testing import SentEmail
from tests.support.dkim_keys import ED25519, RSA, UNSUPPORTED_KEYS
from tests.support.faulty_smtp import FaultySmtp
from tests.support.library import add_tip
from tests.support.publishing import AppHarness, open_app_harness, recipients, subscriber_addresses


def verifies(harness: AppHarness, email: SentEmail) -> bool:
    assert harness.dkim
    records = {f"{key.selector}._domainkey.tips.example.": key.record for key in harness.dkim.keys}

    def look_up(name: bytes, timeout: int = 5) -> bytes:
        return records[name.decode()].encode()

    return all(dkim.DKIM(email.message).verify(idx=n, dnsfunc=look_up) for n in range(len(records)))


@pytest.mark.parametrize("second", [{}, {"dkim_ed25519_selector": "e1", "dkim_ed25519_key": ED25519}])
def test_every_message_of_an_issue_is_signed(tmp_path: Path, second: dict[str, str]) -> None:
    with open_app_harness(tmp_path, None, dkim_selector="s1", dkim_key=RSA, **second) as harness:
        sender = harness.memory()
        harness.round(harness.start(3))
        assert recipients(sender.emails) == subscriber_addresses(3)
        assert all(verifies(harness, email) for email in sender.emails)


def test_messages_from_a_second_process_are_signed_too(tmp_path: Path) -> None:
    with (
        FaultySmtp() as server,
        open_app_harness(
            tmp_path, sender_url=server.url("connections=4"), second_process="1", dkim_selector="s1", dkim_key=RSA
        ) as harness,
    ):
        done = harness.round(harness.start(40))
        assert (done.sent, harness.counts()) == (40, {"sent": 40})
        emails = [SentEmail(Envelope(taken.sender, taken.recipient), taken.message) for taken in server.emails]
        assert recipients(emails) == subscriber_addresses(40)
        assert all(verifies(harness, email) for email in emails)


def test_a_message_that_is_rendered_for_each_recipient_is_signed_too(tmp_path: Path) -> None:
    own = tmp_path / "own" / "email" / "issue"
    own.mkdir(parents=True)
    original = Path(__file__).parents[2] / "templates" / "email" / "issue" / "body.txt"
    (own / "body.txt").write_text("{% if name %}Dear you,  \n{% endif %}" + original.read_text(encoding="utf-8"))
    with open_app_harness(tmp_path, dkim_selector="s1", dkim_key=RSA, templates=str(tmp_path / "own")) as harness:
        sender = harness.memory()
        harness.round(harness.start(2))
        assert [verifies(harness, email) for email in sender.emails] == [True, True]


def test_the_key_may_be_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "dkim.pem").write_text(RSA)
    with open_app_harness(tmp_path, dkim_selector="s1", dkim_key_file=str(tmp_path / "dkim.pem")) as harness:
        add_tip(harness.files, "Say the name")
        assert harness.preview.message().startswith(
            b"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=tips.example;"
        )


def test_without_a_key_no_message_is_signed(tmp_path: Path) -> None:
    with open_app_harness(tmp_path) as harness:
        sender = harness.memory()
        harness.round(harness.start(1))
        assert b"DKIM-Signature" not in sender.emails[0].message


def test_an_unusable_key_stops_the_program_before_anything_is_written(tmp_path: Path) -> None:
    with open_app_harness(tmp_path, dkim_selector="s1", dkim_key=UNSUPPORTED_KEYS["too short"]) as harness:
        with pytest.raises(SettingsError, match="NEWSLETTER_DKIM_KEY is neither RSA"):
            harness.start(1)
        with harness.store.read() as tx:
            assert tx.issues.each() == []


def test_doctor_shows_the_dns_records_and_what_is_wrong_with_a_key(tmp_path: Path) -> None:
    def found(**settings: str) -> tuple[bool, str]:
        with open_app_harness(tmp_path, None, **settings) as harness:
            [check] = [check for check in harness.doctor.check() if check.id == "dkim"]
            return check.ok, check.message

    assert found() == (True, "emails are not signed with DKIM here; your relay is expected to sign them")
    ok, words = found(dkim_selector="s1", dkim_key=ED25519)
    assert ok
    assert "s1._domainkey.tips.example TXT v=DKIM1; k=ed25519; p=" in words
    assert found(dkim_key=RSA) == (False, "NEWSLETTER_DKIM_KEY is set without NEWSLETTER_DKIM_SELECTOR")


def test_without_the_extra_the_error_explains_how_to_install_it() -> None:
    code = (
        "import sys; sys.modules['cryptography'] = None\n"
        "from newsletter.keys import load_dkim\n"
        "try: load_dkim('tips.example', [('NEWSLETTER_DKIM', 's', 'PEM')])\n"
        "except Exception as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)  # noqa: S603
    assert "pip install 'tip-of-the-week[dkim]'" in done.stdout
