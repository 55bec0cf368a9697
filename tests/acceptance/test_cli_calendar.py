"""The calendar on the command line: the weeks ahead, reasons, dry runs, and overrides, for people and as JSON."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Command

MONDAY = "2026-11-23T12:00"


def document(command: Command, *words: str, code: int = 0) -> dict[str, Any]:
    done = command(*words, "--json", "--as-of", MONDAY)
    assert done.returncode == code, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def slots(command: Command, *words: str) -> dict[str, str | None]:
    return {slot["date"]: slot["tip"] for slot in document(command, "calendar", *words)["slots"]}


def test_a_year_of_the_starter_tips_has_a_tip_and_a_reason_for_each_tuesday(newsletter: Command) -> None:
    found = document(newsletter, "calendar")["slots"]

    assert len(found) == 52
    assert found[0]["date"] == "2026-11-24"
    assert all(slot["tip"] and slot["title"] and slot["reason"] for slot in found)
    assert len({slot["tip"] for slot in found}) == 52


def test_the_calendar_explains_itself(newsletter: Command) -> None:
    done = newsletter("calendar", "--weeks", "8", "--as-of", MONDAY)

    assert "seasonal: the Tuesday on or before December 25" in done.stdout
    assert re.search(r"Tue, December 1, 2026 .*next in the queue", done.stdout)
    assert "newsletter calendar skip DATE" in done.stdout


def test_a_dry_run_shows_the_change_and_changes_nothing(newsletter: Command) -> None:
    before = slots(newsletter, "--weeks", "8")
    found = document(newsletter, "calendar", "--weeks", "8", "--with", "skip 2026-12-29")
    shown = newsletter("calendar", "--weeks", "8", "--with", "skip 2026-12-29", "--as-of", MONDAY)

    changed = {change["date"]: (change["before"], change["after"]) for change in found["changes"]}
    assert changed["2026-12-29"] == (before["2026-12-29"], None)
    assert changed["2027-01-12"] == (before["2027-01-12"], before["2026-12-29"])
    assert "Nothing was changed" in shown.stdout
    assert slots(newsletter, "--weeks", "8") == before


def test_a_skip_and_a_pin_can_be_undone(newsletter: Command) -> None:
    before = slots(newsletter, "--weeks", "8")
    newsletter("calendar", "skip", "2026-12-29", "--reason", "between the years", "--as-of", MONDAY)
    document(newsletter, "tips", "pin", "leave-your-number-first", "--on", "2026-12-15")
    changed = document(newsletter, "calendar", "--weeks", "8")["slots"]
    document(newsletter, "calendar", "unskip", "2026-12-29")
    document(newsletter, "tips", "unpin", "leave-your-number-first")

    by_date = {slot["date"]: slot for slot in changed}
    assert by_date["2026-12-29"]["reason"] == "skipped: between the years"
    assert by_date["2026-12-15"]["tip"] == "leave-your-number-first"
    assert slots(newsletter, "--weeks", "8") == before


def test_why_answers_for_a_date_and_for_a_tip(newsletter: Command) -> None:
    date = document(newsletter, "tips", "why", "2026-12-22")
    tip = document(newsletter, "tips", "why", "wait-for-the-third-sentence", "--on", "2026-12-01")

    assert date["tip"] == "the-note-on-the-closed-door"
    assert date["reason"] == "seasonal: the Tuesday on or before December 25"
    assert tip["date"] == "2026-12-08"
    assert tip["why_not"] == "1 tip before it in the queue"


def test_an_issue_on_hold_waits_and_issues_send_says_so(newsletter: Command, home: Path) -> None:
    newsletter("subscribers", "add", "reader@readers.example", "--confirmed", "--source", "asked at the counter")
    document(newsletter, "calendar", "hold", "2026-11-24", "--reason", "a typo")
    held = newsletter("issues", "send", "--as-of", "2026-11-24T08:00")
    newsletter("calendar", "approve", "2026-11-24", "--as-of", "2026-11-24T08:05")
    sent = newsletter("issues", "send", "--as-of", "2026-11-24T08:10", "--json")

    assert "you put it on hold: a typo" in held.stdout
    assert json.loads(sent.stdout)["state"] == "done"


def test_runway_and_simulation_of_the_starter_tips_leave_no_week_empty(newsletter: Command) -> None:
    runway = document(newsletter, "calendar", "runway")
    played = document(newsletter, "calendar", "simulate", "--years", "10", "--readers", "50", "--churn", "20%")

    assert (runway["fresh_weeks"], runway["fresh_until"], runway["with_reruns"]) == (53, "2027-11-23", 520)
    assert played["empty"] == []
    assert played["longest_gap_days"] == 7


def test_a_calendar_program_gets_a_file_it_can_read(newsletter: Command, home: Path) -> None:
    newsletter("calendar", "--weeks", "4", "--ics", "tips.ics", "--as-of", MONDAY)
    text = (home / "tips.ics").read_bytes().decode()

    assert text.startswith("BEGIN:VCALENDAR\r\n")
    assert text.count("BEGIN:VEVENT") == 4
    assert "DTSTART;VALUE=DATE:20261124" in text


def test_lint_lists_places_reasons_and_fixes_and_fails_on_a_fault(newsletter: Command, home: Path) -> None:
    good = document(newsletter, "tips", "lint")
    tip = home / "tip.md"
    tip.write_text(f"---\ntitle: Recently\n---\n{'A word and one more. ' * 20}\n\nTODO: this past month was good.\n")
    newsletter("tips", "add", str(tip))
    bad = document(newsletter, "tips", "lint", "recently", code=1)
    shown = newsletter("tips", "lint", "recently")

    assert all(not tip["findings"] for tip in good["tips"])
    found = {(f["part"], f["line"], f["rule"]) for f in bad["tips"][0]["findings"]}
    assert {("body", 3, "placeholder"), ("body", 3, "relative-time")} <= found
    assert "it is a placeholder that was never filled in" in shown.stdout


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (
            ("calendar", "skip", "2026-12-30"),
            2,
            "December 30, 2026 is a Wednesday, but issues go out every Tuesday. Use December 29, 2026 or January 5, 2027",
        ),
        (("calendar", "skip", "soon"), 2, "'soon' is not a date. Write it as December 29, 12/29/2026, or 2026-12-29"),
        (("calendar", "skip", "2020-12-29"), 1, "December 29, 2020 has passed"),
        (("tips", "why", "none-such"), 1, "there is no tip 'none-such'"),
        (("calendar", "--with", "dance"), 2, "'dance' is not a change to the calendar"),
        (
            ("calendar", "simulate", "--churn", "a lot"),
            2,
            "'a lot' is not a percentage of subscribers. Write it as 20%",
        ),
    ],
)
def test_a_mistake_is_answered_in_one_line_with_the_fix(
    newsletter: Command, words: tuple[str, ...], code: int, said: str
) -> None:
    done = newsletter(*words, "--as-of", MONDAY)

    assert done.returncode == code
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_copied_database_says_so_and_is_adopted(newsletter: Command, home: Path) -> None:
    newsletter("subscribers", "add", "reader@readers.example", "--confirmed", "--source", "asked at the counter")
    newsletter("issues", "send", "--as-of", "2026-11-24T08:00")
    (home / "data/newsletter.db.identity").unlink()
    refused = newsletter("issues", "send", "--as-of", "2026-12-01T08:00")
    doctor = {check["id"]: check for check in json.loads(newsletter("doctor", "--json").stdout)["checks"]}
    adopted = newsletter("db", "adopt", "--yes")
    sent = newsletter("issues", "send", "--as-of", "2026-12-01T08:00", "--json")

    assert (refused.returncode, "newsletter db adopt" in refused.stderr) == (1, True)
    assert doctor["installation"]["level"] == "error"
    assert adopted.returncode == 0
    assert json.loads(sent.stdout)["state"] == "done"


def test_a_short_forecast_is_not_mistaken_for_a_short_library(newsletter: Command) -> None:
    day = ("--as-of", "2026-11-22T12:00")
    few, whole = newsletter("calendar", "--weeks", "4", *day), newsletter("calendar", "runway", *day)

    assert "Fresh tips are left" not in few.stdout
    assert "53 weeks" in whole.stdout
