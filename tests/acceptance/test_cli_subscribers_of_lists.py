"""The commands about subscribers when there are several lists, as an owner runs them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Command

ANNA = "anna@host.example"


@pytest.fixture
def lists(newsletter: Command) -> Command:
    """A newsletter with the lists tips and advice, and a subscriber of both."""
    done = newsletter("lists", "add", "advice", "--title", "Business Advice", "--schedule", "thu 09:00")
    assert done.returncode == 0, done.stderr
    assert add(newsletter, ANNA, "tips", "advice").endswith("was added. Lists: tips, advice.\n")
    return newsletter


def add(run: Command, address: str, *keys: str) -> str:
    options = [part for key in keys for part in ("--list", key)]
    done = run("subscribers", "add", address, *options, "--confirmed", "--source", "fair 2026")
    assert done.returncode == 0, done.stderr
    return done.stdout


def shown(run: Command, *more: str, address: str = ANNA) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run("subscribers", "show", address, "--json", *more).stdout)
    return found


def statuses(run: Command, address: str = ANNA) -> dict[str, str]:
    return {one["list"]: one["status"] for one in shown(run, address=address)["subscriptions"]}


def test_show_has_every_subscription(lists: Command) -> None:
    found = shown(lists)

    assert (found["list"], found["status"], found["subscriptions"][1]["frequency"]) == ("tips", "confirmed", "weekly")
    assert [(one["list"], one["proof"]) for one in found["consent"]] == [("tips", "fair 2026"), ("advice", "fair 2026")]
    text = lists("subscribers", "show", ANNA).stdout
    assert "tips" in text
    assert "advice" in text


def test_whoever_gets_another_list_only_is_shown_with_it(lists: Command) -> None:
    add(lists, "ben@host.example", "advice")

    assert (shown(lists, address="ben@host.example")["list"]) == "advice"
    assert shown(lists, "--list", "tips", address="ben@host.example")["status"] == "none"
    found = [
        [one["address"] for one in json.loads(lists("subscribers", "list", "--json", *more).stdout)["subscribers"]]
        for more in ((), ("--list", "advice"))
    ]
    assert found == [[ANNA], [ANNA, "ben@host.example"]]


def test_unsubscribe_ends_every_list_and_names_them(lists: Command) -> None:
    assert lists("subscribers", "unsubscribe", ANNA).stdout == (
        f"{ANNA} is unsubscribed (tips, advice) and gets no more emails.\n"
    )
    assert statuses(lists) == {"tips": "unsubscribed", "advice": "unsubscribed"}


def test_unsubscribe_with_a_list_ends_just_that(lists: Command) -> None:
    done = lists("subscribers", "unsubscribe", ANNA, "--list", "advice")

    assert done.stdout == f"{ANNA} is unsubscribed (advice) and still gets: tips.\n"
    assert statuses(lists) == {"tips": "confirmed", "advice": "unsubscribed"}


def test_pause_is_about_every_list_unless_one_is_named(lists: Command) -> None:
    lists("subscribers", "pause", ANNA, "--weeks", "2", "--list", "advice")
    assert statuses(lists) == {"tips": "confirmed", "advice": "paused"}
    assert "(tips, advice)" in lists("subscribers", "pause", ANNA, "--weeks", "3").stdout
    assert statuses(lists) == {"tips": "paused", "advice": "paused"}


def test_one_email_asks_to_confirm_all_lists(lists: Command, home: Path) -> None:
    lists("subscribers", "add", "new@host.example", "--list", "advice", "--list", "tips")

    (file,) = (home / "mail" / "new").iterdir()
    assert b"Subject: Please confirm: Tip of the Week and Business Advice" in file.read_bytes()
    assert statuses(lists, "new@host.example") == {"tips": "pending", "advice": "pending"}


def test_nobody_is_added_to_a_list_that_is_retired_or_unknown(lists: Command) -> None:
    lists("lists", "retire", "advice")
    for key, said in (("advice", "the list advice is retired"), ("news", "there is no list 'news'")):
        done = lists("subscribers", "add", "new@host.example", "--list", key)
        assert done.returncode != 0
        assert said in done.stderr


def test_with_one_list_nothing_speaks_of_lists(newsletter: Command) -> None:
    newsletter("subscribers", "add", ANNA, "--confirmed", "--source", "fair 2026")

    for verb in (("show",), ("pause", "--weeks", "2"), ("unsubscribe",)):
        assert "list" not in newsletter("subscribers", verb[0], ANNA, *verb[1:]).stdout
