"""Tests of `newsletter tips …` with the installed command."""

import json
from pathlib import Path
from typing import Any

from tests.conftest import Command

TIP = """---
title: Write the name down
categories: [Conversations]
tags: [listening]
---
People hear their own name first. Write it down when they say it, and use it once before you say goodbye.
"""


def tips(command: Command) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(command("tips", "list", "--json").stdout)["tips"]
    return found


def test_an_import_reports_counts_and_a_second_one_changes_nothing(newsletter: Command, home: Path) -> None:
    (home / "name.md").write_text(TIP, encoding="utf-8")
    first = json.loads(newsletter("tips", "import", "name.md", "--json").stdout)
    assert (first["added"], first["updated"], first["unchanged"], first["rejected"]) == (1, 0, 0, [])
    assert first["tips"][0]["title"] == "Write the name down"
    second = json.loads(newsletter("tips", "import", "name.md", "--json").stdout)
    assert (second["added"], second["updated"], second["unchanged"]) == (0, 0, 1)


def test_a_dry_run_of_an_import_writes_nothing(newsletter: Command, home: Path) -> None:
    (home / "name.md").write_text(TIP, encoding="utf-8")
    before = tips(newsletter)
    assert json.loads(newsletter("tips", "import", "name.md", "--dry-run", "--json").stdout)["added"] == 1
    assert tips(newsletter) == before


def test_a_rejected_tip_is_reported_with_file_line_and_reason(newsletter: Command, home: Path) -> None:
    (home / "empty.md").write_text("---\ntitle: Nothing in it\n---\n", encoding="utf-8")
    (home / "whole.md").write_text("---\ntitle: A whole one\n---\nIt is imported.\n", encoding="utf-8")
    done = newsletter("tips", "import", "whole.md", "empty.md")
    assert done.returncode == 1
    assert "empty.md:" in done.stdout
    (rejected,) = json.loads(newsletter("tips", "import", "empty.md", "--json").stdout)["rejected"]
    assert rejected["source"].endswith("empty.md")
    assert rejected["reason"]


def test_a_missing_file_is_a_usage_error(newsletter: Command) -> None:
    assert newsletter("tips", "import", "none.md").returncode == 2


def test_tips_move_to_any_place_in_the_queue(newsletter: Command) -> None:
    first, second, third, *_ = (tip["key"] for tip in tips(newsletter))
    assert newsletter("tips", "move", third, "--first").returncode == 0
    assert [tip["key"] for tip in tips(newsletter)][:3] == [third, first, second]
    assert newsletter("tips", "move", third, "--before", second).returncode == 0
    assert [tip["key"] for tip in tips(newsletter)][:3] == [first, third, second]
    assert newsletter("tips", "move", first, "--last").returncode == 0
    assert tips(newsletter)[-1]["key"] == first
    assert newsletter("tips", "move", first, "--first", "--last").returncode == 2
    assert newsletter("tips", "move", first).returncode == 2


def test_many_tips_are_retired_and_brought_back(newsletter: Command, home: Path) -> None:
    (home / "name.md").write_text(TIP, encoding="utf-8")
    newsletter("tips", "add", "name.md")
    slots = json.loads(newsletter("calendar", "--weeks", "2", "--json").stdout)["slots"]
    assert slots[0]["title"] == "Write the name down"
    assert [slot["starter"] for slot in slots] == [False, True]
    assert "(starter tip)" in newsletter("calendar").stdout

    assert newsletter("tips", "retire", "--starter", "--yes").returncode == 0
    assert [tip["title"] for tip in tips(newsletter) if tip["state"] == "fresh"] == ["Write the name down"]
    two = [tip["key"] for tip in tips(newsletter) if tip["starter"]][:2]
    assert newsletter("tips", "unretire", *two).returncode == 0
    assert {tip["key"] for tip in tips(newsletter) if tip["state"] == "fresh"} == {*two, "write-the-name-down"}
    assert newsletter("tips", "retire", *two, "nonsense", "--yes").returncode == 1
    assert len([tip for tip in tips(newsletter) if tip["state"] == "fresh"]) == 3, "all or none"
    assert newsletter("tips", "retire", "--yes").returncode == 2


def test_a_retired_tip_is_not_in_the_queue_and_shows_why(newsletter: Command) -> None:
    key = tips(newsletter)[0]["key"]
    assert newsletter("tips", "retire", key).returncode == 2, "nobody can confirm without a terminal"
    assert newsletter("tips", "retire", key, "--yes").returncode == 0
    assert json.loads(newsletter("issues", "next", "--json").stdout)["tip"] != key
    assert "it is retired" in newsletter("tips", "show", key).stdout


