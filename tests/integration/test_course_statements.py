"""The statements for a whole audience decide the same as the rules for one subscriber (`domain.calendar.course`)."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from newsletter.domain.calendar.course import Course, Step
from newsletter.store.courses import SqlCourses
from newsletter.store.sqlite.database import upgrade

SLOT = date(2026, 12, 1)
WEEK = timedelta(weeks=1)
TIPS = "abcdef"
PEOPLE = range(1, 5)
LOST = ("skipped", "rejected", "failed")
NOW = f"{SLOT} 13:00:00.000000"

LIFE = st.lists(
    st.tuples(
        st.sampled_from(PEOPLE), st.integers(1, 12), st.sampled_from(TIPS), st.sampled_from(["sent", "held", *LOST])
    ),
    max_size=24,
    unique_by=lambda one: (one[0], one[1]),
)


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A course of six tips with four subscribers, and twelve issues in the weeks before."""
    upgrade(tmp_path / "n.db")
    with closing(sqlite3.connect(tmp_path / "n.db", isolation_level=None)) as db:
        db.execute("INSERT INTO mailing_list (id, key, position, order_by) VALUES (2, 'start', 2, 'course')")
        for place, key in enumerate(TIPS, start=1):
            db.execute(
                "INSERT INTO tip (id, list_id, key, identity, title, body, takeaway, teaser, complete, state, position, source, source_line,"
                " season, series, part, rerun, months, fallback, shown_teaser, added_at, changed_at)"
                " VALUES (?, 2, ?, ?, ?, '', '', '', 1, 'sent', ?, '', 0, '', '', 0, '', '', 0, '', ?, ?)",
                (place, key, key, key, place, NOW, NOW),
            )
        for number in PEOPLE:
            db.execute(
                "INSERT INTO subscriber (id, key, address, address_key, name, new_address, new_address_key)"
                " VALUES (?, ?, ?, ?, '', '', '')",
                (number, f"k{number}", f"p{number}", f"p{number}"),
            )
            db.execute(
                "INSERT INTO subscription (list_id, subscriber_id, status, signup_at) VALUES (2, ?, 'confirmed', ?)",
                (number, NOW),
            )
        for week in range(1, 13):
            day = SLOT - week * WEEK
            db.execute(
                "INSERT INTO issue (id, list_id, slot, day, due_at, state, tip_id, tip_was, subject, secret, audience, reason,"
                " planned_at, started_at, done_at) VALUES (?, 2, ?, ?, ?, 'done', 1, '', '', x'', 0, '', ?, ?, ?)",
                (10_000_000 + 13 - week, day, day, *[f"{day} 13:00:00.000000"] * 4),
            )
        yield db


@given(
    LIFE,
    st.lists(st.sampled_from(["", *TIPS]), min_size=4, max_size=4),
    st.sets(st.sampled_from(TIPS)),
    st.integers(0, 1),
    st.integers(1, 12),
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_everybody_gets_the_tip_that_the_rules_say(
    db: sqlite3.Connection,
    life: list[tuple[int, int, str, str]],
    places: list[str],
    out: set[str],
    begins_again: int,
    rest: int,
) -> None:
    since = SLOT - rest * WEEK
    course = Course(tuple(Step(key, key not in out, since) for key in TIPS), since if begins_again else None)
    db.execute("BEGIN")
    for number, at in zip(PEOPLE, places, strict=True):
        db.execute(
            "UPDATE subscription SET last_tip_id = ? WHERE subscriber_id = ?",
            (TIPS.find(at) + 1 if at else None, number),
        )
    for number, week, tip, state in life:
        db.execute(
            "INSERT INTO delivery (issue_id, subscriber_id, state, attempts, crashes, tip_id) VALUES (?, ?, ?, 1, 0, ?)",
            (10_000_000 + 13 - week, number, state, TIPS.index(tip) + 1),
        )
    led_back = {number: _led_back(number, at, life) for number, at in zip(PEOPLE, places, strict=True)}
    db.execute(
        f"INSERT INTO issue (id, list_id, slot, quarter, day, due_at, state, tip_id, run, tip_was, subject, secret, audience, reason, planned_at, started_at, done_at) SELECT 10000013, 2, '{SLOT}', NULL, '{SLOT}', '{NOW}', 'preparing', 1, NULL, '', '', x'', 0, '', '{NOW}', NULL, NULL"
    )
    SqlCourses(db, 2).freeze(10_000_013, course, "", SLOT)
    found = dict(db.execute("SELECT subscriber_id, tip_id FROM delivery WHERE issue_id = 10000013").fetchall())
    db.execute("ROLLBACK")

    received = {number: _received(number, life) for number in PEOPLE}
    wanted = {number: course.next_tip(led_back[number], received[number]) for number in PEOPLE}
    assert {number: TIPS[tip - 1] for number, tip in found.items()} == {n: tip for n, tip in wanted.items() if tip}


def _received(number: int, life: list[tuple[int, int, str, str]]) -> dict[str, date]:
    mine = sorted(((week, tip) for who, week, tip, state in life if who == number and state not in LOST), reverse=True)
    return {tip: SLOT - week * WEEK for week, tip in mine}


def _led_back(number: int, at: str, life: list[tuple[int, int, str, str]]) -> str:
    """In front of the tip of the last issue, if that one did not arrive."""
    lost = next((tip for who, week, tip, state in life if who == number and week == 1 and state in LOST), None)
    whole = Course(tuple(map(Step, TIPS)))
    return whole.in_front_of(lost) if lost and whole.place(at) >= whole.place(lost) else at


def test_no_statement_of_a_freeze_reads_every_delivery_or_asks_for_each_subscriber(db: sqlite3.Connection) -> None:
    said: list[str] = []
    db.set_trace_callback(said.append)
    db.execute("UPDATE issue SET state = 'preparing', started_at = NULL, done_at = NULL WHERE id = 10000012")
    SqlCourses(db, 2).freeze(10_000_012, Course(tuple(map(Step, TIPS))), "", SLOT)
    db.set_trace_callback(None)
    plans = {sql: [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {sql}")] for sql in said if "delivery" in sql}

    assert len(said) < 50
    assert len(plans) == 3
    assert [
        step for steps in plans.values() for step in steps if re.match(r"SCAN (d|delivery|s|subscription)\b", step)
    ] == []
