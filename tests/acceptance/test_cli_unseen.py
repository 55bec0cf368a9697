"""`tips rerun` and `tips lint --links`, for people and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

from tests.conftest import Command

AS_OF = "2026-11-23T12:00"


def test_the_rule_for_re_runs_can_be_set_and_shown(newsletter: Command) -> None:
    key = "leave-your-number-first"
    document = json.loads(newsletter("tips", "rerun", key, "after 2 years", "--unseen", "--json").stdout)
    shown = newsletter("tips", "rerun", key, "--as-of", AS_OF)
    wrong = newsletter("tips", "rerun", key, "sometimes")

    assert document["rerun"] == "after 2 years, unseen"
    assert "after 2 years, unseen" in shown.stdout
    assert wrong.returncode == 1
    assert 'Write "never"' in wrong.stderr


def test_a_dry_run_for_the_unseen_changes_no_first_run(newsletter: Command) -> None:
    done = newsletter(
        "calendar", "--weeks", "4", "--with", "unseen leave-your-number-first", "--json", "--as-of", AS_OF
    )

    assert json.loads(done.stdout)["changes"] == [], "a first run goes to everyone"


def test_links_are_checked_only_with_the_option(newsletter: Command, tmp_path: Path) -> None:
    tip = tmp_path / "linked.md"
    tip.write_text("---\ntitle: Linked\n---\nOne.\n\nSee [this](http://127.0.0.1:9/x).\n", encoding="utf-8")
    newsletter("tips", "add", str(tip))
    without = json.loads(newsletter("tips", "lint", "linked", "--json").stdout)["tips"][0]["findings"]
    done = newsletter("tips", "lint", "linked", "--links", "--json")
    asked = [found for found in json.loads(done.stdout)["tips"][0]["findings"] if found["rule"] == "link"]

    assert "link" not in {found["rule"] for found in without}
    assert [(found["line"], found["excerpt"], found["level"]) for found in asked] == [
        (3, "http://127.0.0.1:9/x", "fault")
    ]
    assert "private network" in asked[0]["reason"]
    assert done.returncode == 1
