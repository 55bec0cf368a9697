"""Courses in the database: the next tip of every subscriber in one statement, and the places, in the column `last_tip_id`.

`domain.calendar.course` has the rules. A course issue says in `delivery.tip_id` which tip each subscriber gets. In an issue
whose tip is pinned or seasonal, it is NULL for those who get that one, as in all other lists.

Places move when an audience is frozen. Where an email did not arrive after all, `settle` leads back, so nothing is skipped.
"""

# ruff: noqa: S608 - only constants and ids are joined here; values are parameters

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime
from functools import partial

from newsletter.domain.calendar.course import START, Course, Places
from newsletter.store.statements import REACHED
from newsletter.store.subscriptions import AUDIENCE, DELIVERABLE
from newsletter.store.times import to_text

BLOCK = 50_000  # subscriptions that are counted at a time: sorting all of them would take their memory

NEAR = 20  # tips before the end, from which on the freeze looks whether they have been received

# -- the course as tables of this connection ---------------------------------------------------------------

_TABLES = (
    "CREATE TEMP TABLE IF NOT EXISTS course_place (tip_id INTEGER PRIMARY KEY, place INTEGER NOT NULL)",
    "CREATE TEMP TABLE IF NOT EXISTS course_step (place INTEGER PRIMARY KEY, tip_id INTEGER NOT NULL, since TEXT NOT NULL)",
    "CREATE TEMP TABLE IF NOT EXISTS course_run (tip_id INTEGER, issue_id INTEGER, PRIMARY KEY (tip_id, issue_id))",
    "CREATE TEMP TABLE IF NOT EXISTS course_done (id INTEGER PRIMARY KEY)",
    *(f"DELETE FROM temp.course_{name}" for name in ("place", "step", "run", "done")),
)
# The order of domain.calendar.choose.
_FILL_PLACES = """INSERT INTO temp.course_place
    SELECT id, row_number() OVER (ORDER BY starter, position, key) FROM tip WHERE list_id = :list"""
_FILL_STEP = """INSERT INTO temp.course_step SELECT p.place, p.tip_id, :since
    FROM temp.course_place p JOIN tip t ON t.id = p.tip_id WHERE t.key = :key"""
# The issues whose own tip everybody got: since then within its rest, or ever.
_FILL_RUNS = """INSERT INTO temp.course_run SELECT c.tip_id, i.id FROM temp.course_step c JOIN issue i ON i.tip_id = c.tip_id
    WHERE (i.run IS NOT NULL OR i.quarter IS NOT NULL) AND i.started_at IS NOT NULL AND i.day > c.since"""
# Nobody stays in a course only to wait for a date: a tip that is pinned to a later one is for those who are in it then.
_IS_PART = """t.complete AND t.state <> 'retired' AND t.problem = '' AND t.season = '' AND (t.pin_on IS NULL OR t.pin_on <= :day)"""
_LAST_KEY = f"""SELECT key FROM tip t WHERE list_id = :list AND {_IS_PART}
    ORDER BY starter DESC, position DESC, key DESC LIMIT 1"""
_LAST_SENDABLE = f"""SELECT p.tip_id, p.place FROM temp.course_place p JOIN tip t ON t.id = p.tip_id
    WHERE {_IS_PART} ORDER BY p.place DESC LIMIT 1"""

# -- the next tip of each subscriber -----------------------------------------------------------------------

_PLACE = "coalesce((SELECT p.place FROM temp.course_place p WHERE p.tip_id = s.last_tip_id), 0)"


def _received(tip: str, since: str, *, runs: bool, welcomes: bool) -> str:
    """The condition that the person of subscription `s` got a tip since a day. tip, since: expressions in SQL."""
    ways = [
        f"""SELECT 1 FROM delivery d INDEXED BY delivery_by_tip WHERE d.tip_id = {tip} AND {REACHED}
            AND EXISTS (SELECT 1 FROM issue i WHERE i.id = d.issue_id AND i.day > {since})"""
    ]
    if runs:
        ways.append(f"""SELECT 1 FROM temp.course_run r JOIN delivery d ON d.issue_id = r.issue_id
            WHERE r.tip_id = {tip} AND d.tip_id IS NULL AND {REACHED}""")
    if welcomes:
        ways.append(f"SELECT 1 FROM welcome_tip w WHERE w.tip_id = {tip} AND w.subscriber_id = s.subscriber_id")
    return f"({' OR '.join(f'EXISTS ({way})' for way in ways)})"


