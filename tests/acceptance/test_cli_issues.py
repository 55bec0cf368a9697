import json
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Command
from tests.support.faulty_smtp import Fault, FaultySmtp

TUESDAY = "2026-11-24T08:01"  # in the newsletter's zone
MONDAY = "2026-11-23T12:00"


@pytest.fixture
def three_subscribers(newsletter: Command, home: Path) -> Command:
    rows = "".join(f"{name}@tips.example.com,{name.title()}\n" for name in ("anna", "berta", "carla"))
    (home / "list.csv").write_text(f"email,name\n{rows}", encoding="utf-8")
    done = newsletter("subscribers", "import", "list.csv", "--confirmed", "--source", "paper list, 3 May 2026")
    assert done.returncode == 0, done.stderr
    return newsletter


def document(command: Command, *words: str, code: int = 0) -> dict[str, Any]:
    done = command(*words, "--json")
    assert done.returncode == code, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def emails(home: Path) -> list[Path]:
    return sorted((home / "mail").rglob("new/*"))


def test_next_shows_slot_tip_and_audience(three_subscribers: Command) -> None:
    coming = document(three_subscribers, "issues", "next", "--as-of", MONDAY)
    assert (coming["slot"], coming["audience"]) == ("2026-11-24", 3)
    assert coming["due_at"] == "2026-11-24T13:00:00+00:00"
    ahead = document(three_subscribers, "calendar", "--weeks", "1", "--as-of", MONDAY)["slots"]
    assert [(slot["date"], slot["tip"]) for slot in ahead] == [(coming["slot"], coming["tip"])]


def test_send_before_the_slot_sends_nothing_and_shows_when_the_next_is_due(
    three_subscribers: Command, home: Path
) -> None:
    done = three_subscribers("issues", "send", "--as-of", MONDAY)
    assert done.returncode == 0
    assert "The next is Tue, November 24, 2026, 8:00 AM EST" in done.stdout
    assert emails(home) == []


def test_send_in_the_slot_reaches_every_subscriber_once(three_subscribers: Command, home: Path) -> None:
    sent = document(three_subscribers, "issues", "send", "--as-of", TUESDAY)
    assert (sent["slot"], sent["state"], sent["audience"]) == ("2026-11-24", "done", 3)
    assert sent["counts"] == {**dict.fromkeys(sent["counts"], 0), "sent": 3}
    again = document(three_subscribers, "issues", "send", "--as-of", "2026-11-24T09:00")
    assert again["issue"] is None
    assert again["next"]["slot"] == "2026-12-01"
    assert len(emails(home)) == 3


def test_a_dry_run_shows_what_would_be_sent_and_sends_nothing(three_subscribers: Command, home: Path) -> None:
    due = document(three_subscribers, "issues", "send", "--dry-run", "--as-of", TUESDAY)
    assert (due["would_send"], due["next"]["audience"]) == (True, 3)
    assert document(three_subscribers, "issues", "send", "--dry-run", "--as-of", MONDAY)["would_send"] is False
    assert "Would send" in three_subscribers("issues", "send", "--dry-run", "--now", "--as-of", MONDAY).stdout
    assert document(three_subscribers, "issues", "list")["issues"] == []
    assert emails(home) == []


def test_an_issue_sent_early_uses_up_its_slot(three_subscribers: Command) -> None:
    assert document(three_subscribers, "issues", "send", "--now", "--as-of", MONDAY)["slot"] == "2026-11-24"
    assert document(three_subscribers, "issues", "next", "--as-of", TUESDAY)["slot"] == "2026-12-01"


def test_an_extra_issue_has_no_slot_and_needs_its_tip(three_subscribers: Command) -> None:
    key = json.loads(three_subscribers("tips", "list", "--json").stdout)["tips"][3]["key"]
    extra = document(three_subscribers, "issues", "send", "--extra", "--tip", key, "--as-of", MONDAY)
    assert (extra["slot"], extra["tip"], extra["state"]) == (None, key, "done")
    assert three_subscribers("issues", "send", "--extra").returncode == 2
    assert three_subscribers("issues", "send", "--tip", key).returncode == 2


