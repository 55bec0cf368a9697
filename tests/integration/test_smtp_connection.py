"""Connecting, greeting, encrypting and signing in, against a real server. Every failure names its fix."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from newsletter.domain.delivery.outcome import Envelope, Sent
from newsletter.domain.errors import AuthenticationFailed, SenderError, SettingsError
from newsletter.senders import make_sender
from tests.support.certificates import Certificate, make_certificate
from tests.support.faulty_smtp import DROP, STALL, Fault, FaultySmtp, ServerBehavior

ALICE = Envelope("bounce@news.example.org", "alice@example.org")
MESSAGE = b"Subject: A tip\r\n\r\nSay their name.\r\n"


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def trusted(certificate: Certificate) -> str:
    return f"ca_file={certificate.file}"


def send_one(url: str) -> None:
    session = make_sender(url, hostname="client.example").open()
    try:
        assert isinstance(session.send(ALICE, MESSAGE), Sent)
    finally:
        session.close()


def trouble_with(url: str) -> SenderError:
    with pytest.raises(SenderError) as caught:
        make_sender(url, hostname="client.example").open()
    return caught.value


def test_a_refused_connection_is_trouble_that_names_the_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    trouble = trouble_with(f"smtp://127.0.0.1:{port}")
    assert f"127.0.0.1:{port}: Connection refused" in trouble.message
    assert trouble.fix


@pytest.mark.parametrize("does", ["421 4.3.2 too busy", "454 4.3.0 later", DROP, STALL, "junk"])
@pytest.mark.parametrize("stage", ["banner", "ehlo"])
def test_a_server_that_does_not_greet_us_is_trouble(stage: str, does: str) -> None:
    with FaultySmtp([Fault(stage, does)]) as server:
        trouble_with(server.url("reply_timeout=0.5s"))
        assert not any(command.startswith("MAIL") for command in server.commands)


@pytest.mark.parametrize("reply", ["421 4.7.0 too many connections", "454 4.3.0 later"])
def test_a_server_that_replies_is_not_doubted_to_be_there(reply: str) -> None:
    with FaultySmtp([Fault("banner", reply)]) as server:
        trouble = trouble_with(server.url())
    assert reply in trouble.message
    assert not trouble.fix


@pytest.mark.parametrize("line", [b"220-hello\r\n", b"220-" + b"x" * 60])
def test_a_reply_that_does_not_end_is_trouble(line: bytes) -> None:
    def greet(client: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client.sendall(line)

    with talking(greet) as url:
        trouble_with(url)


def test_a_reply_that_comes_byte_by_byte_has_the_time_of_one_reply() -> None:
    closed = threading.Event()

    def greet(client: socket.socket) -> None:
        with suppress(OSError):
            while not closed.wait(0.05):
                client.sendall(b"2")

    with talking(greet) as url:
        assert "no reply in time" in trouble_with(f"{url}?reply_timeout=0.3s").message
        closed.set()


def test_a_port_of_the_other_kind_is_named_and_not_the_error_of_openssl(certificate: Certificate, trusted: str) -> None:
    with FaultySmtp() as server:
        trouble = trouble_with(server.url(trusted, scheme="smtps"))
    assert "does not speak TLS from the start" in trouble.message
    assert "smtp:// instead of smtps://" in trouble.fix

    with FaultySmtp(behavior=ServerBehavior(implicit=certificate.server_context())) as server:
        trouble = trouble_with(server.url("reply_timeout=0.3s"))
    assert "smtps:// instead of smtp://" in trouble.fix


@contextmanager
def talking(greet: Callable[[socket.socket], None]) -> Iterator[str]:
    """The URL of a server that only greets its first client."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with listener.accept()[0] as client:
                greet(client)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"smtp://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(10)


def test_a_server_that_does_not_know_ehlo_is_greeted_with_helo() -> None:
    with FaultySmtp([Fault("ehlo", "500 5.5.1 unknown command")]) as server:
        send_one(server.url())
        assert server.commands[:2] == ["ehlo client.example", "helo client.example"]


def test_the_reply_of_a_server_that_refuses_us_is_in_the_message() -> None:
    with FaultySmtp([Fault("banner", "554-5.7.1 no service|554 5.7.1 for you")]) as server:
        assert "554 5.7.1 no service for you" in trouble_with(server.url()).message


def test_ehlo_gives_the_host_name_from_the_settings() -> None:
    with FaultySmtp() as server:
        send_one(server.url())
        assert server.commands[0] == "ehlo client.example"


def test_starttls_encrypts_and_sends_ehlo_again(certificate: Certificate, trusted: str) -> None:
    with FaultySmtp(behavior=ServerBehavior(starttls=certificate.server_context())) as server:
        send_one(server.url("tls=starttls", trusted, host="localhost"))
        assert server.commands[:3] == ["ehlo client.example", "STARTTLS", "ehlo client.example"]
        assert [email.message for email in server.emails] == [MESSAGE]


def test_implicit_tls_sends_messages(certificate: Certificate, trusted: str) -> None:
    with FaultySmtp(behavior=ServerBehavior(implicit=certificate.server_context())) as server:
        send_one(server.url(trusted, scheme="smtps", host="localhost"))
        assert len(server.emails) == 1


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_an_untrusted_certificate_is_refused_with_the_fix(certificate: Certificate, scheme: str) -> None:
    context = certificate.server_context()
    behavior = ServerBehavior(starttls=context) if scheme == "smtp" else ServerBehavior(implicit=context)
    with FaultySmtp(behavior=behavior) as server:
        trouble = trouble_with(server.url("tls=required", scheme=scheme, host="localhost"))
    assert "certificate" in trouble.message
    assert "ca_file" in trouble.fix


