"""Templates that are broken when the daemon starts hold the issue; everything that does not need them goes on."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from newsletter import daemon
from newsletter.domain.delivery.issue import IssueState
from newsletter.domain.errors import TemplateError
from newsletter.testing import MemorySender
from newsletter.web import make_server
from tests.support.library import add_subscribers, add_tip
from tests.support.publishing import AppHarness, custom_template_dir, open_app_harness, owner_emails, text_of


def broken_email(tmp_path: Path) -> Path:
    return custom_template_dir(tmp_path, "{{ no_such_thing }}")


def broken_page(tmp_path: Path) -> Path:
    (tmp_path / "own" / "web").mkdir(parents=True)
    (tmp_path / "own" / "web" / "base.html").write_text("{% if %}")
    return tmp_path / "own"


def broken_catalog(tmp_path: Path) -> Path:
    (tmp_path / "own" / "texts").mkdir(parents=True)
    (tmp_path / "own" / "texts" / "en.toml").write_text("no = toml = here")
    return tmp_path / "own"


def no_directory(tmp_path: Path) -> Path:
    return tmp_path / "nowhere"


def visit(harness: AppHarness, path: str) -> httpx.Response:
    server = make_server(harness, with_broken_templates=True)
    server.start()
    try:
        return httpx.get(f"http://127.0.0.1:{server.port}{path}", trust_env=False)
    finally:
        server.stop()


@pytest.mark.parametrize("broken", [broken_email, broken_page, broken_catalog, no_directory])
def test_the_daemon_starts_tells_the_owner_and_goes_on_once_they_are_fixed(
    tmp_path: Path, broken: Callable[[Path], Path], caplog: pytest.LogCaptureFixture
) -> None:
    own = broken(tmp_path)
    with open_app_harness(tmp_path, MemorySender(), templates=str(own), listen="127.0.0.1:0") as harness:
        add_subscribers(harness.files, 2)
        add_tip(harness.files)
        with caplog.at_level(logging.ERROR):
            daemon._check_ready(harness)
        with harness.store.sending("test", harness.clock()) as lock:
            timers = daemon.Daemon(harness, lock)
            timers.send_issues()
            timers.send_issues()
            (held,) = harness.issues.list()
            alerts = {str(mail["Subject"]): " ".join(text_of(mail).split()) for mail in owner_emails(harness)}
            page = visit(harness, "/")
            own.mkdir(exist_ok=True)
            for path in [path for path in own.rglob("*") if path.is_file()]:
                path.unlink()
            harness.fake_clock.forward(minutes=20)
            harness.memory()
            timers.send_issues()

        assert "no issue is sent until they are fixed" in caplog.text
        assert (held.state, held.audience) == (IssueState.PLANNED, 0)
        (alert,) = (text for subject, text in alerts.items() if "Your templates cannot be used" in subject)
        assert "newsletter templates check" in alert
        assert not any("Fix the tip" in text for text in alerts.values())
        assert page.status_code == 200
        assert harness.issue().state is IssueState.DONE


def test_pages_in_order_stay_those_of_the_owner_while_an_email_is_broken(tmp_path: Path) -> None:
    own = broken_email(tmp_path)
    (own / "web").mkdir()
    (own / "web" / "robots.txt").write_text("")
    (own / "web" / "signup_sent.html").write_text("Own page")
    with open_app_harness(tmp_path, templates=str(own), listen="127.0.0.1:0") as harness:
        own_page = harness.may_use_own_pages()
        (own / "web" / "signup_sent.html").write_text("{{ nothing_such }}")
        assert (own_page, harness.may_use_own_pages()) == (True, False)
        with pytest.raises(TemplateError):
            make_server(harness)
