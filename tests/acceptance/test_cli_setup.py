import json
import re
import stat
from pathlib import Path

from tests.conftest import CHECKOUT, Command
from tests.support.processes import free_port

STARTERS = list((CHECKOUT / "seeds").glob("*.md"))
KEY = re.compile(r"^NEWSLETTER_SECRET_KEY=(.+)$", re.MULTILINE)


def test_init_writes_a_private_env_file_a_database_and_the_starter_tips(run_cli: Command, tmp_path: Path) -> None:
    folder = tmp_path / "fresh"
    folder.mkdir()
    done = run_cli("init", "--yes", "--starter-tips", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["database"] == "created"
    assert document["tips_added"] == len(STARTERS) >= 52
    assert stat.S_IMODE((folder / ".env").stat().st_mode) == 0o600
    assert len(KEY.findall((folder / ".env").read_text(encoding="utf-8"))[0]) >= 32
    assert (folder / "data" / "newsletter.db").is_file()
    tips = json.loads(run_cli("tips", "list", "--json", cwd=folder).stdout)["tips"]
    assert {tip["state"] for tip in tips} == {"fresh"}


def test_init_adds_no_starter_tips_unasked(run_cli: Command, tmp_path: Path) -> None:
    folder = tmp_path / "fresh"
    folder.mkdir()
    done = run_cli("init", "--yes", "--json", cwd=folder)
    assert (done.returncode, json.loads(done.stdout)["tips"]) == (0, 0)
    assert json.loads(run_cli("tips", "list", "--json", cwd=folder).stdout)["tips"] == []


def test_a_second_init_changes_nothing_and_reports_what_exists(run_cli: Command, tmp_path: Path) -> None:
    folder = tmp_path / "fresh"
    folder.mkdir()
    run_cli("init", "--yes", "--starter-tips", cwd=folder)
    before = (folder / ".env").read_bytes()
    done = run_cli("init", "--yes", cwd=folder)
    assert done.returncode == 0
    assert (folder / ".env").read_bytes() == before
    assert done.stdout.count("already there") == 3
    assert f"{len(STARTERS)} tips already there" in done.stdout


def test_init_adds_a_key_to_an_env_file_without_one_and_keeps_the_rest(run_cli: Command, tmp_path: Path) -> None:
    folder = tmp_path / "fresh"
    folder.mkdir()
    (folder / ".env").write_text("NEWSLETTER_TITLE=Mine", encoding="utf-8")
    assert run_cli("init", "--yes", cwd=folder).returncode == 0
    text = (folder / ".env").read_text(encoding="utf-8")
    assert text.startswith("NEWSLETTER_TITLE=Mine\n")
    assert len(KEY.findall(text)) == 1


def test_init_writes_no_key_if_the_environment_has_one(run_cli: Command, tmp_path: Path) -> None:
    folder = tmp_path / "fresh"
    folder.mkdir()
    run_cli("init", "--yes", cwd=folder, env={"NEWSLETTER_SECRET_KEY": "one-from-the-environment"})
    assert KEY.findall((folder / ".env").read_text(encoding="utf-8")) == []


def test_a_command_before_init_says_what_to_run(run_cli: Command, home: Path) -> None:
    done = run_cli("tips", "list")
    assert done.returncode == 1
    assert "newsletter init" in done.stderr or "newsletter db upgrade" in done.stderr
    assert not (home / "data" / "newsletter.db").exists()


def test_config_show_masks_secrets_and_shows_where_values_come_from(run_cli: Command) -> None:
    asked = {"NEWSLETTER_SENDER_URL": "smtp://user:hunter2@relay.example", "NEWSLETTER_TITLE": "Outside"}
    for option in ([], ["--json"]):
        done = run_cli("config", "show", *option, env=asked)
        assert done.returncode == 0
        assert "hunter2" not in done.stdout
        assert "only-tests-have" not in done.stdout
    rows = {row["name"]: row for row in json.loads(run_cli("config", "show", "--json", env=asked).stdout)["settings"]}
    assert rows["NEWSLETTER_SENDER_URL"]["value"] == "smtp://user:********@relay.example"
    assert rows["NEWSLETTER_TITLE"] == {"name": "NEWSLETTER_TITLE", "value": "Outside", "origin": "environment"}
    assert rows["NEWSLETTER_SECRET_KEY"]["origin"] == ".env"
    assert rows["NEWSLETTER_LANGUAGE"]["origin"] == "default"


def test_doctor_finds_no_problem_in_a_newsletter_that_is_set_up(newsletter: Command) -> None:
    done = newsletter("doctor", "--json")
    problems = [check for check in json.loads(done.stdout)["checks"] if not check["ok"]]
    assert problems == []
    assert done.returncode == 0


def test_doctor_names_each_problem_with_its_fix(run_cli: Command, tmp_path: Path) -> None:
    folder = tmp_path / "fresh"
    folder.mkdir()
    run_cli("init", "--yes", "--starter-tips", cwd=folder)
    done = run_cli("doctor", "--json", cwd=folder, env={"NEWSLETTER_TITEL": "x"})
    assert done.returncode == 3
    checks = {check["id"]: check for check in json.loads(done.stdout)["checks"]}
    wrong = {"names", "sender", "from_address", "owner", "postal_address", "base_url"}
    assert {id_ for id_, check in checks.items() if not check["ok"]} == wrong
    assert all(checks[id_]["fix"] for id_ in wrong)
    assert run_cli("doctor", cwd=folder).stdout.count("✗") == 1


def test_doctor_with_warnings_alone_succeeds_unless_it_is_strict(newsletter: Command) -> None:
    example = {"NEWSLETTER_OWNER": "owner@example.org"}
    assert newsletter("doctor", env=example).returncode == 0
    assert newsletter("doctor", "--strict", env=example).returncode == 3
    assert newsletter("doctor", "--strict").returncode == 0


def test_doctor_finds_a_mail_server_that_does_not_answer(newsletter: Command) -> None:
    done = newsletter("doctor", "--json", env={"NEWSLETTER_SENDER_URL": f"smtp://127.0.0.1:{free_port()}"})
    assert done.returncode == 3
    (problem,) = [check for check in json.loads(done.stdout)["checks"] if check["level"] == "error"]
    assert (problem["id"], "refused" in problem["message"]) == ("relay", True)


def test_doctor_works_without_a_database(run_cli: Command) -> None:
    done = run_cli("doctor", "--json")
    assert done.returncode == 3
    (check,) = [check for check in json.loads(done.stdout)["checks"] if check["id"] == "database"]
    assert check["level"] == "error"
    assert "newsletter" in check["fix"]


def test_the_error_about_a_missing_directory_says_what_to_do(newsletter: Command) -> None:
    done = newsletter("subscribers", "export", "nowhere/out.csv")
    assert (done.returncode, done.stderr) == (
        1, "newsletter: nowhere/out.csv: No such file or directory. Create its directory first, or choose another path\n",
    )  # fmt: skip


def test_an_unreadable_list_is_named_and_cannot_control_the_terminal(newsletter: Command, home: Path) -> None:
    (home / "list.csv").write_text("\x1b[31mname,town\n", encoding="utf-8")
    done = newsletter("subscribers", "import", "list.csv")
    assert done.stderr.startswith("newsletter: list.csv:1: there is no address column")
    assert "\x1b" not in done.stderr
