"""A stranger's first Tuesday: an archive, three exports of Mailchimp, and a mail server that refuses some.

Everything goes through the real command and a real SMTP server. No person is lost: each address of the files ends as
sent, refused with a reason, or kept out by its own file.
"""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.conftest import Command
from tests.support.faulty_smtp import Fault, FaultySmtp
from tests.support.processes import Process, wait_until

MONDAY = "2026-11-30T10:00:00-05:00"
TUESDAY = datetime(2026, 12, 1, 8, 0, tzinfo=ZoneInfo("America/New_York"))
ARCHIVE = Path(__file__).parents[1] / "fixtures/archive"
GOOD = [f"reader{number}@host{number % 3}.example" for number in range(20)]
FAULTS = {
    "gone": "550 5.1.1 The email account that you tried to reach does not exist",
    "full": "552 5.2.2 mailbox full",
    "later": "450 4.2.1 try again later",
    "quota": "550 5.4.5 Daily user sending limit exceeded",
}
SUBSCRIBED = "Email Address,First Name,Last Name,OPTIN_TIME,OPTIN_IP,CONFIRM_TIME,CONFIRM_IP,LEID,NOTES\n" + "".join(
    f"{address},Ada,L,2019-03-04 10:00:00,192.0.2.1,2019-03-04 10:05:00,192.0.2.1,1,\n"
    for address in [*GOOD, *(f"{name}@refused.example" for name in FAULTS)]
)
UNSUBSCRIBED = (
    "Email Address,First Name,OPTIN_TIME,CONFIRM_TIME,UNSUB_TIME,UNSUB_CAMPAIGN_TITLE,UNSUB_REASON\n"
    "left@host0.example,Lea,,2019-03-04 10:05:00,2021-01-01 10:00:00,Tips,NORMAL\n"
    f"{GOOD[3]},Ada,,2019-03-04 10:05:00,2022-01-01 10:00:00,Tips,NORMAL\n"
)
CLEANED = (
    "Email Address,First Name,CONFIRM_TIME,CLEAN_TIME,CLEAN_CAMPAIGN_TITLE\n"
    f"dead@host0.example,Dan,2019-03-04 10:05:00,2021-01-01 10:00:00,Tips\n{GOOD[4]},Ada,,2021-01-01 10:00:00,Tips\n"
)
FILES = {"subscribed_export.csv": SUBSCRIBED, "unsubscribed_export.csv": UNSUBSCRIBED, "cleaned_export.csv": CLEANED}
KEPT_OUT = {"left@host0.example", "dead@host0.example", GOOD[3], GOOD[4]}


@pytest.fixture
def server() -> Iterator[FaultySmtp]:
    faults = [Fault("rcpt", reply, to=f"{name}@*", times=1) for name, reply in FAULTS.items()]
    with FaultySmtp(faults=faults) as server:
        yield server


@contextmanager
def daemon(home: Path, as_of: datetime) -> Iterator[Process]:
    with Process(home, "run", "--no-web", "--as-of", as_of.isoformat()) as process:
        yield process
        process.send(signal.SIGTERM)
        assert process.ends() == 0, process.said


def test_nobody_is_lost_and_nobody_is_emailed_against_their_word(
    run_cli: Command, home: Path, server: FaultySmtp
) -> None:
    settings = (home / ".env").read_text()
    (home / ".env").write_text(settings.replace(f"maildir://{home}/mail", server.url("connections=2")))
    assert run_cli("init", "--yes", "--as-of", MONDAY).returncode == 0
    shutil.copytree(ARCHIVE, home / "archive")
    assert run_cli("tips", "import", "archive", "--as-of", MONDAY).returncode == 0

    for name, text in FILES.items():
        (home / name).write_text(text)
        dry, wet = (
            run_cli("subscribers", "import", name, "--as-of", MONDAY, "--json", *more) for more in (["--dry-run"], [])
        )
        assert (dry.returncode, wet.returncode) == (0, 0), wet.stderr
        assert {**json.loads(dry.stdout), "dry_run": False} == json.loads(wet.stdout)
    assert run_cli("doctor", "--as-of", MONDAY).returncode == 0

    with daemon(home, TUESDAY - timedelta(seconds=3)):
        wait_until(lambda: len(recipients(server)) >= len(GOOD) - 2, what="everybody who can be reached got the issue")
    first = status(run_cli)
    assert (first["slot"], first["audience"]) == ("2026-12-01", len(GOOD) - 2 + len(FAULTS))

    with daemon(home, TUESDAY + timedelta(hours=2)):
        wait_until(lambda: status(run_cli)["state"] == "done", timeout=60, what="the issue is done")
    last = status(run_cli)
    counts = last["counts"]
    assert isinstance(counts, dict)
    assert (sum(counts.values()), counts["sent"], counts["rejected"]) == (last["audience"], last["audience"] - 2, 2)  # type: ignore[operator]

    reached = recipients(server)
    assert reached == sorted({*GOOD, "later@refused.example", "quota@refused.example"} - KEPT_OUT), "each once"
    people = json.loads(run_cli("suppressions", "list", "--json").stdout)["suppressions"]
    assert {one["address"] for one in people} == {*KEPT_OUT, "gone@refused.example"}


def recipients(server: FaultySmtp) -> list[str]:
    return sorted(email.recipient for email in server.emails if not email.recipient.startswith("owner@"))


def status(run_cli: Command) -> dict[str, object]:
    found = json.loads(run_cli("issues", "status", "1", "--json").stdout)
    assert isinstance(found, dict)
    return found
