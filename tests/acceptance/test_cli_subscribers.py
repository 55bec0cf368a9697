import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.conftest import CHECKOUT, Command

PROOF = ("--confirmed", "--source", "paper list, 3 May 2026")


def shown(command: Command, address: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(command("subscribers", "show", address, "--json").stdout)
    return found


def test_a_subscriber_with_a_proof_is_confirmed_and_the_proof_is_kept(newsletter: Command) -> None:
    assert newsletter("subscribers", "add", "Anna@Tips.example.com", "--name", "Anna", *PROOF).returncode == 0
    anna = shown(newsletter, "anna@tips.example.com")
    assert (anna["status"], anna["name"]) == ("confirmed", "Anna")
    assert [(entry["what"], entry["proof"]) for entry in anna["consent"]] == [("import", "paper list, 3 May 2026")]


def test_a_subscriber_without_a_proof_is_asked_by_email(newsletter: Command, home: Path) -> None:
    assert newsletter("subscribers", "add", "berta@tips.example.com").returncode == 0
    assert shown(newsletter, "berta@tips.example.com")["status"] == "pending"
    (email,) = (home / "mail").rglob("new/*")
    assert "https://tips.example/confirm/" in email.read_text(encoding="utf-8").replace("=\n", "")


def test_a_dry_run_adds_nobody(newsletter: Command) -> None:
    assert "would be asked" in newsletter("subscribers", "add", "berta@tips.example.com", "--dry-run").stdout
    assert newsletter("subscribers", "show", "berta@tips.example.com").returncode == 1


def test_confirmed_and_source_must_come_together(newsletter: Command) -> None:
    assert newsletter("subscribers", "add", "a@tips.example.com", "--confirmed").returncode == 2
    assert newsletter("subscribers", "add", "a@tips.example.com", "--source", "x").returncode == 2
    assert newsletter("subscribers", "add", "not-an-address").returncode == 1


def test_no_command_and_no_file_resubscribes_anyone_who_unsubscribed(newsletter: Command, home: Path) -> None:
    newsletter("subscribers", "add", "anna@tips.example.com", *PROOF)
    assert newsletter("subscribers", "unsubscribe", "anna@tips.example.com").returncode == 0
    assert newsletter("subscribers", "add", "anna@tips.example.com", *PROOF).returncode == 1
    (home / "list.csv").write_text("email\nanna@tips.example.com\n", encoding="utf-8")
    done = json.loads(newsletter("subscribers", "import", "list.csv", *PROOF, "--json").stdout)
    assert (done["added"], done["left"]) == (0, 1)
    assert shown(newsletter, "anna@tips.example.com")["status"] == "unsubscribed"


def test_an_import_reports_bad_rows_and_imports_the_rest(newsletter: Command, home: Path) -> None:
    (home / "list.csv").write_text("email,name\nanna@tips.example.com,Anna\nnobody,No\n", encoding="utf-8")
    done = newsletter("subscribers", "import", "list.csv", *PROOF, "--json")
    assert done.returncode == 1
    document = json.loads(done.stdout)
    assert document["added"] == 1
    assert [(row["line"], row["address"]) for row in document["rejected"]] == [(3, "nobody")]
    assert "list.csv:3: nobody:" in newsletter("subscribers", "import", "list.csv", *PROOF).stdout


def test_a_dry_run_of_an_import_counts_and_writes_nothing(newsletter: Command, home: Path) -> None:
    (home / "list.csv").write_text("email\nanna@tips.example.com\n", encoding="utf-8")
    dry = newsletter("subscribers", "import", "list.csv", "--ask", "--dry-run", "--json")
    assert (dry.returncode, json.loads(dry.stdout)["added"], json.loads(dry.stdout)["asked"]) == (0, 1, 1)
    assert json.loads(newsletter("subscribers", "list", "--json").stdout) == {"subscribers": [], "list": "tips"}


def test_an_import_without_a_proof_asks_what_to_do_and_writes_nothing(newsletter: Command, home: Path) -> None:
    (home / "list.csv").write_text(
        "email,Town\nanna@tips.example.com,Rome\nb@tips.example.com,Oslo\n", encoding="utf-8"
    )
    dry = newsletter("subscribers", "import", "list.csv", "--dry-run", "--json")
    done = newsletter("subscribers", "import", "list.csv", "--json")
    assert (dry.returncode, done.returncode) == (2, 2)
    for run in (dry, done):
        document = json.loads(run.stdout)
        assert (document["added"], document["asked"], document["unused_columns"]) == (2, 2, ["Town"])
        assert "--ask, which sends 2 confirmation emails" in run.stderr
        assert "--confirmed --source" in run.stderr
    assert json.loads(newsletter("subscribers", "list", "--json").stdout) == {"subscribers": [], "list": "tips"}
    shown = newsletter("subscribers", "import", "list.csv", "--ask")
    assert (shown.returncode, "Columns that were not used: Town" in shown.stdout) == (0, True)


def test_a_confirmation_time_in_the_file_is_the_proof_and_is_kept(newsletter: Command, home: Path) -> None:
    (home / "list.csv").write_text(
        "Email Address,CONFIRM_TIME,CONFIRM_IP\nanna@tips.example.com,2021-03-04 10:05:00,192.0.2.1\n", encoding="utf-8"
    )
    done = newsletter("subscribers", "import", "list.csv", "--json")
    assert (done.returncode, json.loads(done.stdout)["proven"]) == (0, 1)
    anna = shown(newsletter, "anna@tips.example.com")
    assert anna["status"] == "confirmed"
    (entry,) = anna["consent"]
    assert (entry["proof"], entry["origin"]) == ("2021-03-04 10:05:00 UTC, CONFIRM_TIME in list.csv", "192.0.2.1")


def test_a_column_that_is_not_understood_stops_the_import_until_it_is_ignored(newsletter: Command, home: Path) -> None:
    (home / "list.csv").write_text("email,Lead status\nanna@tips.example.com,zombie\n", encoding="utf-8")
    done = newsletter("subscribers", "import", "list.csv", *PROOF)
    assert done.returncode == 1
    for part in ("'Lead status'", "'zombie'", "line 2", '--ignore-column "Lead status"'):
        assert part in done.stderr
    done = newsletter("subscribers", "import", "list.csv", *PROOF, "--ignore-column", "lead status", "--json")
    assert (done.returncode, json.loads(done.stdout)["unused_columns"]) == (0, ["Lead status"])
    assert newsletter("subscribers", "import", "list.csv", *PROOF, "--ignore-column", "nothing").returncode == 2
    assert newsletter("subscribers", "import", "list.csv", *PROOF, "--ask").returncode == 2


def test_lists_are_filtered_by_status(newsletter: Command) -> None:
    newsletter("subscribers", "add", "anna@tips.example.com", *PROOF)
    newsletter("subscribers", "add", "berta@tips.example.com", *PROOF)
    newsletter("suppressions", "add", "berta@tips.example.com")
    for status, address in (("confirmed", "anna@tips.example.com"), ("suppressed", "berta@tips.example.com")):
        found = json.loads(newsletter("subscribers", "list", "--status", status, "--json").stdout)["subscribers"]
        assert [subscriber["address"] for subscriber in found] == [address]
    assert "newsletter subscribers add" in newsletter("subscribers", "list", "--status", "expired").stdout


def test_a_long_list_is_shortened_unless_all_or_json_is_asked_for(newsletter: Command, home: Path) -> None:
    rows = "".join(f"r{number:04}@tips.example.com\n" for number in range(1_234))
    (home / "list.csv").write_text(f"email\n{rows}", encoding="utf-8")
    newsletter("subscribers", "import", "list.csv", *PROOF)
    shown = newsletter("subscribers", "list").stdout
    assert "r0049@tips.example.com" in shown
    assert "r0050@tips.example.com" not in shown
    assert "… and 1,184 more; pass --all or --json" in shown
    for addresses in (
        re.findall(r"r\d+@tips\.example\.com", newsletter("subscribers", "list", "--all").stdout),
        [
            subscriber["address"]
            for subscriber in json.loads(newsletter("subscribers", "list", "--json").stdout)["subscribers"]
        ],
    ):
        assert addresses == rows.split()


def test_a_reader_that_stops_early_causes_no_error(newsletter: Command, home: Path) -> None:
    rows = "".join(f"r{number}@tips.example.com\n" for number in range(5_000))
    (home / "list.csv").write_text(f"email\n{rows}", encoding="utf-8")
    newsletter("subscribers", "import", "list.csv", *PROOF)
    command = f"{sys.executable} -m newsletter subscribers list --json | head -1"
    env = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    done = subprocess.run(command, shell=True, cwd=home, env=env, capture_output=True, text=True, check=True)  # noqa: S602
    assert (done.stdout, done.stderr) == ("{\n", "")


def test_a_suppressed_address_is_listed_and_can_be_removed(newsletter: Command) -> None:
    assert newsletter("suppressions", "add", "eve@tips.example.com", "--reason", "asked by phone").returncode == 0
    (row,) = json.loads(newsletter("suppressions", "list", "--json").stdout)["suppressions"]
    assert (row["address"], row["reason"]) == ("eve@tips.example.com", "asked by phone")
    assert newsletter("subscribers", "add", "eve@tips.example.com", *PROOF).returncode == 1
    assert newsletter("suppressions", "remove", "eve@tips.example.com", "--yes").returncode == 0
    assert newsletter("suppressions", "remove", "eve@tips.example.com", "--yes").returncode == 1
    assert newsletter("subscribers", "add", "eve@tips.example.com", *PROOF).returncode == 0


def test_an_export_is_safe_for_spreadsheets_private_and_can_be_imported(newsletter: Command, home: Path) -> None:
    newsletter("subscribers", "add", "anna@tips.example.com", "--name", "=cmd|calc", *PROOF)
    newsletter("subscribers", "add", "berta@tips.example.com", "--name", "Berta", *PROOF)
    newsletter("subscribers", "unsubscribe", "berta@tips.example.com")
    assert newsletter("subscribers", "export", "out.csv").returncode == 0
    text = (home / "out.csv").read_text(encoding="utf-8-sig")
    assert "anna@tips.example.com,'=cmd|calc,confirmed,weekly" in text
    assert (home / "out.csv").stat().st_mode & 0o077 == 0
    assert newsletter("subscribers", "export", "out.csv").returncode == 2, (
        "an existing file is not overwritten without asking"
    )
    newsletter("subscribers", "erase", "anna@tips.example.com", "--yes")
    done = json.loads(newsletter("subscribers", "import", "out.csv", *PROOF, "--json").stdout)
    assert (done["added"], done["suppressed"], done["left"], done["rejected"]) == (0, 1, 1, [])


def test_an_erased_subscriber_is_gone_and_no_command_adds_them_again(newsletter: Command) -> None:
    newsletter("subscribers", "add", "anna@tips.example.com", *PROOF)
    assert newsletter("subscribers", "erase", "anna@tips.example.com").returncode == 2
    assert newsletter("subscribers", "erase", "anna@tips.example.com", "--yes").returncode == 0
    assert newsletter("subscribers", "show", "anna@tips.example.com").returncode == 1
    assert newsletter("subscribers", "add", "anna@tips.example.com", *PROOF).returncode == 1
    assert "anna@" not in newsletter("suppressions", "list", "--json").stdout


def test_a_pause_by_command_is_shown(newsletter: Command) -> None:
    newsletter("subscribers", "add", "anna@tips.example.com", *PROOF)
    assert newsletter("subscribers", "pause", "anna@tips.example.com", "--weeks", "6").returncode == 0
    assert shown(newsletter, "anna@tips.example.com")["status"] == "paused"
    assert newsletter("subscribers", "pause", "anna@tips.example.com", "--weeks", "99").returncode == 2


def test_statistics_show_why_people_unsubscribed(newsletter: Command) -> None:
    newsletter("subscribers", "add", "anna@tips.example.com", *PROOF)
    newsletter("subscribers", "unsubscribe", "anna@tips.example.com")
    document = json.loads(newsletter("subscribers", "stats", "--json").stdout)
    assert document == {
        "subscribers": {"unsubscribed": 1}, "quarterly": 0, "left_because": {"not_said": 1}, "left_by_tip": [], "words": [],
        "list": "tips",
    }  # fmt: skip
    assert "not said" in newsletter("subscribers", "stats").stdout


def test_the_form_for_other_sites_comes_in_four_kinds(newsletter: Command) -> None:
    for kind, words in (
        ("link", 'href="https://tips.example/#signup"'),
        ("html", 'action="https://tips.example/subscribe"'),
        ("iframe", 'src="https://tips.example/signup/embed"'),
        ("script", 'src="https://tips.example/signup.js"'),
    ):
        assert words in newsletter("form", "--kind", kind).stdout
