import json
import re
import stat
from pathlib import Path

from tests.conftest import CHECKOUT, Command

STARTERS = list((CHECKOUT / "seeds").glob("*.md"))
KEY = re.compile(r"^NEWSLETTER_SECRET_KEY=(.+)$", re.MULTILINE)


def test_init_writes_a_private_env_file_a_database_and_the_starter_tips(run_cli: Command, tmp_path: Path) -> None:
    place = tmp_path / "fresh"
    place.mkdir()
    done = run_cli("init", "--yes", "--json", cwd=place)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["database"] == "created"
    assert document["tips_added"] == len(STARTERS) >= 52
    assert stat.S_IMODE((place / ".env").stat().st_mode) == 0o600
    assert len(KEY.findall((place / ".env").read_text(encoding="utf-8"))[0]) >= 32
    assert (place / "data" / "newsletter.db").is_file()
    tips = json.loads(run_cli("tips", "list", "--json", cwd=place).stdout)["tips"]
    assert {tip["state"] for tip in tips} == {"fresh"}


def test_a_second_init_changes_nothing_and_says_what_was_there(run_cli: Command, tmp_path: Path) -> None:
    place = tmp_path / "fresh"
    place.mkdir()
    run_cli("init", "--yes", cwd=place)
    before = (place / ".env").read_bytes()
    done = run_cli("init", "--yes", cwd=place)
    assert done.returncode == 0
    assert (place / ".env").read_bytes() == before
    assert done.stdout.count("was there") == 2
    assert f"{len(STARTERS)} tips were there" in done.stdout


def test_init_gives_an_env_file_without_a_key_one_and_leaves_the_rest_alone(run_cli: Command, tmp_path: Path) -> None:
    place = tmp_path / "fresh"
    place.mkdir()
    (place / ".env").write_text("NEWSLETTER_TITLE=Mine", encoding="utf-8")
    assert run_cli("init", "--yes", cwd=place).returncode == 0
    text = (place / ".env").read_text(encoding="utf-8")
    assert text.startswith("NEWSLETTER_TITLE=Mine\n")
    assert len(KEY.findall(text)) == 1


def test_init_writes_no_key_where_the_environment_has_one(run_cli: Command, tmp_path: Path) -> None:
    place = tmp_path / "fresh"
    place.mkdir()
    run_cli("init", "--yes", cwd=place, env={"NEWSLETTER_SECRET_KEY": "one-from-the-environment"})
    assert KEY.findall((place / ".env").read_text(encoding="utf-8")) == []


def test_a_command_before_init_says_what_to_run(run_cli: Command, home: Path) -> None:
    done = run_cli("tips", "list")
    assert done.returncode == 1
    assert "newsletter init" in done.stderr or "newsletter db upgrade" in done.stderr
    assert not (home / "data" / "newsletter.db").exists()


def test_config_show_masks_secrets_and_tells_where_values_come_from(run_cli: Command) -> None:
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


def test_the_database_is_made_looked_at_and_copied(run_cli: Command, home: Path) -> None:
    assert run_cli("db", "status").returncode == 1
    first, second = (json.loads(run_cli("db", "upgrade", "--json").stdout) for _ in range(2))
    assert (first["changed"], second["changed"]) == (True, False)
    assert json.loads(run_cli("db", "status", "--json").stdout)["ok"] is True
    assert run_cli("db", "backup", "copy.db").returncode == 0
    assert run_cli("tips", "list", env={"NEWSLETTER_DATABASE_URL": f"sqlite:///{home}/copy.db"}).returncode == 0
    assert run_cli("db", "backup", "copy.db").returncode == 1


def test_doctor_is_content_with_a_newsletter_that_is_set_up(newsletter: Command) -> None:
    done = newsletter("doctor", "--json")
    problems = [check for check in json.loads(done.stdout)["checks"] if not check["ok"]]
    assert problems == []
    assert done.returncode == 0


def test_doctor_names_each_problem_with_its_fix(run_cli: Command, tmp_path: Path) -> None:
    place = tmp_path / "fresh"
    place.mkdir()
    run_cli("init", "--yes", cwd=place)
    done = run_cli("doctor", "--json", cwd=place, env={"NEWSLETTER_TITEL": "x"})
    assert done.returncode == 3
    checks = {check["id"]: check for check in json.loads(done.stdout)["checks"]}
    wrong = {"names", "sender", "from_address", "owner", "postal_address", "base_url"}
    assert {id_ for id_, check in checks.items() if not check["ok"]} == wrong
    assert all(checks[id_]["fix"] for id_ in wrong)
    assert run_cli("doctor", cwd=place).stdout.count("✗") == 1


def test_doctor_works_without_a_database(run_cli: Command) -> None:
    done = run_cli("doctor", "--json")
    assert done.returncode == 3
    (check,) = [check for check in json.loads(done.stdout)["checks"] if check["id"] == "database"]
    assert check["level"] == "error"
    assert "newsletter" in check["fix"]


def test_a_backup_can_be_put_back_and_the_database_it_replaced_is_kept(newsletter: Command, home: Path) -> None:
    proof = ("--confirmed", "--source", "paper list")
    newsletter("subscribers", "add", "anna@tips.example.com", *proof)
    assert newsletter("db", "backup", "then.db").returncode == 0
    newsletter("subscribers", "add", "berta@tips.example.com", *proof)
    assert newsletter("db", "restore", "then.db").returncode == 2, "not unasked"
    done = json.loads(newsletter("db", "restore", "then.db", "--yes", "--json").stdout)
    people = json.loads(newsletter("subscribers", "list", "--json").stdout)["subscribers"]
    assert [reader["address"] for reader in people] == ["anna@tips.example.com"]
    assert newsletter("db", "restore", str(home / done["kept"]), "--yes").returncode == 0
    assert len(json.loads(newsletter("subscribers", "list", "--json").stdout)["subscribers"]) == 2


def test_what_is_no_backup_is_not_put_back(newsletter: Command, home: Path) -> None:
    (home / "list.csv").write_text("email\n", encoding="utf-8")
    done = newsletter("db", "restore", "list.csv", "--yes")
    assert (done.returncode, "not a database" in done.stderr) == (1, True)
    assert newsletter("tips", "list").returncode == 0


def test_without_a_database_there_is_nothing_to_back_up(run_cli: Command, home: Path) -> None:
    done = run_cli("db", "backup", "then.db")
    assert (done.returncode, "newsletter init" in done.stderr) == (1, True)
    assert not (home / "then.db").exists()


def test_a_place_that_is_not_there_is_named_with_what_to_do(newsletter: Command) -> None:
    done = newsletter("subscribers", "export", "nowhere/out.csv")
    assert (done.returncode, done.stderr) == (
        1, "newsletter: nowhere/out.csv: No such file or directory. Make its directory first, or name another\n",
    )  # fmt: skip


def test_an_unreadable_list_is_named_and_steers_no_terminal(newsletter: Command, home: Path) -> None:
    (home / "list.csv").write_text("\x1b[31mname,town\n", encoding="utf-8")
    done = newsletter("subscribers", "import", "list.csv")
    assert done.stderr.startswith("newsletter: list.csv:1: no column of addresses")
    assert "\x1b" not in done.stderr
