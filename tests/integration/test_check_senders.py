"""Asking a mail server whether it would take emails, without sending any."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from newsletter.domain.errors import SettingsError
from newsletter.ports.sending import RelayCheck
from newsletter.senders.check import check_senders
from tests.support.certificates import make_certificate
from tests.support.faulty_smtp import STALL, Fault, FaultySmtp, ServerBehavior
from tests.support.processes import free_port

PLAIN, VERP, OWNER = "tips@home.example", "tips+b-1-1-0@home.example", "owner@home.example"


def ask(*urls: str, senders: Sequence[str] = (PLAIN,), patience: float = 20) -> list[RelayCheck]:
    return check_senders(" ".join(urls), hostname="client.example", senders=senders, recipient=OWNER, patience=patience)


def test_a_server_that_would_take_an_issue_says_so_and_gets_no_email() -> None:
    with FaultySmtp(behavior=ServerBehavior(users={"anna": "secret"})) as server:
        (found,) = ask(server.url(login="anna:secret@"))
    assert found.problem == ""
    assert list(found.done) == ["connected", "signed in as anna", f"accepts emails from {PLAIN} to {OWNER}"]
    assert server.emails == []
    assert not any(command.upper().startswith("DATA") for command in server.commands)


def test_an_encrypted_connection_is_named(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    with FaultySmtp(behavior=ServerBehavior(starttls=certificate.server_context())) as server:
        (found,) = ask(server.url("tls=required", f"ca_file={certificate.file}"))
    assert list(found.done)[:2] == ["connected", "encrypted"]


@pytest.mark.parametrize(
    ("fault", "words", "fix", "is_temporary"),
    [
        (Fault("mail", "550 5.7.1 not your address"), "not your address", "NEWSLETTER_FROM", False),
        (Fault("mail", "530 5.7.0 Authentication required"), "Authentication", "user and password", False),
        (Fault("mail", "550 5.7.1 account suspended"), "suspended", "Check your account", False),
        (Fault("rcpt", "553 5.7.1 sender rejected"), "sender rejected", "your account", False),
        (Fault("rcpt", "451 4.7.1 greylisted"), "greylisted", "Try again later", True),
        (Fault("mail", "drop"), "hung up", "Try again later", True),
    ],
)
def test_a_refused_envelope_is_named_with_its_fix(fault: Fault, words: str, fix: str, *, is_temporary: bool) -> None:
    with FaultySmtp([fault]) as server:
        (found,) = ask(server.url())
    assert words in found.problem
    assert fix in found.fix
    assert found.is_temporary is is_temporary


def test_a_server_that_refuses_only_the_signed_sender_leads_to_plain() -> None:
    class OwnAddressOnly(FaultySmtp):
        def fault(self, stage: str, _recipient: str) -> Fault | None:
            is_other = stage == "rcpt" and f"FROM:<{PLAIN}>" not in self.commands[-2]
            return Fault("rcpt", "550 5.7.1 not yours") if is_other else None

    with OwnAddressOnly() as server:
        (found,) = ask(server.url(), senders=[VERP, PLAIN])
    assert VERP in found.problem
    assert found.fix == "Set NEWSLETTER_ENVELOPE=plain"


def test_a_closed_port_and_a_wrong_password_are_problems() -> None:
    with FaultySmtp(behavior=ServerBehavior(users={"anna": "secret"})) as server:
        closed, wrong = ask(f"smtp://127.0.0.1:{free_port()}", server.url(login="anna:other@"))
    assert "refused" in closed.problem
    assert "password" in wrong.problem
    assert "other" not in wrong.problem + wrong.fix


def test_a_server_that_never_answers_costs_a_bounded_time() -> None:
    with FaultySmtp([Fault("banner", STALL)]) as silent, FaultySmtp() as good:
        late, fine = ask(silent.url(), good.url(), patience=0.5)
    assert "no answer within 0.5 seconds" in late.problem
    assert fine.problem == ""


def test_a_maildir_must_be_writable_and_is_not_created(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    fine, wrong = ask(f"maildir://{tmp_path}/new/mail", f"maildir://{tmp_path}/file/mail")
    assert fine.problem == ""
    assert f"{tmp_path}/file is not a directory" in wrong.problem
    assert not (tmp_path / "new").exists()


def test_the_console_reaches_nobody() -> None:
    (found,) = ask("console:")
    assert (found.problem, found.is_real) == ("", False)


def test_a_url_that_no_sender_understands_is_an_error() -> None:
    with pytest.raises(SettingsError, match="no sender is installed"):
        ask("pigeon://roof")
