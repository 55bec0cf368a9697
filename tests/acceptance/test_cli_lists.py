"""`newsletter lists`, and `--list` on the other commands."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.conftest import Command

ADVICE = ["lists", "add", "advice", "--title", "Business Advice", "--schedule", "thu 09:00"]


def found(command: Command, *arguments: str) -> Any:
    result = command(*arguments, "--json")
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_a_new_newsletter_has_one_list_with_its_settings(newsletter: Command) -> None:
    (only,) = found(newsletter, "lists", "list")["lists"]

    assert (only["key"], only["schedule"], only["order"], only["then"]) == ("tips", "tue 08:00", "together", None)


def test_a_list_has_its_own_settings_and_inherits_the_others(newsletter: Command) -> None:
    newsletter(*ADVICE)
    shown = found(newsletter, "lists", "show", "advice")["list"]
    newsletter("lists", "edit", "advice", "--schedule", "")

    assert (shown["title"], shown["schedule"], shown["own"]) == (
        "Business Advice",
        "thu 09:00",
        {"title": "Business Advice", "schedule": "thu 09:00"},
    )
    assert found(newsletter, "lists", "show", "advice")["list"]["schedule"] == "tue 08:00"


def test_every_command_can_be_about_a_list(newsletter: Command) -> None:
    newsletter(*ADVICE)

    assert found(newsletter, "issues", "next", "--list", "advice")["list"] == "advice"
    assert found(newsletter, "tips", "list", "--list", "advice")["tips"] == []
    assert found(newsletter, "tips", "list")["list"] == "tips"
    assert {day["weekday"] for day in weekdays(newsletter)} == {"Thu"}


def weekdays(command: Command) -> list[dict[str, str]]:
    text = command("calendar", "--weeks", "3", "--list", "advice").stdout
    return [{"weekday": line[:3]} for line in text.splitlines() if line[:3] in ("Tue", "Thu")]


@pytest.mark.parametrize("command", [["tips", "list"], ["issues", "next"], ["calendar"], ["subscribers", "list"]])
def test_an_owner_of_one_list_never_reads_of_lists(newsletter: Command, command: list[str]) -> None:
    assert "--list" not in newsletter(*command, "--help").stdout


def test_the_first_list_is_set_in_env(newsletter: Command) -> None:
    result = newsletter("lists", "edit", "tips", "--schedule", "thu 08:00")

    assert (result.returncode, result.stderr.count("NEWSLETTER_SCHEDULE")) == (1, 1)


REFUSALS: list[tuple[list[str], str]] = [
    (["add", "advice", "--title", "Again"], "there is a list advice already"),
    (["add", "Business Advice", "--title", "A"], "cannot be the key of a list"),
    (["add", "news"], "a list needs a title"),
    (["add", "news", "--title", "N", "--schedule", "thursday nine"], "--schedule cannot be used"),
    (["add", "news", "--title", "N", "--timezone", "Mars"], "--timezone cannot be used"),
    (["add", "news", "--title", "N", "--then", "tips"], "only a course has an end"),
    (["add", "news", "--title", "N", "--order", "course", "--then", "nope"], "there is no list 'nope'"),
    (["edit", "tips", "--onboarding", "advice"], "advice is no course"),
    (["edit", "advice"], "nothing to change was given"),
    (["edit", "tips", "--private"], "so it is always public"),
    (["retire", "tips"], "cannot be retired"),
    (["show", "nope"], "there are: tips, advice"),
]


def test_the_form_for_other_sites_names_the_lists_that_it_offers(newsletter: Command) -> None:
    plain = newsletter("form").stdout
    newsletter(*ADVICE)
    newsletter("lists", "add", "board", "--title", "Board", "--private")
    both = ("--list", "tips", "--list", "advice")

    assert newsletter("form", "--list", "tips").stdout == newsletter("form").stdout == plain
    assert '<input name="list" type="hidden" value="advice">' in newsletter("form", "--list", "advice").stdout
    assert 'value="tips" checked> ' in newsletter("form", *both).stdout
    assert 'value="advice"> Business Advice' in newsletter("form", *both).stdout
    for kind, words in (
        ("link", 'href="https://tips.example/#signup"'),
        ("iframe", 'src="https://tips.example/signup/embed?list=tips&amp;list=advice"'),
        ("script", 'src="https://tips.example/signup.js?list=tips&amp;list=advice"'),
    ):
        assert words in newsletter("form", "--kind", kind, *both).stdout
    assert "/lists/advice#signup" in newsletter("form", "--kind", "link", "--list", "advice").stdout
    assert found(newsletter, "form", *both)["lists"] == ["tips", "advice"]
    assert "newsletter lists edit board --public" in newsletter("form", "--list", "board").stderr
    newsletter("lists", "add", "start", "--title", "First Steps", "--order", "course", "--then", "tips")
    newsletter("lists", "edit", "tips", "--onboarding", "start")
    assert "newsletter form --list tips" in newsletter("form", "--list", "start").stderr
    assert "only as the welcome series of tips" in newsletter("lists", "show", "start").stdout


def test_a_day_of_another_list_is_named(newsletter: Command) -> None:
    newsletter(*ADVICE)
    day = found(newsletter, "issues", "next", "--list", "advice")["slot"]
    refused = newsletter("calendar", "skip", day)

    assert refused.returncode == 2
    assert refused.stderr.endswith("or, as it is a day of the list advice, add --list advice\n")


def test_what_cannot_be_is_refused_and_changes_nothing(newsletter: Command) -> None:
    newsletter(*ADVICE)
    before = found(newsletter, "lists", "list", "--all")
    for arguments, said in REFUSALS:
        result = newsletter("lists", *arguments)
        assert result.returncode in (1, 2), arguments
        assert said in result.stderr

    assert found(newsletter, "lists", "list", "--all") == before


def test_courses_do_not_lead_around_in_a_circle(newsletter: Command) -> None:
    newsletter(*ADVICE)
    newsletter("lists", "edit", "advice", "--order", "course", "--then", "tips")
    result = newsletter("lists", "edit", "tips", "--order", "course", "--then", "advice")

    assert "circle: tips → advice → tips" in result.stderr


def test_a_list_is_retired_and_comes_back(newsletter: Command) -> None:
    newsletter(*ADVICE)
    newsletter("lists", "retire", "advice")

    assert [one["key"] for one in found(newsletter, "lists", "list")["lists"]] == ["tips"]
    assert [one["key"] for one in found(newsletter, "lists", "list", "--all")["lists"]] == ["tips", "advice"]

    newsletter("lists", "retire", "advice", "--undo")

    assert len(found(newsletter, "lists", "list")["lists"]) == 2
