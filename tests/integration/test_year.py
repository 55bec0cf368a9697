"""A year, played by the daemon with a moved clock: exactly the emails that a naive reckoning predicts.

`make years` plays more of them, each with other people and another owner.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
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

FIRST, UNTIL = date(2026, 1, 5), date(2027, 1, 11)
MORE = [pytest.param(seed, marks=pytest.mark.long) for seed in range(2, 12)]


def play(directory: Path, lists: Sequence[List], events: Iterable[Event]) -> list[Email]:
    """The emails of the product."""
    with open_app_harness(directory, rerun_after="26 weeks", rerun_to="everybody") as harness:
        mailboxes = harness.sender_override = Mailboxes(harness.clock)
        with harness.store.sending("test", harness.clock()) as lock:
            year = Year(harness, mailboxes, Daemon(harness, lock), lists)
            year.set_up()
            year.play(events, datetime.combine(FIRST, time()), UNTIL)
        assert not harness.broken()
        return year.emails()


def differences(found: Iterable[Email], expected: Iterable[Email]) -> list[str]:
    """The emails that one has and the other has not, or has less often."""
    more, missing = Counter(found) - Counter(expected), Counter(expected) - Counter(found)
    lines = [(one, "is too many") for one in more.elements()] + [(one, "is missing") for one in missing.elements()]
    return [f"{one} {what}" for one, what in sorted(lines)]


@pytest.mark.parametrize("seed", [1, *MORE])
def test_a_year_of_one_list_brings_exactly_the_emails_that_the_rules_predict(tmp_path: Path, seed: int) -> None:
    tips = tuple(f"tips-{number}" for number in range(30))
    lists = [List("tips", every_week(FIRST, UNTIL, [1]), tips, rest=timedelta(weeks=26))]
    writer = Scriptwriter(random.Random(seed), lists, FIRST, UNTIL)  # noqa: S311
    events = [*writer.people(500), *writer.owner()]
    expected = reckon(lists, events, UNTIL)

    assert differences(play(tmp_path, lists, events), expected) == []
    assert len(expected) > 5_000
    assert len({one.tip for one in expected}) > 30
