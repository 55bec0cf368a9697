"""Commands about issues and tips when there are two lists: whose number, whose tip, and what the advice says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from newsletter.cli import main
from newsletter.domain.lists import issue_id
from newsletter.store.transactions import SqlStore
from tests.conftest import Command
from tests.support.library import TUESDAY, add_tip

ADVICE, ISSUE = 2, 20_000_003


class Answer(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Answer]


@pytest.fixture
def run(newsletter: Command, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Commands in this process, for a newsletter with a second list, which has a tip and a planned issue 1."""
    monkeypatch.chdir(home)

    def run_here(*arguments: str) -> Answer:
        return Answer(main(arguments), *capsys.readouterr())

    assert run_here("lists", "add", "advice", "--title", "Business Advice", "--schedule", "thu 09:00").code == 0
    store = SqlStore(home / "data" / "newsletter.db")
    add_tip(store.of_list(ADVICE), "Hire slowly")
    with store.of_list(ADVICE).write() as tx:
        tx.issues.plan(None, TUESDAY, TUESDAY, day=TUESDAY.date())
    store.close()
    return run_here


def found(run: Run, *arguments: str) -> Any:
    answer = run(*arguments, "--json")
    assert answer.code == 0, answer.err
    return json.loads(answer.out)


def test_an_issue_is_named_by_its_number_in_a_list_or_by_its_id(run: Run) -> None:
    by_number = found(run, "issues", "status", "1", "--list", "advice")
    by_id = found(run, "issues", "status", str(issue_id(ADVICE, 1)))

    assert (by_number["issue"], by_number["list"]) == (1, "advice")
    assert by_id == by_number


REFUSALS = [
    (["issues", "status", "1"], "there is no issue 1. See: newsletter issues list\n"),
    (["issues", "status", "7", "--list", "advice"], "there is no issue 7 of advice. See: newsletter issues list --list advice"),
    (["issues", "status", str(ISSUE)], f"there is no issue {ISSUE}"),
    (["issues", "status", "10000001", "--list", "tips"], "issue 10000001 is in the list advice, not in tips. Pass --list advice"),
    (["issues", "pause", "1", "--list", "advice"], "issue 1 of advice is planned, so it is not being sent. See: newsletter issues list --list advice"),
    (["issues", "resume", "--list", "advice"], "See: newsletter issues list --list advice"),
    (["issues", "preview", "--tip", "hire-slowly", "--list", "tips"], "hire-slowly is in the list advice, not in tips"),
    (["suppressions", "add", "--issue", "1", "--list", "advice", "--yes"], "newsletter issues status 1 --list advice"),
    (["tips", "show", "hire-slowly", "--list", "tips"], "hire-slowly is in the list advice, not in tips"),
    (["tips", "retire", "hire-slowly", "--list", "tips", "--yes"], "hire-slowly is in the list advice, not in tips"),
    (["tips", "pin", "hire-slowly", "--on", "tue"], "issues go out every Thursday"),
    (["issues", "send", "--now", "--list", "advice"], "See: newsletter subscribers list --list advice"),
]  # fmt: skip


def test_every_refusal_and_its_advice_are_about_the_right_list(run: Run) -> None:
    for arguments, said in REFUSALS:
        result = run(*arguments)
        assert result.code in (1, 2), arguments
        assert said in result.err, arguments


def test_a_tip_is_found_in_whatever_list_it_is(run: Run) -> None:
    pinned = found(run, "tips", "pin", "Hire slowly", "--on", "December 30, 2027")

    assert (pinned["key"], pinned["list"], pinned["pinned_to"]) == ("hire-slowly", "advice", "2027-12-30")
    assert found(run, "tips", "show", "hire-slowly")["list"] == "advice"
    assert found(run, "tips", "why", "hire-slowly")["list"] == "advice"
    assert [tip["key"] for tip in found(run, "tips", "lint", "hire-slowly")["tips"]] == ["hire-slowly"]
    assert found(run, "tips", "retire", "hire-slowly", "--yes")["state"] == "retired"


def test_the_calendar_of_a_list_has_its_own_name_and_events_of_its_own(run: Run, home: Path) -> None:
    for key in ("tips", "advice"):
        run("calendar", "--weeks", "2", "--list", key, "--ics", f"{key}.ics")
    advice, tips = ((home / f"{key}.ics").read_text() for key in ("advice", "tips"))
    uids = [{line for line in text.splitlines() if line.startswith("UID")} for text in (advice, tips)]

    assert "X-WR-CALNAME:Business Advice" in advice
    assert uids[0]
    assert not uids[0] & uids[1]


def test_the_doctor_checks_each_list(run: Run) -> None:
    checks = json.loads(run("doctor", "--json").out)["checks"]

    of_advice = {one["id"]: one["message"] for one in checks if one["message"].startswith("advice: ")}
    assert of_advice["next_tip"] == "advice: the next tip is “Hire slowly”"
    assert of_advice["letter"] == "advice: the next issue can be composed"
    assert "runway" in of_advice


def test_a_plan_of_a_retired_list_says_that_nothing_of_it_is_sent(run: Run) -> None:
    add = ("lists", "add", "old", "--title", "Old", "--schedule", "fri 09:00")
    assert run(*add).code == 0
    assert run("calendar", "--list", "old").err == ""
    run("lists", "retire", "old")
    assert run("calendar", "--list", "old").err == "newsletter: the list old is retired: no issue of it is sent\n"
