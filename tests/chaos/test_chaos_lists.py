"""Some days of three lists under `kill -9`: everybody gets exactly what the rules predict, and few get it twice."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from newsletter.store.transactions import SqlStore
from tests.chaos.scene import CONNECTIONS, Scene
from tests.support.processes import wait_until
from tests.support.publishing import open_app_harness
from tests.support.reckoned_library import List
from tests.support.reckoning import Email, Event, reckon
from tests.support.slots import every_week
from tests.support.year import Mailboxes, Year

FIRST, UNTIL = date(2024, 3, 1), date(2024, 3, 20)
TUESDAYS, THURSDAYS = every_week(FIRST, UNTIL, [1]), every_week(date(2024, 3, 7), UNTIL, [3], weeks=2)
LISTS = [
    List("tips", TUESDAYS, ("tip-1", "tip-2", "tip-3")),
    List("advice", THURSDAYS, ("advice-1", "advice-2")),
    List("start", TUESDAYS, ("part-1", "part-2"), is_course=True, then="tips"),
]
SENT = "SELECT count(*) FROM delivery WHERE state = 'sent'"
NEW_YORK = ZoneInfo("America/New_York")
PEOPLE = 150
CHOICES = (("tips",), ("start",), ("advice", "start"))


def script() -> list[Event]:
    """Everybody joins before the first slot."""
    return [
        Event(datetime.combine(FIRST, time(12)), "is added", f"p{n}", lists=CHOICES[n % 3], address=f"p{n}@a.example")
        for n in range(PEOPLE)
    ]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database with the three lists, their tips, and their subscribers."""
    directory = tmp_path_factory.mktemp("lists")
    with open_app_harness(directory) as harness:
        year = Year(harness, LISTS, Mailboxes(harness.clock))
        year.set_clock(datetime.combine(FIRST, time(12)))
        year.set_up(advice="every 2 weeks thu 08:00 from 2024-03-07", start="tue 08:00")
        for event in script():
            year.happens(event)
    return directory / "newsletter.db"


def sent(store: SqlStore) -> Iterator[Email]:
    """What the database says that was sent."""
    with store.read() as tx:
        lists = tx.lists.each()
    for one in lists:
        with store.of_list(one.id).read() as tx:
            for issue in tx.issues.each():
                for row in tx.issues.deliveries(issue.number):
                    assert row.state == "sent", row
                    yield Email(row.address, one.key, issue.day, row.tip or "", issue.day)


def test_kill_9_of_the_daemon_on_days_with_several_lists_changes_nothing(tmp_path: Path, library: Path) -> None:
    chance, kills = random.Random(15), 0  # noqa: S311
    expected = reckon(LISTS, script(), UNTIL)
    with Scene(tmp_path / "scene", library, slow=0.01) as scene:
        for slot in sorted({*TUESDAYS, *THURSDAYS}):
            run = ("run", "--no-web", "--as-of", datetime.combine(slot, time(8), NEW_YORK).isoformat())
            for _kill in range(2 if slot.day == 12 else 1):  # the second part of the course
                with scene.start(*run) as daemon:
                    scene.wait_for_emails(chance.randint(5, 60), daemon)
                    kills += daemon.is_running
            with scene.start(*run):
                wait_for_sent(scene, sum(one.day <= slot for one in expected))
        found = Counter(sent(scene.store))
        accepted = [json.loads(line) for line in scene.log.read_text().splitlines()]

    assert kills >= 3
    assert found == Counter(expected)
    copies = Counter(one["recipient"] for one in accepted if one["recipient"].startswith("p"))
    assert {one.address for one in expected} == set(copies)
    assert len({one["message_id"] for one in accepted if one["recipient"] in copies}) == len(expected)
    assert copies.total() - len(expected) <= kills * CONNECTIONS


def wait_for_sent(scene: Scene, number: int) -> None:
    wait_until(lambda: scene.rows(SENT)[0][0] >= number, what=f"{number} emails")