def test_an_added_tip_is_at_the_end_of_the_queue(newsletter: Command, home: Path) -> None:
    (home / "name.md").write_text(TIP, encoding="utf-8")
    assert newsletter("tips", "add", "name.md").returncode == 0
    last = tips(newsletter)[-1]
    assert (last["title"], last["state"], last["tags"]) == ("Write the name down", "fresh", ["listening"])
    assert "use it once before you say goodbye" in newsletter("tips", "show", last["key"]).stdout


def test_keys_are_not_shortened_in_a_pipe(newsletter: Command) -> None:
    shown = newsletter("tips", "list").stdout
    assert all(tip["key"] in shown for tip in tips(newsletter))


def test_an_empty_library_shows_how_to_import_tips(run_cli: Command) -> None:
    run_cli("db", "upgrade")
    assert "newsletter tips import" in run_cli("tips", "list").stdout
    assert json.loads(run_cli("tips", "list", "--json").stdout) == {"tips": [], "list": "tips"}


def test_exported_files_import_as_unchanged_and_an_edit_updates_one_tip(newsletter: Command, home: Path) -> None:
    done = json.loads(newsletter("tips", "export", "library", "--json").stdout)
    number = len(tips(newsletter))
    assert (done["written"], done["unchanged"], len(done["files"])) == (number, 0, number)
    again = json.loads(newsletter("tips", "import", "library", "--json").stdout)
    assert (again["added"], again["updated"], again["unchanged"], again["rejected"]) == (0, 0, number, [])
    assert json.loads(newsletter("tips", "export", "library", "--json").stdout)["written"] == 0

    path = home / "library" / done["files"][0]
    path.write_text(path.read_text(encoding="utf-8").replace('title: "', 'title: "Now: '), encoding="utf-8")
    changed = json.loads(newsletter("tips", "import", "library", "--json").stdout)
    assert (changed["added"], changed["updated"], changed["unchanged"]) == (0, 1, number - 1)
    key = path.stem
    assert next(tip["title"] for tip in tips(newsletter) if tip["key"] == key).startswith("Now: ")


def editor(home: Path, script: str) -> dict[str, str]:
    """The environment for an editor that runs a sed script."""
    path = home / "editor.sh"
    path.write_text(f"#!/bin/sh\nsed -i '{script}' \"$1\"\n", encoding="utf-8")
    path.chmod(0o755)
    return {"EDITOR": str(path), "VISUAL": str(path)}


def test_a_tip_is_edited_in_the_editor_and_a_new_key_renames_it(newsletter: Command, home: Path) -> None:
    key = tips(newsletter)[0]["key"]
    env = editor(home, 's/^key: .*/key: "a-better-name"/; s/^title: .*/title: "A better name"/')
    done = json.loads(newsletter("tips", "edit", key, "--json", env=env).stdout)
    assert (done["updated"], done["rejected"]) == (1, [])
    assert [tip["key"] for tip in done["tips"]] == ["a-better-name"]
    shown = json.loads(newsletter("tips", "show", "a-better-name", "--json").stdout)
    assert (shown["title"], shown["useful"], shown["not_useful"]) == ("A better name", 0, 0)
    assert newsletter("tips", "show", key).returncode == 1


def test_a_new_key_alone_counts_as_an_update(newsletter: Command, home: Path) -> None:
    first = tips(newsletter)[0]
    env = editor(home, 's/^key: .*/key: "a-better-name"/')
    done = json.loads(newsletter("tips", "edit", first["key"], "--json", env=env).stdout)
    assert (done["added"], done["updated"], done["unchanged"]) == (0, 1, 0)
    shown = json.loads(newsletter("tips", "show", "a-better-name", "--json").stdout)
    assert shown["title"] == first["title"]


def test_an_invalid_edit_is_kept_in_a_file_and_changes_nothing(newsletter: Command, home: Path) -> None:
    key = tips(newsletter)[0]["key"]
    before = tips(newsletter)
    done = newsletter("tips", "edit", key, env=editor(home, "s/^title: .*//"))
    assert done.returncode == 1
    assert "the title is missing" in done.stderr
    assert "title" not in (home / f"{key}.rejected.md").read_text(encoding="utf-8").splitlines()[2]
    assert tips(newsletter) == before