def test_required_tls_is_not_given_up_when_the_server_does_not_offer_it() -> None:
    with FaultySmtp() as server:
        assert "TLS is required" in trouble_with(server.url("tls=required")).message
        assert not any(command.startswith("MAIL") for command in server.commands)


@pytest.mark.parametrize("reply", ["454 4.7.0 not now", "501 5.5.4 no"])
def test_required_tls_is_not_given_up_when_the_server_refuses_it(certificate: Certificate, reply: str) -> None:
    behavior = ServerBehavior(starttls=certificate.server_context())
    with FaultySmtp([Fault("starttls", reply)], behavior) as server:
        assert reply[:3] in trouble_with(server.url("tls=required")).message


def test_optional_tls_is_used_only_if_it_is_offered(certificate: Certificate) -> None:
    with FaultySmtp(behavior=ServerBehavior(starttls=certificate.server_context())) as server:
        send_one(server.url("tls=optional"))
        assert "STARTTLS" in server.commands
    with FaultySmtp() as server:
        send_one(server.url("tls=optional"))
        assert len(server.emails) == 1


def test_optional_tls_with_a_password_still_requires_a_trusted_certificate(certificate: Certificate) -> None:
    behavior = ServerBehavior(starttls=certificate.server_context(), users={"me": "secret"})
    with FaultySmtp(behavior=behavior) as server:
        assert "certificate" in trouble_with(server.url("tls=optional", login="me:secret@", host="localhost")).message
        assert not any("AUTH" in command for command in server.commands)


def test_plain_text_after_the_go_ahead_for_tls_is_never_read(certificate: Certificate, trusted: str) -> None:
    behavior = ServerBehavior(starttls=certificate.server_context(), after_go_ahead=b"250-fake\r\n250 AUTH PLAIN\r\n")
    with FaultySmtp(behavior=behavior) as server:
        assert "plain text" in trouble_with(server.url("tls=required", trusted, host="localhost")).message
        assert server.commands.count("ehlo client.example") == 1


@pytest.mark.parametrize(
    ("user", "password", "login"),
    [("me", "s/cr@t", "me:s%2Fcr%40t@"), ("jürgen", "größe", "j%C3%BCrgen:gr%C3%B6%C3%9Fe@")],
)
def test_user_and_password_are_accepted(user: str, password: str, login: str) -> None:
    with FaultySmtp(behavior=ServerBehavior(users={user: password})) as server:
        send_one(server.url(login=login))


def test_a_wrong_password_is_refused_and_not_shown() -> None:
    with FaultySmtp(behavior=ServerBehavior(users={"me": "right"})) as server:
        trouble = trouble_with(server.url(login="me:wr0ng@"))
    assert isinstance(trouble, AuthenticationFailed)
    assert "535 5.7.8" in trouble.message
    assert "wr0ng" not in f"{trouble!r} {trouble} {trouble.__cause__!r}"


def test_a_server_without_auth_refuses_our_password() -> None:
    with FaultySmtp() as server:
        assert isinstance(trouble_with(server.url(login="me:secret@")), AuthenticationFailed)


def test_sign_in_that_is_offered_only_after_starttls_is_not_blamed_on_the_password(certificate: Certificate) -> None:
    with FaultySmtp(behavior=ServerBehavior(starttls=certificate.server_context())) as server:
        trouble = trouble_with(server.url("tls=none", login="me:secret@"))
    assert isinstance(trouble, AuthenticationFailed)
    assert "only after STARTTLS" in trouble.message
    assert "tls=starttls" in trouble.fix


def test_a_wrong_password_with_a_percent_sign_names_its_encoding() -> None:
    with FaultySmtp(behavior=ServerBehavior(users={"me": "50%41"})) as server:
        assert "%25" in trouble_with(server.url(login="me:50%41@")).fix
        send_one(server.url(login="me:50%2541@"))


@pytest.mark.parametrize("stage", ["starttls", "auth"])
def test_a_server_that_hangs_up_while_we_sign_in_is_trouble(certificate: Certificate, trusted: str, stage: str) -> None:
    behavior = ServerBehavior(starttls=certificate.server_context(), users={"me": "secret"})
    with FaultySmtp([Fault(stage, DROP)], behavior) as server:
        trouble = trouble_with(server.url("tls=required", trusted, login="me:secret@", host="localhost"))
    assert not isinstance(trouble, AuthenticationFailed)
    assert "closed the connection" in trouble.message


@pytest.mark.parametrize("reply", ["454 4.7.0 directory is down", "421 4.3.2 too busy"])
def test_a_server_that_cannot_check_passwords_now_is_temporary_trouble(reply: str) -> None:
    with FaultySmtp([Fault("auth", reply)], ServerBehavior(users={"me": "secret"})) as server:
        trouble = trouble_with(server.url(login="me:secret@"))
    assert not isinstance(trouble, AuthenticationFailed)
    assert reply[:3] in trouble.message


def test_a_password_is_not_sent_in_plain_text(far_host: str) -> None:
    with FaultySmtp(behavior=ServerBehavior(users={"me": "secret"}), host=far_host) as server:
        trouble = trouble_with(server.url("tls=none", login="me:secret@", host=far_host))
        assert not any("AUTH" in command for command in server.commands)
    assert isinstance(trouble, AuthenticationFailed)
    assert "tls=required" in trouble.fix


@pytest.fixture
def far_host() -> Iterator[str]:
    """An address of this machine that is not loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # nothing is sent: this only asks which way it would go
        except OSError:
            pytest.skip("this machine has no address but loopback")
        yield probe.getsockname()[0]


def test_a_missing_ca_file_is_a_settings_error(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="ca_file"):
        make_sender(f"smtps://mail.example?ca_file={tmp_path}/missing.pem", hostname="client.example")
