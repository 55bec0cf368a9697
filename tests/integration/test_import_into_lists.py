"""Import subscribers into several lists: by groups and tags of other tools, and by the column of our own exports."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from newsletter.cli import main

ROOT = Path(__file__).parents[2]
MAILCHIMP = """Email Address,First Name,OPTIN_TIME,CONFIRM_TIME,TAGS,Interests
ok@host.example,Ann,2024-01-05 10:00:00,2024-01-05 10:05:00,"""
MAILCHIMP += '''"""Fair 2019"",""VIP""","Newsletter, Business Advice"
tips@host.example,Bea,2024-01-05 10:00:00,2024-01-05 10:05:00,,Newsletter
none@host.example,Cid,2024-01-05 10:00:00,2024-01-05 10:05:00,"""VIP""",
old@host.example,Dan,2024-01-05 10:00:00,2024-01-05 10:05:00,,"Newsletter, Old stuff"
'''
Run = Callable[..., tuple[int, dict[str, Any]]]


def install(home: Path, *lists: str) -> Path:
    home.mkdir(exist_ok=True)
    env = home / ".env"
    env.write_text(
        "NEWSLETTER_SECRET_KEY=a-key-that-only-tests-have\n"
        f"NEWSLETTER_DATABASE_URL=sqlite:///{home}/n.db\nNEWSLETTER_SENDER_URL=maildir://{home}/mail\n"
        "NEWSLETTER_FROM=tips@tips.example\nNEWSLETTER_BASE_URL=https://tips.example\n",
        encoding="utf-8",
    )
    assert main(["--env-file", str(env), "db", "upgrade"]) == 0
    for key in lists:
        assert main(["--env-file", str(env), "lists", "add", key, "--title", key.title()]) == 0
    return env


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command about subscribers in a newsletter with the lists tips and advice."""
    env = install(tmp_path / "here", "advice")

    def run(*arguments: str, env: Path = env) -> tuple[int, dict[str, Any]]:
        capsys.readouterr()
        code = main(["--env-file", str(env), "subscribers", *arguments, "--json"])
        said = capsys.readouterr()
        return code, json.loads(said.out) if said.out else {"error": said.err}

    return run


def statuses(run: Run, address: str) -> dict[str, str]:
    code, found = run("show", address)
    return {one["list"]: one["status"] for one in found["subscriptions"]} if not code else {}


