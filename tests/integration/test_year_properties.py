"""At any time: reorder, insert, retire, pause, unsubscribe, rejoin. Nobody gets a tip twice, and nobody misses the next one.

Of the tips that the owner never touched, everybody gets one after the other. The same weeks are reckoned naively.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.test_year import differences, play
from tests.support.reckoned_library import List
from tests.support.reckoning import Email, Event, reckon
from tests.support.slots import DAY, every_week

FIRST, UNTIL = date(2026, 1, 5), date(2026, 2, 21)
TUESDAYS = every_week(FIRST, UNTIL, [1])
REST = timedelta(weeks=4)
LISTS = [
    List("tips", TUESDAYS, ("tip-1", "tip-2", "tip-3", "tip-4", "tip-5"), rest=REST),
    List("start", TUESDAYS, ("part-1", "part-2", "part-3", "part-4"), is_course=True, then="tips", rest=REST),
]
TIPS = {plan.key: plan.tips for plan in LISTS}
PEOPLE = ("ada", "bob")

Draft = tuple[int, int, str]
"""A day, a number that decides what happens, and to whom."""
drafts = st.lists(st.tuples(st.integers(1, 44), st.integers(0, 999), st.sampled_from(["owner", *PEOPLE])), max_size=14)


def script(found: Sequence[Draft]) -> list[Event]:
    """The events of some drafts, each at a minute of its own, after two people have joined."""
    events = [
        Event(at(0, number), "is added", who, lists=("start", "tips")[number : number + 1], address=f"{who}@a.example")
        for number, who in enumerate(PEOPLE)
    ]
    for minute, (day, choice, who) in enumerate(sorted(found), start=10):
        moment, key = at(day, minute), ("start", "tips")[choice % 2]
        events += owner(moment, choice // 2, key) if who == "owner" else person(moment, choice // 2, key, who)
    return events


def at(day: int, minute: int) -> datetime:
    return datetime.combine(FIRST + day * DAY, time(12)) + timedelta(minutes=minute)


def owner(moment: datetime, choice: int, key: str) -> Iterator[Event]:
    tips = TIPS[key]
    tip, other = tips[choice % len(tips)], tips[(choice // 7 + 1 + choice) % len(tips)]
    match choice % 5:
        case 0:
            yield Event(moment, "retires", list=key, tip=tip)
        case 1:
            yield Event(moment, "unretires", list=key, tip=tip)
        case 2:
            yield Event(moment, "adds", list=key, tip=f"{key}-{moment:%m%d%H%M}")
        case _:
            yield Event(moment, "puts", list=key, tip=tip, before=other if other != tip else "")


def person(moment: datetime, choice: int, key: str, who: str) -> Iterator[Event]:
    match choice % 6:
        case 0:
            yield Event(moment, "pauses", who, key, until=datetime.combine(moment.date() + 9 * DAY, time()))
        case 1:
            yield Event(moment, "resumes", who, key)
        case 2:
            yield Event(moment, "unsubscribes", who, key)
        case 3:
            yield Event(moment, "signs up", who, lists=(key,), address=f"{who}@a.example")
            yield Event(moment + timedelta(seconds=30), "confirms", who)
        case 4:
            yield Event(moment, "wants monthly", who, key)
        case _:
            yield Event(moment, "wants every issue", who, key)


def check(found: Iterable[Email], events: Iterable[Event]) -> None:
    """Nobody gets a tip twice within its rest; of the untouched tips of a list, nobody gets one before all in front of it."""
    touched = {event.tip for event in events} | {event.before for event in events}
    days, parts = defaultdict[tuple[str, str], list[date]](list), defaultdict[str, list[str]](list)
    issues = dict[date, str]()
    for email in sorted(found, key=lambda one: one.day):
        days[email.address, email.tip].append(email.day)
        if email.list == "start":
            parts[email.address].append(email.tip)
        else:
            issues[email.day] = email.tip
    for who, got in days.items():
        assert all(after - before >= REST for before, after in itertools.pairwise(got)), (who, got)
    for key, sequence in (*(("start", part) for part in parts.values()), ("tips", list(issues.values()))):
        untouched = [tip for tip in TIPS[key] if tip not in touched]
        once = list(dict.fromkeys(tip for tip in sequence if tip in untouched))
        assert once == untouched[: len(once)], sequence


@pytest.mark.parametrize("examples", [6, pytest.param(200, marks=pytest.mark.long)])
def test_nobody_gets_a_tip_twice_or_misses_the_next_one_whatever_happens(tmp_path: Path, examples: int) -> None:
    @settings(max_examples=examples, suppress_health_check=[HealthCheck.too_slow])
    @given(drafts)
    def played(found: list[Draft]) -> None:
        events = script(found)
        with TemporaryDirectory(dir=tmp_path) as directory:
            emails = play(Path(directory), LISTS, events, UNTIL, start="tue 08:00")
        assert differences(emails, reckon(LISTS, events, UNTIL)) == []
        check(emails, events)

    played()


@settings(max_examples=300)
@given(drafts)
def test_the_reckoning_keeps_these_rules(found: list[Draft]) -> None:
    check(reckon(LISTS, script(found), UNTIL), script(found))
