"""An erased address is added by no file and no command, even if the secret keys change; only by their own sign-up."""

from __future__ import annotations

from collections import deque
from pathlib import Path

import pytest

from newsletter.actions.subscribers.erase import ERASED
from newsletter.domain.delivery.outcome import Cause, Rejected, Reply, Stage
from newsletter.domain.errors import Refused
from newsletter.domain.subscribers.address import parse_address
from newsletter.domain.subscribers.imported import ImportRequest
from newsletter.domain.subscribers.subscriber import Suppression
from newsletter.mail.tokens import Purpose, Signer
from newsletter.testing import MemorySender
from tests.support.publishing import HookedSender, open_app_harness, subscriber_addresses
from tests.support.web import FRIDAY, KEY, WebHarness, open_web_harness

ANNA = "anna@host.example"
PROOF = "a list, 3 May 2025"


def imports(web_harness: WebHarness, directory: Path) -> tuple[int, int]:
    (directory / "list.csv").write_text(f"email\n{ANNA}\n")
    report = web_harness.app.subscribers.import_file(directory / "list.csv", ImportRequest(confirmed_source=PROOF))
    return report.added, report.suppressed


def hashes(web_harness: WebHarness) -> list[Suppression]:
    with web_harness.app.store.read() as tx:
        return [entry for entry in tx.suppressions.each() if entry.reason == ERASED]


def test_an_erased_address_stays_out_even_if_every_secret_key_changes(tmp_path: Path) -> None:
    with open_web_harness(tmp_path) as web_harness:
        web_harness.app.subscribers.add(ANNA, confirmed_source=PROOF)
        web_harness.app.subscribers.erase(ANNA)
        (hash_of_anna,) = hashes(web_harness)
        assert "anna" not in hash_of_anna.address_key
    with open_web_harness(tmp_path, secret_key="quite-another-key-0123456789") as web_harness:
        assert imports(web_harness, tmp_path) == (0, 1)
        with pytest.raises(Refused, match="erased"):
            web_harness.app.subscribers.add(ANNA, confirmed_source=PROOF)

        web_harness.http.post("/subscribe", data={"email": ANNA})
        web_harness.http.post(web_harness.confirm_path(ANNA))
        assert (hashes(web_harness), web_harness.subscriber(ANNA).display_status) == ([], "confirmed")


def test_a_hash_made_by_an_older_version_counts_while_its_key_is_configured(tmp_path: Path) -> None:
    with open_web_harness(tmp_path, secret_key=f"a-newer-key-0123456789,{KEY}") as web_harness:
        with web_harness.app.store.write() as tx:
            tx.suppressions.add(f"{ERASED}:{Signer([KEY]).seal(Purpose.ERASED, ANNA)}", ERASED, "", FRIDAY)
        assert imports(web_harness, tmp_path) == (0, 1)


@pytest.mark.parametrize("by_file", [False, True])
def test_the_id_and_the_history_of_an_erased_subscriber_are_never_reused(tmp_path: Path, *, by_file: bool) -> None:
    with open_app_harness(tmp_path) as harness:
        harness.start(2)
        harness.round()
        *_, last = subscriber_addresses(2)
        harness.subscribers.erase(last)
        if by_file:
            (tmp_path / "list.csv").write_text(f"email\n{ANNA}\n")
            harness.subscribers.import_file(tmp_path / "list.csv", ImportRequest(confirmed_source=PROOF))
        else:
            harness.subscribers.add(ANNA, confirmed_source=PROOF)
        with harness.store.read() as tx:
            anna = tx.subscribers.by_address(ANNA)
            assert anna is not None
            assert tx.subscribers.deliveries(anna.id) == []
        assert harness.counts() == {"sent": 2}


def test_each_database_has_its_own_erasure_key(tmp_path: Path) -> None:
    for name in ("one", "two"):
        with open_web_harness(tmp_path / name) as web_harness:
            web_harness.app.subscribers.add(ANNA, confirmed_source=PROOF)
            web_harness.app.subscribers.erase(ANNA)
            (tmp_path / f"{name}.txt").write_text(hashes(web_harness)[0].address_key)

    assert (tmp_path / "one.txt").read_text() != (tmp_path / "two.txt").read_text()


def bytes_of(directory: Path) -> bytes:
    return b"".join(path.read_bytes() for path in directory.glob("newsletter.db*"))


def test_no_text_of_a_mail_server_or_an_alert_keeps_an_erased_address(tmp_path: Path) -> None:
    with open_app_harness(tmp_path, MemorySender({ANNA: [refused("5.2.2")]})) as harness:
        harness.subscribers.add(ANNA, confirmed_source=PROOF)
        number = harness.start()
        harness.issues.send()
        harness.owner.alert("Nothing is sent", [f"550 5.7.1 <{ANNA.upper()}> is blocked"], f"ask about {ANNA}")
        with harness.store.write() as tx:
            tx.calendar.mark_notified("trouble", f"550 no {ANNA} here", harness.clock())
            anna = tx.subscribers.by_address(parse_address(ANNA).key)
            assert anna
            tx.transactional.add("confirm_address", "new@host.example", {"subscriber_key": anna.key}, harness.clock())
            before = tx.issues.get(number).counts
        harness.subscribers.erase(ANNA)
        with harness.store.read() as tx:
            assert tx.issues.get(number).counts == before
    found = bytes_of(tmp_path).lower()  # also free pages: what is deleted is overwritten
    assert ANNA.encode() not in found
    assert b"new@host.example" not in found


def test_a_reply_that_comes_after_the_erasure_is_deleted_by_the_maintenance(tmp_path: Path) -> None:
    with open_app_harness(tmp_path) as harness:
        harness.subscribers.add(ANNA, confirmed_source=PROOF)
        number = harness.start()

        def erase() -> None:
            harness.subscribers.erase(ANNA)

        sender = HookedSender({1: erase})
        sender._by_recipient[ANNA] = deque([refused("5.2.2")])
        harness.sender_override = sender
        harness.issues.send()
        harness.maintenance.run()
        with harness.store.read() as tx:
            assert tx.issues.get(number).counts["rejected"] == 1
    assert ANNA.encode() not in bytes_of(tmp_path)


def refused(enhanced: str) -> Rejected:
    return Rejected(Reply(Stage.RCPT, 550, enhanced, f"<{ANNA}>: mailbox full"), Cause.MAILBOX_FULL)
