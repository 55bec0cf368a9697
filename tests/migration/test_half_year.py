"""The database of a version that knew one list, with half a year in it and an issue half sent: its year goes on."""

from __future__ import annotations

import json
import lzma
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from newsletter.daemon import Daemon
from newsletter.store.sqlite.database import HEAD, revision, sqlite_path
from tests.integration.test_year import FIRST, UNTIL, differences
from tests.support.publishing import open_app_harness
from tests.support.reckoned_library import List
from tests.support.reckoning import Event, reckon
from tests.support.slots import every_week
from tests.support.year import Arrival, Mailboxes, Year

HALF_YEAR = Path(__file__).parents[1] / "fixtures" / "half_year"
MIDDLE = datetime(2026, 6, 30, 8, 1)  # noqa: DTZ001 - a local time, a minute after the slot
LISTS = [
    List("tips", every_week(FIRST, UNTIL, [1]), tuple(f"tips-{n}" for n in range(30)), rest=timedelta(weeks=26)),
]


def unpacked(name: str) -> bytes:
    return lzma.decompress((HALF_YEAR / f"{name}.xz").read_bytes())


def event(values: dict[str, Any]) -> Event:
    read: dict[str, Any] = {**values, "lists": tuple(values.get("lists", ()))}
    read |= {name: datetime.fromisoformat(values[name]) for name in ("at", "until") if name in values}
    return Event(**read | ({"day": date.fromisoformat(values["day"])} if "day" in values else {}))


def arrival(at: str, address: str, subject: str, token: str) -> Arrival:
    return Arrival(datetime.fromisoformat(at).astimezone(UTC), address, "tips", subject, token)


def test_a_year_goes_on_in_the_middle_of_an_issue_and_links_in_old_emails_work(tmp_path: Path) -> None:
    (tmp_path / "newsletter.db").write_bytes(unpacked("database"))
    year = json.loads(unpacked("year.json"))
    events, old = [event(one) for one in year["events"]], [arrival(*one) for one in year["emails"]]
    assert revision(tmp_path / "newsletter.db") == "0017"
    with open_app_harness(tmp_path, rerun_after="26 weeks", rerun_to="everybody") as harness:
        assert revision(sqlite_path(harness.settings.database_url)) == HEAD
        mailboxes = harness.sender_override = Mailboxes(harness.clock, old)
        signed_up = {who: (at, [1]) for who, at in year["signed_up"].items()}
        with harness.store.sending("test", harness.clock()) as lock:
            going_on = Year(harness, LISTS, mailboxes, Daemon(harness, lock), year["keys"], signed_up)
            going_on.set_clock(MIDDLE)
            going_on.live()
            views = [harness.unsubscribe_links.view(one.token) for one in old]
            going_on.play([one for one in events if one.at > MIDDLE], UNTIL)
        found = going_on.emails()
        assert not harness.broken()

    assert differences(found, reckon(LISTS, events, UNTIL)) == []
    assert len(found) > 2 * len(old) > 1_000
    assert {str(view.verdict) for view in views} == {"do", "already"}