def _first(place: str, received: str) -> str:
    return f"""(SELECT c.tip_id FROM temp.course_step c WHERE c.place > {place} AND NOT {received}
        ORDER BY c.place LIMIT 1)"""


_INSERT = """INSERT INTO delivery (issue_id, subscriber_id, state, attempts, crashes, tip_id, reason)
    SELECT :issue, id, 'pending', 0, 0, nullif(pick, :dated), NULL FROM ({picks}) WHERE pick IS NOT NULL"""
_IN_BLOCK = "s.subscriber_id > :after AND s.subscriber_id <= :until"
_BLOCK_END = f"""SELECT max(id) FROM (SELECT subscriber_id AS id FROM subscription
    WHERE list_id = :list AND subscriber_id > :after ORDER BY subscriber_id LIMIT {BLOCK})"""
# Whoever has received all tips behind their new place, or gets nothing, is at the end. Far from it, nobody looks ahead.
_MOVE = """UPDATE subscription AS s SET last_tip_id = coalesce((
        SELECT CASE WHEN g.place < :near OR EXISTS (SELECT 1 FROM temp.course_step c WHERE c.place > g.place AND NOT {received})
            THEN d.tip_id ELSE :last END
        FROM delivery d JOIN temp.course_place g ON g.tip_id = d.tip_id
        WHERE d.issue_id = :issue AND d.subscriber_id = s.subscriber_id), {otherwise})
    WHERE s.list_id = :list"""
_TO_THE_END = f"""CASE WHEN s.status = 'confirmed' AND NOT s.resting AND {_PLACE} < :end AND NOT EXISTS (
        SELECT 1 FROM subscriber p JOIN suppression x ON x.address_key = p.address_key WHERE p.id = s.subscriber_id)
    THEN :last ELSE s.last_tip_id END"""
_PUBLISH = "UPDATE tip SET state = 'sent', last_sent_on = ? WHERE id = ? AND state = 'fresh'"

# -- emails that did not arrive ------------------------------------------------------------------------------

# Of the newest issue, and of earlier ones that have ended only since it was frozen.
_ENDED = """i.list_id = :list AND i.slot IS NOT NULL AND i.state IN ('done', 'cancelled', 'missed')
    AND coalesce(i.done_at, i.due_at) >= coalesce((SELECT max(j.started_at) FROM issue j WHERE j.list_id = :list), '')"""
_SETTLE = f"""WITH lost AS (SELECT d.subscriber_id AS id, min(c.place) AS place
        FROM issue i JOIN delivery d ON d.issue_id = i.id JOIN temp.course_place c ON c.tip_id = d.tip_id
        WHERE {_ENDED} AND d.state IN ('skipped', 'rejected', 'failed') AND d.crashes = 0 GROUP BY d.subscriber_id)
    UPDATE subscription AS s SET last_tip_id = (SELECT p.tip_id FROM temp.course_place p WHERE p.place = lost.place - 1)
    FROM lost WHERE s.list_id = :list AND s.subscriber_id = lost.id AND {_PLACE} >= lost.place"""

# -- a tip that is moved -------------------------------------------------------------------------------------

_COURSE_OF = (
    """SELECT l.id FROM tip t JOIN mailing_list l ON l.id = t.list_id WHERE t.id = ? AND l.order_by = 'course'"""
)
_LEAD_BACK = """UPDATE subscription SET last_tip_id = (SELECT p.tip_id FROM temp.course_place p
        WHERE p.place = (SELECT o.place - 1 FROM temp.course_place o WHERE o.tip_id = :tip))
    WHERE list_id = :list AND last_tip_id = :tip"""

# -- the end -------------------------------------------------------------------------------------------------

_LEADING = """SELECT c.id, c.key, m.id FROM mailing_list c JOIN mailing_list m ON m.key = c.then_list
    WHERE (:list IS NULL OR m.id = :list) AND c.order_by = 'course' AND c.retired_at IS NULL AND m.retired_at IS NULL"""
_DONE = f"""INSERT INTO temp.course_done SELECT s.subscriber_id FROM subscription s
    WHERE s.list_id = :list AND s.status = 'confirmed' AND {_PLACE} >= :end AND NOT EXISTS (
        SELECT 1 FROM delivery d JOIN issue i ON i.id = d.issue_id WHERE d.subscriber_id = s.subscriber_id
        AND i.list_id = :list AND (i.day >= :day OR d.state IN ('pending', 'sending', 'deferred')))"""