def test_status_list_and_deliveries_agree(three_subscribers: Command) -> None:
    sent = document(three_subscribers, "issues", "send", "--as-of", TUESDAY)
    assert document(three_subscribers, "issues", "status") == sent
    assert document(three_subscribers, "issues", "status", "1") == sent
    assert sent.pop("notes") == []
    assert document(three_subscribers, "issues", "list")["issues"] == [sent]
    rows = document(three_subscribers, "issues", "deliveries", "1", "--state", "sent")["deliveries"]
    assert {row["address"].partition("@")[0] for row in rows} == {"anna", "berta", "carla"}
    assert document(three_subscribers, "issues", "deliveries", "1", "--state", "failed")["deliveries"] == []
    shown = document(three_subscribers, "subscribers", "show", "anna@tips.example.com")
    assert shown["deliveries"][0]["state"] == "sent"
    assert three_subscribers("issues", "status", "7").returncode == 1


def test_status_before_the_first_issue_points_to_the_next(newsletter: Command) -> None:
    done = newsletter("issues", "status")
    assert done.returncode == 1
    assert "newsletter issues next" in done.stderr


def test_emails_the_server_could_not_accept_are_sent_by_resume(three_subscribers: Command, home: Path) -> None:
    nowhere = {"NEWSLETTER_SENDER_URL": "smtp://127.0.0.1:1?tls=none"}
    stuck = three_subscribers("issues", "send", "--as-of", TUESDAY, "--json", env=nowhere)
    assert stuck.returncode == 4, stuck.stderr
    assert json.loads(stuck.stdout)["counts"]["sent"] == 0
    resumed = document(three_subscribers, "issues", "resume", "1", "--as-of", "2026-11-24T10:00")
    assert (resumed["state"], resumed["counts"]["sent"]) == ("done", 3)
    assert len(emails(home)) == 3


def test_a_cancelled_issue_cannot_be_resumed(three_subscribers: Command) -> None:
    nowhere = {"NEWSLETTER_SENDER_URL": "smtp://127.0.0.1:1?tls=none"}
    three_subscribers("issues", "send", "--as-of", TUESDAY, env=nowhere)
    assert document(three_subscribers, "issues", "pause", "1")["state"] == "paused"
    assert three_subscribers("issues", "cancel", "1").returncode == 2, "nobody is there to say yes"
    cancelled = document(three_subscribers, "issues", "cancel", "1", "--yes")
    assert (cancelled["state"], cancelled["skipped_for"]) == ("cancelled", {"cancelled": 3})
    assert three_subscribers("issues", "resume", "1").returncode == 1


def test_a_preview_is_a_whole_message_and_changes_nothing(newsletter: Command, home: Path) -> None:
    assert newsletter("issues", "preview", "--out", "next.eml").returncode == 0
    message = message_from_bytes((home / "next.eml").read_bytes(), policy=default)
    assert message.get_content_type() == "multipart/alternative"
    shown = newsletter("issues", "preview").stdout
    assert str(message["Subject"]) in shown
    assert "List-Unsubscribe" in shown
    assert document(newsletter, "issues", "list")["issues"] == []


def test_a_test_email_is_sent_to_one_address_and_not_recorded(three_subscribers: Command, home: Path) -> None:
    assert "would be sent to" in three_subscribers("issues", "test", "--to", "me@tips.example.com", "--dry-run").stdout
    assert emails(home) == []
    assert document(three_subscribers, "issues", "test", "--to", "me@tips.example.com")["outcome"] == "sent"
    assert len(emails(home)) == 1
    assert document(three_subscribers, "issues", "list")["issues"] == []
    assert three_subscribers("issues", "test", "--to", "nobody").returncode == 1


def test_the_preview_shows_plain_lines(newsletter: Command) -> None:
    done = newsletter("issues", "preview")

    assert done.returncode == 0
    assert "TAKEAWAY" in done.stdout
    assert "\ufffd" not in done.stdout


def test_the_status_says_why_emails_wait(three_subscribers: Command) -> None:
    with FaultySmtp([Fault("rcpt", "550 5.4.5 Daily user sending limit exceeded")]) as server:
        busy = {"NEWSLETTER_SENDER_URL": f"smtp://127.0.0.1:{server.port}"}
        sent = three_subscribers("issues", "send", "--as-of", TUESDAY, env=busy)
    assert sent.returncode == 4
    assert "3 replies" in sent.stdout
    assert "Daily user sending limit exceeded" in three_subscribers("issues", "status").stdout