def write(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_groups_of_mailchimp_go_to_their_lists_and_what_is_not_mapped_is_named(run: Run, tmp_path: Path) -> None:
    file = write(tmp_path / "mailchimp.csv", MAILCHIMP)
    options = ("import", file, "--map", "Newsletter=tips", "--map", "business advice=advice")
    dry = run(*options, "--dry-run")
    code, done = run(*options)

    assert code == 0
    assert {**dry[1], "dry_run": False} == done
    assert (done["added"], done["confirmed"], done["unused_columns"]) == (4, 4, ["TAGS"])
    assert done["left_out"] == [
        {"value": "Old stuff", "line": 5, "rows": 1},
        {"value": "", "line": 4, "rows": 1},
    ]
    assert statuses(run, "ok@host.example") == {"tips": "confirmed", "advice": "confirmed"}
    assert statuses(run, "tips@host.example") == {"tips": "confirmed"}
    assert statuses(run, "none@host.example") == {}
    assert run(*options)[1]["unchanged"] == 4


def test_all_other_rows_go_to_the_list_that_is_named(run: Run, tmp_path: Path) -> None:
    file = write(tmp_path / "mailchimp.csv", MAILCHIMP)
    code, _ = run("import", file, "--map", "Newsletter=tips", "--list", "advice")

    assert code == 0
    assert statuses(run, "none@host.example") == {"advice": "confirmed"}
    assert statuses(run, "ok@host.example") == {"tips": "confirmed"}


def test_a_column_with_the_title_of_a_list_says_yes_or_no(run: Run, tmp_path: Path) -> None:
    file = write(
        tmp_path / "table.csv",
        "email,Newsletter,Business Advice\nboth@host.example,yes,x\nno@host.example,yes,no\nnone@host.example,,\n",
    )
    maps = ("--map", "Newsletter=tips", "--map", "Business Advice=advice")
    code, done = run("import", file, *maps, "--confirmed", "--source", "fair 2026")

    assert (code, done["unused_columns"]) == (0, [])
    assert statuses(run, "both@host.example") == {"tips": "confirmed", "advice": "confirmed"}
    assert statuses(run, "no@host.example") == {"tips": "confirmed", "advice": "unsubscribed"}
    assert statuses(run, "none@host.example") == {}


def test_the_rows_of_each_list_in_an_export_of_mailpoet_have_their_own_status(run: Run, tmp_path: Path) -> None:
    file = write(
        tmp_path / "mailpoet.csv",
        "Email,Subscription time,Confirmation time,List status,List\n"
        "a@host.example,2021-03-02 10:00:00,2021-03-02 10:05:00,unsubscribed,Newsletter\n"
        "a@host.example,2021-03-02 10:00:00,2021-03-02 10:05:00,subscribed,Advice\n",
    )
    code, _ = run("import", file, "--map", "Newsletter=tips", "--map", "Advice=advice")

    assert code == 0
    assert statuses(run, "a@host.example") == {"tips": "unsubscribed", "advice": "confirmed"}
    assert run("show", "a@host.example", "--list", "advice")[1]["status"] == "confirmed"


def test_a_column_that_is_called_newsletter_may_have_the_names_of_lists(run: Run, tmp_path: Path) -> None:
    file = write(
        tmp_path / "table.csv",
        "email,Newsletter\nno@host.example,no\na@host.example,Weekly\nboth@host.example,weekly; Advice\nnone@host.example,\n",
    )
    proof = ("--confirmed", "--source", "paper")
    assert '--map "Weekly=KEY"' in run("import", file, *proof)[1]["error"]
    code, done = run("import", file, "--map", "Weekly=tips", "--map", "Advice=advice", *proof)

    assert (code, done["added"]) == (0, 3)
    assert statuses(run, "both@host.example") == {"tips": "confirmed", "advice": "confirmed"}
    assert [statuses(run, f"{name}@host.example") for name in ("no", "none")] == [{}, {}]


def test_whoever_must_get_no_email_is_kept_even_without_a_list(run: Run, tmp_path: Path) -> None:
    file = write(
        tmp_path / "table.csv",
        "email,status,tags\nok@host.example,active,Newsletter\nleft@host.example,unsubscribed,\ndead@host.example,bounced,\n",
    )
    run("import", file, "--map", "Newsletter=tips", "--confirmed", "--source", "old tool")

    assert statuses(run, "left@host.example") == {"tips": "unsubscribed"}
    code, done = run("add", "dead@host.example", "--confirmed", "--source", "again")
    assert code
    assert "is suppressed" in done["error"]


def test_one_email_asks_about_all_lists(run: Run, tmp_path: Path) -> None:
    file = write(
        tmp_path / "table.csv",
        'email,tags\nboth@host.example,"Newsletter,Advice"\none@host.example,Advice\nfirst@host.example,Newsletter\n',
    )
    maps = ("--map", "Newsletter=tips", "--map", "Advice=advice")
    code, undecided = run("import", file, *maps)
    assert (code, undecided["asked"], undecided["undecided"]) == (2, 4, True)
    assert statuses(run, "both@host.example") == {}
    assert run("import", file, *maps, "--ask")[0] == 0

    db = sqlite3.connect(tmp_path / "here" / "n.db")
    found = dict(db.execute("SELECT address, data ->> '$.lists' FROM notice WHERE kind = 'confirm'"))
    db.close()
    assert found == {"both@host.example": "[1,2]", "one@host.example": "[2]", "first@host.example": None}


def test_an_import_into_another_list_asks_for_that_list(run: Run, tmp_path: Path) -> None:
    file = write(tmp_path / "table.csv", "email\na@host.example\n")
    assert run("import", file, "--list", "advice", "--ask")[0] == 0

    assert statuses(run, "a@host.example") == {"advice": "pending"}
    db = sqlite3.connect(tmp_path / "here" / "n.db")
    ((lists,),) = db.execute("SELECT data ->> '$.lists' FROM notice").fetchall()
    db.close()
    assert lists == "[2]"


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("Newsleter=tips", "no row of this file says 'Newsleter'"),
        ("Newsletter=news", "there is no list 'news'"),
        ("Newsletter", "does not say which list"),
    ],
)
def test_a_map_that_does_not_fit_stops_the_import(run: Run, tmp_path: Path, option: str, said: str) -> None:
    file = write(tmp_path / "mailchimp.csv", MAILCHIMP)
    code, done = run("import", file, "--map", option)

    assert code
    assert said in done["error"]
    assert statuses(run, "tips@host.example") == {}