_IS_DONE = "subscriber_id IN (SELECT id FROM temp.course_done)"
_LOG_MOVES = f"""INSERT INTO consent (subscriber_id, list_id, at, what, proof, origin)
    SELECT s.subscriber_id, :then, :now, 'move-list', :proof, '' FROM subscription s WHERE s.list_id = :list AND s.{_IS_DONE}
    AND NOT EXISTS (SELECT 1 FROM subscription o WHERE o.subscriber_id = s.subscriber_id AND o.list_id = :then
        AND o.status IN ('confirmed', 'paused', 'unsubscribed'))"""
# Who is in the other list already stays as they are there; above all, nobody who unsubscribed from it comes back.
_ADMIT = f"""UPDATE subscription SET status = 'confirmed', confirmed_at = coalesce(confirmed_at, :now)
    WHERE list_id = :then AND {_IS_DONE} AND status IN ('pending', 'expired')"""
_LEAVE = f"""DELETE FROM subscription WHERE list_id = :list AND {_IS_DONE} AND EXISTS (
    SELECT 1 FROM subscription o WHERE o.subscriber_id = subscription.subscriber_id AND o.list_id = :then)"""
_ENTER = f"UPDATE subscription SET list_id = :then, last_tip_id = NULL WHERE list_id = :list AND {_IS_DONE}"

# -- reading -------------------------------------------------------------------------------------------------

_BLOCK = f"""SELECT last_tip_id, count(*), max(id) FROM (SELECT s.last_tip_id, s.subscriber_id AS id
    FROM {AUDIENCE} WHERE {{who}} AND s.subscriber_id > :after ORDER BY s.subscriber_id LIMIT {BLOCK}) GROUP BY last_tip_id"""
_EVERYBODY = "s.list_id = :list AND s.status IN ('confirmed', 'paused')"


