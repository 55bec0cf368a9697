"""The naive reckoning on examples that can be checked with a calendar and a pencil.

In January 2026, the Tuesdays are 6, 13, 20, 27, and then February 3, 10, 17, and 24.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest

from tests.support.reckoned_library import List
from tests.support.reckoning import Email, Event, reckon
from tests.support.slots import every_month, every_week

FIRST, UNTIL = date(2026, 1, 1), date(2026, 3, 1)
TUESDAYS = every_week(FIRST, UNTIL, [1])
TIPS = List("tips", TUESDAYS, tuple("abcdefghij"))
COURSE = List("start", TUESDAYS, ("one", "two", "three"), is_course=True, then="tips")
WEEK = timedelta(weeks=1)


def at(day: int, hour: int = 12, month: int = 1) -> datetime:
    return datetime(2026, month, day, hour)  # noqa: DTZ001 - a local time


def join(who: str, when: datetime, *lists: str) -> Event:
    return Event(when, "is added", who, lists=lists or ("tips",), address=f"{who}@a.example")


def shown(emails: list[Email], address: str = "ada@a.example") -> str:
    """What somebody got, as in `6 a, 13 b`: the day and the tip. Another list than `tips` has a mark."""
    lists = {"tips": "", "start": "*", "advice": "+"}
    mine = [(one, "" if one.sent == one.day else f" on the {one.sent.day}") for one in emails if one.address == address]
    return ", ".join(f"{one.day.day} {one.tip}{lists[one.list]}{later}" for one, later in mine)


ADA = join("ada", at(1))
SIGN_UP = Event(at(2), "signs up", "ada", lists=("tips",), address="ada@a.example")


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param([ADA], "6 a, 13 b, 20 c, 27 d, 3 e, 10 f, 17 g, 24 h", id="every Tuesday, in order"),
        pytest.param([join("ada", at(13, 9))], "20 c, 27 d, 3 e, 10 f, 17 g, 24 h", id="an hour after an issue"),
        pytest.param([SIGN_UP], "", id="never confirmed"),
        pytest.param(
            [SIGN_UP, Event(at(30), "confirms", "ada")], "3 e, 10 f, 17 g, 24 h", id="confirmed after four weeks"
        ),
        pytest.param([SIGN_UP, Event(at(2, month=2), "confirms", "ada")], "", id="confirmed too late"),
        pytest.param(
            [ADA, Event(at(8), "pauses", "ada", "tips", until=at(27, 0))],
            "6 a, 27 d, 3 e, 10 f, 17 g, 24 h",
            id="pause",
        ),
        pytest.param(
            [ADA, Event(at(8), "pauses", "ada", "tips", until=at(27, 0)), Event(at(15), "resumes", "ada", "tips")],
            "6 a, 20 c, 27 d, 3 e, 10 f, 17 g, 24 h",
            id="resume",
        ),
        pytest.param([ADA, Event(at(8), "wants monthly", "ada", "tips")], "6 a, 3 e", id="once a month"),
        pytest.param(
            [ADA, Event(at(14), "wants monthly", "ada", "tips"), Event(at(22), "wants every issue", "ada", "tips")],
            "6 a, 13 b, 27 d, 3 e, 10 f, 17 g, 24 h",
            id="no longer once a month",
        ),
        pytest.param([ADA, Event(at(14), "unsubscribes", "ada", "tips")], "6 a, 13 b", id="unsubscribed"),
        pytest.param(
            [
                ADA,
                Event(at(14), "unsubscribes", "ada", "tips"),
                Event(at(1, month=2), "signs up", "ada", lists=("tips",)),
                Event(at(4, month=2), "confirms", "ada"),
            ],
            "6 a, 13 b, 10 f, 17 g, 24 h",
            id="back again",
        ),
        pytest.param([ADA, Event(at(14), "is erased", "ada")], "6 a, 13 b", id="erased"),
        pytest.param([ADA, Event(at(14), "moves", "ada", address="eve@a.example")], "6 a, 13 b", id="moved"),
    ],
)
def test_what_a_subscriber_of_one_list_gets(events: list[Event], expected: str) -> None:
    assert shown(reckon([TIPS], [join("bob", at(1)), *events], UNTIL)) == expected


def test_no_tip_is_spent_while_nobody_is_there() -> None:
    events = [join("ada", at(13, 9)), Event(at(21), "pauses", "ada", "tips", until=at(1, month=2))]

    assert shown(reckon([TIPS], events, UNTIL)) == "20 a, 3 b, 10 c, 17 d, 24 e"


def test_emails_go_to_the_address_of_the_day() -> None:
    emails = reckon([TIPS], [ADA, Event(at(14), "moves", "ada", address="eve@a.example")], UNTIL)

    assert shown(emails, "eve@a.example") == "20 c, 27 d, 3 e, 10 f, 17 g, 24 h"


SKIP_13 = Event(at(2), "skips", list="tips", day=date(2026, 1, 13))
PIN_J = Event(at(2), "pins", list="tips", tip="j", day=date(2026, 1, 13))


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param([SKIP_13], "6 a, 20 b, 27 c, 3 d, 10 e, 17 f, 24 g", id="skipped"),
        pytest.param([PIN_J], "6 a, 13 j, 20 b, 27 c, 3 d, 10 e, 17 f, 24 g", id="pinned"),
        pytest.param([PIN_J, SKIP_13], "6 a, 20 j, 27 b, 3 c, 10 d, 17 e, 24 f", id="the pin of a skipped slot"),
        pytest.param(
            [PIN_J, Event(at(3), "retires", list="tips", tip="j")],
            "6 a, 13 b, 20 c, 27 d, 3 e, 10 f, 17 g, 24 h",
            id="pinned and retired",
        ),
        pytest.param(
            [Event(at(2), "pins", list="tips", tip="b", day=date(2026, 1, 27))],
            "6 a, 13 c, 20 d, 27 b, 3 e, 10 f, 17 g, 24 h",
            id="a tip waits for its pin",
        ),
        pytest.param(
            [Event(at(8), "puts", list="tips", tip="j", before="b")],
            "6 a, 13 j, 20 b, 27 c, 3 d, 10 e, 17 f, 24 g",
            id="moved to the front",
        ),
        pytest.param(
            [Event(at(8), "adds", list="tips", tip="new"), Event(at(9), "puts", list="tips", tip="new", before="c")],
            "6 a, 13 b, 20 new, 27 c, 3 d, 10 e, 17 f, 24 g",
            id="inserted",
        ),
        pytest.param(
            [Event(at(8), "retires", list="tips", tip="c"), Event(at(22), "unretires", list="tips", tip="c")],
            "6 a, 13 b, 20 d, 27 c, 3 e, 10 f, 17 g, 24 h",
            id="retired for a while",
        ),
    ],
)
def test_what_the_owner_changes(events: list[Event], expected: str) -> None:
    assert shown(reckon([TIPS], [ADA, *events], UNTIL)) == expected


def test_a_tip_runs_again_after_its_rest_and_the_one_that_rested_longest_comes_first() -> None:
    few = List("tips", TUESDAYS, ("a", "b", "c"), rest=4 * WEEK)

    assert shown(reckon([few], [ADA], UNTIL)) == "6 a, 13 b, 20 c, 3 a, 10 b, 17 c"


# -- several lists -----------------------------------------------------------------------------------

ADVICE = List("advice", every_week(date(2026, 1, 8), UNTIL, [3], weeks=2), tuple("uvwxyz"))


def test_each_list_has_its_own_days_tips_and_states() -> None:
    events = [
        join("bob", at(1), "tips", "advice"),
        join("ada", at(1), "tips", "advice"),
        Event(at(14), "pauses", "ada", "tips", until=at(1, month=2)),
        Event(at(6, month=2), "unsubscribes", "ada", "advice"),
    ]
    emails = reckon([TIPS, ADVICE], events, UNTIL)

    assert shown(emails) == "6 a, 8 u+, 13 b, 22 v+, 3 e, 5 w+, 10 f, 17 g, 24 h"


def test_two_lists_on_one_day_are_two_emails_and_one_a_day_is_the_wish_for_the_next_day() -> None:
    both = [TIPS, List("advice", TUESDAYS, tuple("uvwxyz"))]
    events = [
        join("ada", at(1), "tips", "advice"),
        Event(at(8), "wants one a day", "ada"),
        Event(at(21), "wants all", "ada"),
        Event(at(28), "wants one a day", "ada"),
        Event(datetime(2026, 2, 4, 7), "unsubscribes", "ada", "advice"),  # noqa: DTZ001 - an hour before it
    ]
    emails = reckon(both, events, date(2026, 2, 6))

    assert shown(emails) == "6 a, 6 u+, 13 b, 13 v+ on the 14, 20 c, 20 w+ on the 21, 27 d, 27 x+, 3 e"


def test_a_part_that_waited_in_vain_comes_again() -> None:
    events = [
        join("ada", at(1), "tips", "start"),
        Event(at(8), "wants one a day", "ada"),
        Event(at(13), "pauses", "ada", "start", until=at(15)),
        Event(at(28), "unsubscribes", "ada", "tips"),
    ]
    emails = reckon([TIPS, COURSE], events, UNTIL)

    assert shown(emails) == "6 a, 6 one*, 13 b, 20 c, 20 two* on the 21, 27 d, 27 three* on the 28"


def test_everybody_begins_a_course_with_its_first_part_and_goes_on_to_the_next_list() -> None:
    events = [ADA, join("bob", at(8), "start"), join("cid", at(14), "start")]
    emails = reckon([COURSE, TIPS], events, UNTIL)

    assert shown(emails, "bob@a.example") == "13 one*, 20 two*, 27 three*, 3 e, 10 f, 17 g, 24 h"
    assert shown(emails, "cid@a.example") == "20 one*, 27 two*, 3 three*, 10 f, 17 g, 24 h"


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param(
            [Event(at(14), "pauses", "bob", "start", until=at(28))], "13 one*, 3 two*, 10 three*, 17 g", id="pause"
        ),
        pytest.param(
            [
                Event(at(14), "adds", list="start", tip="new"),
                Event(at(15), "puts", list="start", tip="new", before="one"),
            ],
            "13 one*, 20 two*, 27 three*, 3 e, 10 f, 17 g",
            id="inserted before what they had",
        ),
        pytest.param(
            [
                Event(at(14), "adds", list="start", tip="new"),
                Event(at(15), "puts", list="start", tip="new", before="two"),
            ],
            "13 one*, 20 new*, 27 two*, 3 three*, 10 f, 17 g",
            id="inserted behind what they had",
        ),
        pytest.param(
            [Event(at(14), "puts", list="start", tip="one", before="three")],
            "13 one*, 20 two*, 27 three*, 3 e, 10 f, 17 g",
            id="what they had was moved back: on with what followed it",
        ),
        pytest.param(
            [Event(at(21), "puts", list="start", tip="one")],
            "13 one*, 20 two*, 27 three*, 3 e, 10 f, 17 g",
            id="what they had was moved to the end",
        ),
        pytest.param(
            [Event(at(14), "retires", list="start", tip="two")], "13 one*, 20 three*, 27 d, 3 e", id="retired"
        ),
        pytest.param(
            [Event(at(14), "retires", list="start", tip="one")],
            "13 one*, 20 two*, 27 three*, 3 e",
            id="what they had was retired",
        ),
        pytest.param(
            [Event(at(14), "skips", list="start", day=date(2026, 1, 20))],
            "13 one*, 27 two*, 3 three*, 10 f",
            id="skipped",
        ),
        pytest.param(
            [
                Event(at(14), "unsubscribes", "bob", "start"),
                Event(at(21), "signs up", "bob", lists=("start",)),
                Event(at(22), "confirms", "bob"),
            ],
            "13 one*, 27 two*, 3 three*, 10 f",
            id="back again: on with the next part",
        ),
        pytest.param(
            [
                Event(at(30), "unsubscribes", "bob", "tips"),
                Event(at(1, month=2), "signs up", "bob", lists=("start", "tips")),
                Event(at(2, month=2), "confirms", "bob"),
            ],
            "13 one*, 20 two*, 27 three*, 3 e, 10 f, 17 g",
            id="back again after the last part",
        ),
        pytest.param(
            [Event(at(21), "retires", list="start", tip="three")], "13 one*, 20 two*, 27 d, 3 e", id="nothing is left"
        ),
        pytest.param(
            [Event(at(28), "adds", list="start", tip="four")],
            "13 one*, 20 two*, 27 three*, 3 e, 10 f, 17 g",
            id="added after the last part",
        ),
        pytest.param(
            [Event(at(21), "adds", list="start", tip="four")],
            "13 one*, 20 two*, 27 three*, 3 four*, 10 f, 17 g",
            id="added before the last part",
        ),
        pytest.param(
            [
                Event(at(9), "signs up", "bob", lists=("tips",)),
                Event(at(10), "confirms", "bob"),
                Event(at(22), "unsubscribes", "bob", "tips"),
            ],
            "13 one*, 13 b, 20 two*, 20 c, 27 three*",
            id="nobody comes back to a list that they have unsubscribed from",
        ),
    ],
)
def test_what_changes_a_course(events: list[Event], expected: str) -> None:
    emails = reckon([COURSE, TIPS], [ADA, join("bob", at(8), "start"), *events], UNTIL)

    assert shown(emails, "bob@a.example").startswith(expected)


def test_new_subscribers_of_a_list_with_a_welcome_series_get_that_first() -> None:
    tips = replace(TIPS, welcome="start")
    events = [
        join("bob", at(1)),
        SIGN_UP,
        Event(at(3), "confirms", "ada"),
        Event(at(29), "unsubscribes", "ada", "tips"),
        Event(at(5, month=2), "signs up", "ada", lists=("tips",)),
        Event(at(6, month=2), "confirms", "ada"),
    ]
    emails = reckon([tips, COURSE], events, UNTIL)

    assert shown(emails) == "6 one*, 13 two*, 20 three*, 27 d, 10 f, 17 g, 24 h"
    assert shown(emails, "bob@a.example").startswith("6 a, 13 b")


def test_the_link_in_an_email_of_a_course_ends_what_came_after_it() -> None:
    events = [ADA, join("bob", at(8), "start"), Event(at(4, month=2), "unsubscribes", "bob", "start")]

    assert shown(reckon([COURSE, TIPS], events, UNTIL), "bob@a.example") == "13 one*, 20 two*, 27 three*, 3 e"


def test_a_pinned_part_goes_to_everybody_and_the_course_goes_on_after_it() -> None:
    pin = Event(at(9), "pins", list="start", tip="three", day=date(2026, 1, 20))
    emails = reckon([COURSE, TIPS], [ADA, join("bob", at(8), "start"), join("cid", at(14), "start"), pin], UNTIL)

    assert shown(emails, "bob@a.example").startswith("13 one*, 20 three*, 27 two*, 3 e")
    assert shown(emails, "cid@a.example").startswith("20 three*, 27 one*, 3 two*, 10 f")


# -- days --------------------------------------------------------------------------------------------


def test_every_second_week_is_counted_in_whole_weeks_also_over_a_year_with_53_of_them() -> None:
    days = every_week(date(2026, 12, 10), date(2027, 1, 31), [1, 3], weeks=2)

    assert [day.strftime("%m-%d") for day in days] == ["12-10", "12-22", "12-24", "01-05", "01-07", "01-19", "01-21"]


def test_days_of_each_month() -> None:
    days = every_month(date(2026, 1, 1), date(2026, 4, 30), 1, 1)

    assert [day.strftime("%m-%d") for day in days] == ["01-06", "02-03", "03-03", "04-07"]