def test_another_list_does_not_get_back_whoever_unsubscribed_from_everything(run: Run, tmp_path: Path) -> None:
    proof = ("--confirmed", "--source", "paper")
    for address, lists in (("left@host.example", ["tips"]), ("stays@host.example", ["tips", "advice"])):
        run("add", address, *proof, *(word for key in lists for word in ("--list", key)))
        run("unsubscribe", address, "--list", "tips")
    run("add", "new@host.example", *proof, "--list", "advice")
    assert main(["--env-file", str(tmp_path / "here" / ".env"), "lists", "add", "more", "--title", "More"]) == 0
    file = write(tmp_path / "old.csv", "email\nleft@host.example\nstays@host.example\nnew@host.example\n")

    code, done = run("import", file, "--list", "more", *proof)
    assert (code, done["confirmed"]) == (0, 2)
    assert statuses(run, "left@host.example") == {"tips": "unsubscribed"}
    assert statuses(run, "stays@host.example")["more"] == "confirmed"
    code, refused = run("add", "left@host.example", *proof, "--list", "more")
    assert code == 1
    assert "has unsubscribed" in refused["error"]


def test_nobody_is_imported_into_a_list_that_is_retired(run: Run, tmp_path: Path) -> None:
    assert main(["--env-file", str(tmp_path / "here" / ".env"), "lists", "retire", "advice"]) == 0
    file = write(tmp_path / "table.csv", "email\na@host.example\n")

    assert "the list advice is retired" in run("import", file, "--list", "advice", "--ask")[1]["error"]


# -- our own exports -------------------------------------------------------------------------------


def test_an_export_of_several_lists_restores_every_subscription(run: Run, tmp_path: Path) -> None:
    for address, *lists in (
        ("both@host.example", "tips", "advice"),
        ("advice@host.example", "advice"),
        ("dead@host.example", "tips", "advice"),
        ("left@host.example", "tips", "advice"),
    ):
        named = [part for key in lists for part in ("--list", key)]
        assert run("add", address, *named, "--confirmed", "--source", "fair 2026")[0] == 0
    run("unsubscribe", "left@host.example", "--list", "tips")
    run("pause", "both@host.example", "--weeks", "4", "--list", "advice")
    old, new = tmp_path / "here" / ".env", install(tmp_path / "there", "advice")
    assert main(["--env-file", str(old), "suppressions", "add", "dead@host.example", "--reason", "complaint"]) == 0
    db = sqlite3.connect(tmp_path / "here" / "n.db")
    with db:
        db.execute("UPDATE subscriber SET one_a_day = 1 WHERE address = 'both@host.example'")
    db.close()
    file = str(tmp_path / "all.csv")
    assert run("export", file)[1]["exported"] == 7
    code, done = run("import", file, env=new)

    assert (code, done["rejected"], done["added"]) == (0, [], 7)
    assert everything(tmp_path / "there") == everything(tmp_path / "here")
    assert run("import", file, env=new)[1]["added"] == 0


def everything(home: Path) -> dict[str, list[tuple[object, ...]]]:
    db = sqlite3.connect(home / "n.db")
    tables = {
        "persons": "SELECT key, address, name, one_a_day FROM subscriber ORDER BY address",
        "subscriptions": "SELECT p.address, s.list_id, s.status, s.pace, s.resting, s.paused_until, s.signup_at, s.confirmed_at,"
        " s.left_at, s.source FROM subscription s JOIN subscriber p ON p.id = s.subscriber_id ORDER BY 1, 2",
        "consents": "SELECT p.address, c.list_id, c.at, c.what, c.proof FROM consent c JOIN subscriber p ON p.id ="
        " c.subscriber_id ORDER BY 1, 2, c.id",
        "suppressions": "SELECT address_key, reason, source, at FROM suppression ORDER BY 1",
    }
    found = {name: db.execute(sql).fetchall() for name, sql in tables.items()}
    db.close()
    return found


def test_an_export_of_one_list_has_no_column_for_it(run: Run, tmp_path: Path) -> None:
    alone = install(tmp_path / "alone")
    for env, options, named in ((alone, (), False), (tmp_path / "here" / ".env", ("--list", "advice"), False)):
        file = tmp_path / "out.csv"
        run("export", str(file), "--yes", *options, env=env)
        assert ("list" in file.read_text(encoding="utf-8-sig").splitlines()[0].split(",")) is named


def test_an_export_with_a_list_that_does_not_exist_here_stops(run: Run, tmp_path: Path) -> None:
    run("add", "a@host.example", "--list", "advice", "--confirmed", "--source", "fair")
    run("export", str(tmp_path / "all.csv"))
    code, done = run("import", str(tmp_path / "all.csv"), env=install(tmp_path / "there"))

    assert code
    assert "there is no list 'advice'" in done["error"]