class SqlCourses:
    """Implements ports.courses.Courses in one transaction."""

    def __init__(self, db: sqlite3.Connection, list_id: int) -> None:
        self._db, self._list_id = db, list_id

    def places(self, *, everybody: bool = False) -> Places:
        """See ports.courses."""
        query = _BLOCK.format(who=_EVERYBODY if everybody else DELIVERABLE)
        counts, after, seen = Counter[int | None](), 0, BLOCK
        while seen == BLOCK:
            rows = self._db.execute(query, {"list": self._list_id, "after": after}).fetchall()
            counts.update({tip_id: number for tip_id, number, _last in rows})
            seen, after = sum(row[1] for row in rows), max((row[2] for row in rows), default=0)
        of_list = self._db.execute("SELECT id, key FROM tip WHERE list_id = ?", (self._list_id,))
        keys: dict[int | None, str] = dict(of_list.fetchall())
        found = Counter[str]()
        for tip_id, number in counts.items():
            found[keys.get(tip_id, START)] += number
        return found

    def shares(self, course: Course, dated: str = "") -> Mapping[str, int]:
        """See ports.courses."""
        picks = self._picks(course, dated)
        rows = self._db.execute(f"SELECT pick FROM ({picks}) WHERE pick IS NOT NULL", self._values())
        counts = Counter(pick for (pick,) in rows)
        keys = dict(self._db.execute("SELECT id, key FROM tip").fetchall())
        return {keys[pick]: number for pick, number in counts.items()}

    def freeze(self, issue: int, course: Course, dated: str, day: date) -> int:
        """Copy the audience into deliveries, and move the places; the size of the audience."""
        self.settle()
        insert = _INSERT.format(picks=self._picks(course, dated, _IN_BLOCK))
        values = {**self._values(), "issue": issue, "dated": self._id(dated)}
        # SQLite first keeps what it inserts into a table that it reads as well, so all at once would take much memory.
        frozen = sum(self._db.execute(insert, {**values, **block}).rowcount for block in self._blocks())
        last, end = self._end(day)
        received, otherwise = self._received()("c.tip_id", "c.since"), "s.last_tip_id" if dated else _TO_THE_END
        ends = {"last": last or None, "end": end, "near": self._near()}
        self._db.execute(_MOVE.format(received=received, otherwise=otherwise), {**values, **ends})
        return frozen

    def publish(self, tips: Iterable[int | None], day: date) -> None:
        """Mark the tips of an issue as sent, those that were not sent before."""
        self._db.executemany(_PUBLISH, [(day.isoformat(), tip_id) for tip_id in tips])

    def last_tip(self, day: date) -> str:
        """See ports.courses."""
        row = self._db.execute(_LAST_KEY, {**self._values(), "day": day.isoformat()}).fetchone()
        return str(row[0]) if row else ""

    def settle(self) -> int:
        """See ports.courses."""
        self._load(Course(()))
        return self._db.execute(_SETTLE, self._values()).rowcount

    def take_out(self, tip_id: int) -> None:
        """See ports.courses."""
        found = self._db.execute(_COURSE_OF, (tip_id,)).fetchone()
        if found:
            SqlCourses(self._db, found[0]).lead_back(tip_id)

    def take_in(self, before: date, now: datetime, *, everywhere: bool = False) -> int:
        """See ports.courses."""
        leading = self._db.execute(_LEADING, {"list": None if everywhere else self._list_id}).fetchall()
        return sum(SqlCourses(self._db, number).move_on(key, then, before, now) for number, key, then in leading)

    # -- steps -------------------------------------------------------------------------------------

    def lead_back(self, tip_id: int) -> None:
        """Lead everybody who is at this tip to the one in front of it."""
        self._load(Course(()))
        self._db.execute(_LEAD_BACK, {**self._values(), "tip": tip_id})

    def move_on(self, key: str, then: int, before: date, now: datetime) -> int:
        """Move those who have received the last tip of this course to another list; how many. key: of this course."""
        self.settle()
        values = {**self._values(), "then": then, "now": to_text(now), "proof": f"after the course {key}"}
        _last, end = self._end(now.date())
        done = self._db.execute(_DONE, {**values, "end": end, "day": before.isoformat()}).rowcount if end else 0
        for statement in (_LOG_MOVES, _ADMIT, _LEAVE, _ENTER) if done else ():
            self._db.execute(statement, values)
        return done

    def _values(self) -> dict[str, object]:
        return {"list": self._list_id}

    def _id(self, key: str) -> int:
        row = self._db.execute("SELECT id FROM tip WHERE key = ?", (key,)).fetchone()
        return int(row[0]) if row else 0

    def _end(self, day: date) -> tuple[int, int]:
        """The last tip that can be sent on this day or at any time, and its place; 0 without any."""
        row = self._db.execute(_LAST_SENDABLE, {"day": day.isoformat()}).fetchone()
        return (int(row[0]), int(row[1])) if row else (0, 0)

    def _load(self, course: Course) -> None:
        for statement in _TABLES:
            self._db.execute(statement)
        self._db.execute(_FILL_PLACES, self._values())
        self._db.executemany(_FILL_STEP, _rows(course))
        self._db.execute(_FILL_RUNS)

    def _near(self) -> int:
        """From this place on, the end is near."""
        row = self._db.execute(
            "SELECT place FROM temp.course_step ORDER BY place DESC LIMIT 1 OFFSET ?", (NEAR,)
        ).fetchone()
        return int(row[0]) if row else 0

    def _received(self) -> Callable[[str, str], str]:
        """As `_received`, for the tips that there are; after `_load`."""
        runs = self._db.execute("SELECT 1 FROM temp.course_run LIMIT 1").fetchone() is not None
        welcomes = self._db.execute("SELECT 1 FROM welcome_tip LIMIT 1").fetchone() is not None
        return partial(_received, runs=runs, welcomes=welcomes)

    def _blocks(self) -> Iterator[dict[str, int]]:
        """The ids of the subscribers of the list in ranges of BLOCK."""
        after = 0
        while until := self._db.execute(_BLOCK_END, {**self._values(), "after": after}).fetchone()[0]:
            yield {"after": after, "until": until}
            after = until

    def _picks(self, course: Course, dated: str, which: str = "TRUE") -> str:
        """A query for (id, pick) of everybody in the audience, by id. pick: the id of their tip, or NULL. which: a condition."""
        self._load(course)
        received = self._received()
        pick = _first(_PLACE, received("c.tip_id", "c.since"))
        if course.again_since:
            is_recent = received("s.last_tip_id", f"'{course.again_since.isoformat()}'")
            again = _first("0", received("c.tip_id", "c.since"))
            pick = f"coalesce({pick}, CASE WHEN NOT {is_recent} THEN {again} END)"
        if dated:
            since = next((step.since for step in course.steps if step.tip == dated), None)
            number, day = self._id(dated), (since or date.min).isoformat()
            pick = f"CASE WHEN NOT {received(str(number), f'{day!r}')} THEN {number} ELSE {pick} END"
        audience = f"FROM {AUDIENCE} WHERE {DELIVERABLE} AND {which} ORDER BY s.subscriber_id"
        return f"SELECT s.subscriber_id AS id, {pick} AS pick {audience}"


def _rows(course: Course) -> Iterator[dict[str, object]]:
    for step in course.steps:
        if step.is_sendable:
            yield {"key": step.tip, "since": (step.since or date.min).isoformat()}
