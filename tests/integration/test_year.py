"""A year, played by the daemon with a moved clock: exactly the emails that a naive reckoning predicts.

`make years` plays more of them, each with other people and another owner.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from pathlib import Path

import pytest

from newsletter.daemon import Daemon
from tests.support.publishing import open_app_harness
from tests.support.reckoned_library import List
from tests.support.reckoning import Email, Event, reckon
from tests.support.script import Scriptwriter
from tests.support.slots import every_week
from tests.support.year import Mailboxes, Year

FIRST, ADVICE, UNTIL = date(2026, 1, 5), date(2026, 1, 8), date(2027, 1, 11)
REST = timedelta(weeks=26)
MORE = [pytest.param(seed, marks=pytest.mark.long) for seed in range(2, 12)]


def play(directory: Path, lists: Sequence[List], events: Iterable[Event], until: date, **schedules: str) -> list[Email]:
    """The emails of the product, from the day of the first event. schedules: of the lists beside the first one."""
    rest = lists[0].rest or timedelta()
    with open_app_harness(directory, rerun_after=f"{rest.days} days", rerun_to="everybody") as harness:
        mailboxes = harness.sender_override = Mailboxes(harness.clock)
        with harness.store.sending("test", harness.clock()) as lock:
            year = Year(harness, lists, mailboxes, Daemon(harness, lock))
            year.set_clock(min(event.at for event in events))
            year.set_up(**schedules)
            year.play(events, until)
        assert not harness.broken()
        return year.emails()


def differences(found: Iterable[Email], expected: Iterable[Email]) -> list[str]:
    """The emails that one has and the other has not, or has less often."""
    more, missing = Counter(found) - Counter(expected), Counter(expected) - Counter(found)
    lines = [(one, "is too many") for one in more.elements()] + [(one, "is missing") for one in missing.elements()]
    return [f"{one} {what}" for one, what in sorted(lines)]


@pytest.mark.long  # `tests/migration/test_half_year.py` plays a short one
@pytest.mark.parametrize("seed", range(2, 12))
def test_a_year_of_one_list_brings_exactly_the_emails_that_the_rules_predict(tmp_path: Path, seed: int) -> None:
    tips = tuple(f"tips-{number}" for number in range(30))
    lists = [List("tips", every_week(FIRST, UNTIL, [1]), tips, rest=REST)]
    writer = Scriptwriter(random.Random(seed), lists, FIRST, UNTIL)  # noqa: S311
    events = [*writer.people(500), *writer.owner()]
    expected = reckon(lists, events, UNTIL)

    assert differences(play(tmp_path, lists, events, UNTIL), expected) == []
    assert len(expected) > 5_000
    assert len({one.tip for one in expected}) > 30


THREE_LISTS = [
    List("tips", every_week(FIRST, UNTIL, [1]), tuple(f"tips-{number}" for number in range(30)), rest=REST),
    List(
        "advice", every_week(ADVICE, UNTIL, [3], weeks=2), tuple(f"advice-{number}" for number in range(20)), rest=REST
    ),
    List(
        "start",
        every_week(FIRST, UNTIL, [1]),
        tuple(f"start-{number}" for number in range(6)),
        is_course=True,
        then="tips",
        rest=REST,
    ),
]


@pytest.mark.parametrize("seed", [1, *MORE])
def test_a_year_of_three_lists_brings_exactly_the_emails_that_the_rules_predict(tmp_path: Path, seed: int) -> None:
    """Weekly tips, advice every second Thursday, and a course of six parts that leads into the tips."""
    writer = Scriptwriter(random.Random(seed), THREE_LISTS, FIRST, UNTIL, one_a_day=True)  # noqa: S311
    events = [*writer.people(500), *writer.owner()]
    expected = reckon(THREE_LISTS, events, UNTIL)
    found = play(
        tmp_path, THREE_LISTS, events, UNTIL, advice=f"every 2 weeks thu 08:00 from {ADVICE}", start="tue 08:00"
    )

    assert differences(found, expected) == []
    assert min(Counter(one.list for one in expected).values()) > 1_000


def test_once_a_month_counts_from_the_day_of_the_issue_even_if_its_email_waited_a_day(tmp_path: Path) -> None:
    events = [
        Event(datetime.combine(FIRST, time(12)), "is added", "ada", lists=("start", "tips"), address="ada@a.example"),
        Event(datetime.combine(FIRST, time(13)), "wants one a day", "ada"),
        Event(datetime.combine(FIRST, time(14)), "wants monthly", "ada", "start"),
    ]
    lists, until = [THREE_LISTS[0], THREE_LISTS[2]], FIRST + timedelta(weeks=9)
    found = play(tmp_path, lists, events, until, start="tue 08:00")

    assert differences(found, reckon(lists, events, until)) == []
    waited = [(str(one.day), str(one.sent)) for one in found if one.list == "start"]
    assert waited == [("2026-01-06", "2026-01-07"), ("2026-02-03", "2026-02-04"), ("2026-03-03", "2026-03-04")]


def test_a_year_with_a_welcome_series_brings_exactly_the_emails_that_the_rules_predict(tmp_path: Path) -> None:
    lists = [replace(THREE_LISTS[0], welcome="start"), THREE_LISTS[2]]
    until = FIRST + timedelta(weeks=20)
    writer = Scriptwriter(random.Random(1), lists, FIRST, until)  # noqa: S311
    events = [*writer.people(60), *writer.owner()]
    expected = reckon(lists, events, until)

    assert differences(play(tmp_path, lists, events, until, start="tue 08:00"), expected) == []
    assert len(expected) > 300
