"""`tips rerun` and `tips lint --links` as a person and a program get them."""

from __future__ import annotations

import json
from pathlib import Path

from tests.conftest import Command

AS_OF = "2026-11-23T12:00"


def test_a_tip_is_told_for_whom_it_runs_again(newsletter: Command) -> None:
    key = "leave-your-number-first"
    said = json.loads(newsletter("tips", "rerun", key, "after 2 years", "--unseen", "--json").stdout)
    told = newsletter("tips", "rerun", key, "--as-of", AS_OF)
    wrong = newsletter("tips", "rerun", key, "sometimes")

    assert said["rerun"] == "after 2 years, unseen"
    assert "after 2 years, unseen" in told.stdout
    assert wrong.returncode == 1
    assert 'Write "never"' in wrong.stderr


def test_what_if_a_tip_ran_for_the_unseen_only(newsletter: Command) -> None:
    done = newsletter(
        "calendar", "--weeks", "4", "--with", "unseen leave-your-number-first", "--json", "--as-of", AS_OF
    )

    assert json.loads(done.stdout)["changes"] == [], "a first run goes to everybody"


def test_links_are_asked_only_when_that_is_said(newsletter: Command, tmp_path: Path) -> None:
    tip = tmp_path / "linked.md"
    tip.write_text("---\ntitle: Linked\n---\nOne.\n\nSee [this](http://127.0.0.1:9/x).\n", encoding="utf-8")
    newsletter("tips", "add", str(tip))
    silent = json.loads(newsletter("tips", "lint", "linked", "--json").stdout)["tips"][0]["findings"]
    done = newsletter("tips", "lint", "linked", "--links", "--json")
    asked = [found for found in json.loads(done.stdout)["tips"][0]["findings"] if found["rule"] == "link"]

    assert "link" not in {found["rule"] for found in silent}
    assert [(found["line"], found["excerpt"], found["level"]) for found in asked] == [
        (3, "http://127.0.0.1:9/x", "fault")
    ]
    assert "private network" in asked[0]["reason"]
    assert done.returncode == 1
