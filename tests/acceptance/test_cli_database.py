"""`newsletter db`: backups, restoring them, and adopting what was restored."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import CHECKOUT, Command


def test_the_database_is_created_checked_and_backed_up(run_cli: Command, home: Path) -> None:
    assert run_cli("db", "status").returncode == 1
    first, second = (json.loads(run_cli("db", "upgrade", "--json").stdout) for _ in range(2))
    assert (first["changed"], second["changed"]) == (True, False)
    assert json.loads(run_cli("db", "status", "--json").stdout)["ok"] is True
    assert run_cli("db", "backup", "copy.db").returncode == 0
    assert run_cli("tips", "list", env={"NEWSLETTER_DATABASE_URL": f"sqlite:///{home}/copy.db"}).returncode == 0
    assert run_cli("db", "backup", "copy.db").returncode == 1


def test_a_backup_can_be_restored_and_the_replaced_database_is_kept(newsletter: Command, home: Path) -> None:
    proof = ("--confirmed", "--source", "paper list")
    newsletter("subscribers", "add", "anna@tips.example.com", *proof)
    assert newsletter("db", "backup", "then.db").returncode == 0
    newsletter("subscribers", "add", "berta@tips.example.com", *proof)
    assert newsletter("db", "restore", "then.db").returncode == 2, "not without --yes"
    done = json.loads(newsletter("db", "restore", "then.db", "--yes", "--json").stdout)
    subscribers = json.loads(newsletter("subscribers", "list", "--json").stdout)["subscribers"]
    assert [subscriber["address"] for subscriber in subscribers] == ["anna@tips.example.com"]
    assert newsletter("db", "restore", str(home / done["kept"]), "--yes").returncode == 0
    assert len(json.loads(newsletter("subscribers", "list", "--json").stdout)["subscribers"]) == 2


def test_a_file_that_is_not_a_backup_is_not_restored(newsletter: Command, home: Path) -> None:
    (home / "list.csv").write_text("email\n", encoding="utf-8")
    done = newsletter("db", "restore", "list.csv", "--yes")
    assert (done.returncode, "not a backup" in done.stderr) == (1, True)
    assert newsletter("tips", "list").returncode == 0


def test_a_missing_database_cannot_be_backed_up(run_cli: Command, home: Path) -> None:
    done = run_cli("db", "backup", "then.db")
    assert (done.returncode, "newsletter init" in done.stderr) == (1, True)
    assert not (home / "then.db").exists()


def test_a_person_who_unsubscribed_after_the_backup_gets_no_email_from_it(newsletter: Command, home: Path) -> None:
    for name in ("anna", "berta", "carla"):
        newsletter("subscribers", "add", f"{name}@tips.example.com", "--confirmed", "--source", "paper list")
    newsletter("db", "backup", "then.backup")
    newsletter("subscribers", "unsubscribe", "berta@tips.example.com")
    assert newsletter("db", "restore", "then.backup", "--yes").returncode == 0
    held = newsletter("issues", "send", "--now")
    assert (held.returncode, "newsletter db adopt" in held.stderr) == (1, True)
    assert json.loads(newsletter("issues", "list", "--json").stdout)["issues"] == []

    (home / "gone.txt").write_text("Berta@tips.example.com\nstranger@tips.example.com\n")
    done = newsletter("db", "adopt", "--unsubscribed", "gone.txt", "--yes", "--json")
    assert "Whoever signed up since then is missing" in done.stderr
    found = json.loads(done.stdout)
    assert found["adopted"] is True
    assert found["unsubscribed"] == [
        {"file": "gone.txt", "unsubscribed": 1, "unknown": 1, "already": 0, "left_out": 0, "rejected": [], "skipped_lines": []}
    ]  # fmt: skip
    record = json.loads(newsletter("subscribers", "show", "berta@tips.example.com", "--json").stdout)
    assert "gone.txt" in record["consent"][-1]["proof"]
    assert newsletter("issues", "send", "--now").returncode == 0
    emails = "".join(path.read_text() for path in (home / "mail").rglob("new/*"))
    assert emails.count("Delivered-To: anna@") == emails.count("Delivered-To: carla@") == 1
    assert "Delivered-To: berta@" not in emails


def test_a_list_with_a_line_that_cannot_be_read_keeps_the_hold(newsletter: Command, home: Path) -> None:
    newsletter("db", "backup", "then.backup")
    newsletter("db", "restore", "then.backup", "--yes")
    (home / "gone.txt").write_text("berta@tips.example.com\nnobody at all@@\n")
    done = newsletter("db", "adopt", "--unsubscribed", "gone.txt", "--yes")
    assert done.returncode == 1
    assert "gone.txt:2: nobody at all@@" in done.stdout
    assert "Correct the file" in done.stdout
    assert newsletter("issues", "send").returncode == 1
    assert newsletter("db", "adopt", "--yes").returncode == 0
    assert "Nothing to do" in newsletter("db", "adopt").stdout


def test_adopting_asks_and_needs_a_terminal_or_yes(newsletter: Command) -> None:
    newsletter("db", "backup", "then.backup")
    newsletter("db", "restore", "then.backup", "--yes")
    done = newsletter("db", "adopt")
    assert (done.returncode, "Pass --yes" in done.stderr) == (2, True)
    assert "Whoever unsubscribed since then would get emails again" in done.stderr


def test_a_backup_without_a_name_is_listed_verified_and_restored_with_a_passphrase(
    newsletter: Command, home: Path
) -> None:
    (home / "words").write_text("correct horse\nsecond line\n")
    (home / "wrong").write_text("battery staple\n")
    made = json.loads(newsletter("db", "backup", "--encrypt", "--passphrase-file", "words", "--json").stdout)
    assert made["encrypted"] is True
    assert "env" in made["files"]
    (listed,) = json.loads(newsletter("db", "backups", "--json").stdout)["backups"]
    assert listed["file"] == made["file"]
    assert made["file"] in newsletter("db", "backups").stdout
    checked = newsletter("db", "verify", made["file"], "--passphrase-file", "words")
    assert (checked.returncode, "is sound and can be restored" in checked.stdout) == (0, True)
    wrong = newsletter("db", "restore", made["file"], "--yes", "--passphrase-file", "wrong")
    assert (wrong.returncode, "is wrong, or the file is damaged. Nothing was changed" in wrong.stderr) == (1, True)
    none = newsletter("db", "verify", made["file"])
    assert (none.returncode, "Pass --passphrase-file FILE" in none.stderr) == (2, True)
    assert newsletter("db", "restore", made["file"], "--yes", "--passphrase-file", "words").returncode == 0


def test_the_passphrase_can_come_from_stdin(newsletter: Command, home: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "newsletter", "db", "backup", "--encrypt", "x.backup"],
        cwd=home, env={**os.environ, "PYTHONPATH": str(CHECKOUT)}, input="correct horse\n", text=True,
        capture_output=True, check=False,
    )  # fmt: skip
    (home / "words").write_text("correct horse")
    assert done.returncode == 0
    assert newsletter("db", "verify", "x.backup", "--passphrase-file", "words").returncode == 0


def test_a_fresh_newsletter_is_replaced_without_a_question(
    run_cli: Command, newsletter: Command, tmp_path: Path
) -> None:
    newsletter("subscribers", "add", "anna@tips.example.com", "--confirmed", "--source", "paper list")
    newsletter("db", "backup", "then.backup")
    folder = tmp_path / "other"
    folder.mkdir()
    run_cli("init", "--yes", cwd=folder)
    done = run_cli("db", "restore", "../then.backup", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "Kept from before: .env.before-" in done.stdout
    shown = json.loads(run_cli("config", "show", "--json", cwd=folder).stdout)["settings"]
    assert "Anna Beispiel <tips@tips.example>" in {row["value"] for row in shown}
    assert "a-key-that-only-tests-have" in (folder / ".env").read_text()
