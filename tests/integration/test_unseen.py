"""A tip that runs again for those who have not had it: who gets what, whose vote it is, and what the owner is told."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from newsletter.actions.tips import vote
from newsletter.domain.errors import InputError
from newsletter.domain.tips.tip import TipState, TipText, identity
from newsletter.ports.store import Rendered
from newsletter.rendering.emails import Letters
from newsletter.testing import MemorySender
from tests.support.library import SLOT, TUESDAY, add_reader, add_readers, add_tip
from tests.support.publishing import Newsroom, mails, open_newsroom, text_of

WEEK = timedelta(days=7)
OLD = ["reader1@a.example", "reader2@a.example"]
NEW = "new@a.example"


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Newsroom]:
    """Two readers who have had three tips; after a month each may run again, for those who have not had it."""
    with open_newsroom(tmp_path, MemorySender(), rerun_after="3 weeks", rerun_to="unseen") as room:
        add_readers(room.files, 2)
        for number in range(3):
            add_tip(room.files, f"Tip {number}")
            go(room, number)
        yield room


def go(room: Newsroom, week: int) -> int:
    """The issue of that week, sent; its number."""
    room.hand.now = TUESDAY + week * WEEK
    issue = room.publish_due()
    assert issue
    room.round(issue.number)
    return issue.number


def got(room: Newsroom, number: int) -> dict[str, str]:
    """What each reader's letter was about; the reason where there was none."""
    with room.store.read() as tx:
        return {row.address: row.reason or row.tip for row in tx.issues.deliveries(number)}


def archive_tip(room: Newsroom, title: str, ran_on: date) -> None:
    text = TipText(title, "Use it.", published_on=ran_on)
    with room.store.write() as tx:
        tx.tips.add(text, identity(title, ran_on), title.lower().replace(" ", "-"), TipState.ARCHIVE, TUESDAY)


def test_who_has_not_had_it_gets_it_and_who_has_had_all_is_skipped_by_name(room: Newsroom) -> None:
    add_reader(room.files, NEW)
    number = go(room, 3)

    assert got(room, number) == {NEW: "tip-0", OLD[0]: "had_it", OLD[1]: "had_it"}
    assert room.counts(number) == {"sent": 1, "skipped": 2}
    assert room.issue(number).skipped_for == {"had_it": 2}
    assert room.broken() == []


def test_the_others_get_the_most_useful_tip_they_have_not_had_in_a_letter_of_its_own(room: Newsroom) -> None:
    archive_tip(room, "Old and dull", SLOT - 90 * WEEK)
    archive_tip(room, "Old and loved", SLOT - 80 * WEEK)
    with room.store.write() as tx:
        tx.tips.vote(tx.tips.get("old-and-loved").card.id, 77, useful=True)
    with room.store.write() as tx:
        tx.tips.set_state(tx.tips.get("old-and-dull").card.id, TipState.RETIRED)
    add_reader(room.files, NEW)
    room.pin_tip("tip-0", SLOT + 3 * WEEK)
    memory = room.memory()
    number = go(room, 3)
    letters = {mail["To"]: mail for mail in mails(memory.letters)}

    assert got(room, number) == {NEW: "tip-0", OLD[0]: "old-and-loved", OLD[1]: "old-and-loved"}
    assert (letters[NEW]["Subject"], letters[OLD[0]]["Subject"]) == ("Tip 0", "Old and loved")
    assert "https://tips.example/tips/old-and-loved" in str(letters[OLD[0]]["Archived-At"])
    assert "/tips/old-and-loved" in text_of(letters[OLD[0]])
    assert len({mail["Message-ID"] for mail in letters.values()}) == 3
    assert room.issue(number).tips == {"tip-0": 1, "old-and-loved": 2}
    assert room.broken() == []


def test_a_vote_counts_for_the_tip_that_the_reader_got(room: Newsroom) -> None:
    archive_tip(room, "Old and loved", SLOT - 80 * WEEK)
    add_reader(room.files, NEW)
    room.pin_tip("tip-0", SLOT + 3 * WEEK)
    memory = room.memory()
    go(room, 3)
    for mail in mails(memory.letters):
        found = re.search(r"https://tips\.example/useful/(\S+)/yes", text_of(mail))
        assert found
        vote.vote(room.store, room.signer, found[1], useful=True)
    with room.store.read() as tx:
        assert tx.tips.useful() == {"tip-0": 1, "old-and-loved": 2}


def test_who_was_a_reader_when_it_ran_before_this_system_has_had_it(room: Newsroom) -> None:
    archive_tip(room, "Last winter", TUESDAY.date() + 2 * WEEK)
    room.pin_tip("last-winter", SLOT + 6 * WEEK)
    room.hand.now = TUESDAY + 5 * WEEK
    joined(room, OLD[1], "2024-04-09")

    assert got(room, go(room, 6)) == {OLD[0]: "had_it", OLD[1]: "last-winter"}


def test_a_stand_in_does_not_come_again_when_its_own_turn_comes_for_everybody(room: Newsroom) -> None:
    archive_tip(room, "For all", SLOT - 80 * WEEK)
    room.rerun_tip("for-all", "after 10 weeks", unseen=False)
    room.pin_tip("tip-0", SLOT + 3 * WEEK)
    first = go(room, 3)
    add_reader(room.files, NEW)
    soon = go(room, 4)
    with room.store.read() as tx:
        again = {tip.key: tip.runs for tip in tx.calendar.plans()}["for-all"]

    assert set(got(room, first).values()) == {"for-all"}
    assert room.issue(soon).tip_key == "for-all"
    assert got(room, soon) == {NEW: "for-all", OLD[0]: "had_it", OLD[1]: "had_it"}
    assert again == (SLOT - 80 * WEEK, SLOT + 4 * WEEK), "a stand-in is no run"


def test_what_was_said_before_is_what_then_goes(room: Newsroom) -> None:
    archive_tip(room, "Old {{ year }} tip", SLOT - 80 * WEEK)
    add_reader(room.files, NEW)
    room.pin_tip("tip-0", SLOT + 3 * WEEK)
    room.hand.now = TUESDAY + 3 * WEEK - timedelta(hours=20)
    room.owner_round()
    said, why = room.next_shares(), room.why_date(SLOT + 3 * WEEK)
    line = room.forecast(1)[0]
    memory = room.memory()
    room.flush_notices()
    preview = next(mail for mail in mails(memory.letters) if "preview" in text_of(mail).casefold())
    number = go(room, 3)
    room.owner_round()
    memory = room.memory()
    room.flush_notices()
    report = next(mail for mail in mails(memory.letters) if f"No. {number}" in str(mail["Subject"]))
    words = "It runs again, for 1 reader. Of those who have had it, 2 get “Old 2024 tip”."
    mailed = "It runs again, for readers who have not had it: 1. Those who have had it get “Old 2024 tip”: 2."

    assert said
    assert (said.words(), why.shares, line.unseen) == (words, said, True)
    assert mailed in " ".join(text_of(preview).split())
    assert "goes to one reader on" in " ".join(text_of(preview).split())
    assert mailed in " ".join(text_of(report).split())
    assert room.why_date(SLOT + 3 * WEEK).shares == said
    assert list(room.issue(number).tips.values()) == [1, 2]


def test_an_issue_for_everybody_has_one_letter_and_names_no_other(room: Newsroom) -> None:
    add_tip(room.files, "Fresh")
    assert room.next_shares() is None
    number = go(room, 3)

    assert set(got(room, number).values()) == {"fresh"}
    assert room.issue(number).tips == {}
    with room.store.read() as tx:
        assert tx.issues.others(number) == {}


def test_one_outside_the_calendar_goes_to_everybody(room: Newsroom) -> None:
    issue = room.send(extra_tip="tip-0")

    assert issue
    assert set(got(room, issue.number).values()) == {"tip-0"}


def joined(room: Newsroom, address: str, day: str) -> None:
    """Make somebody a reader of that day."""
    with room.files._database.writing() as access:
        access.db.execute(
            "UPDATE subscriber SET confirmed_at = ? WHERE address = ?", (f"{day} 12:00:00.000000", address)
        )


@dataclass
class Doorbell:
    """A renderer during whose first letter somebody comes who was a reader long ago."""

    letters: Letters
    room: Newsroom
    has_rung: bool = False

    def issue(self, *args: Any, **values: Any) -> Rendered:
        if not self.has_rung:
            self.has_rung = True
            add_reader(self.room.files, NEW)
            joined(self.room, NEW, "2000-01-01")
        return self.letters.issue(*args, **values)

    def notice(self, kind: str, values: Mapping[str, object]) -> Rendered:
        return self.letters.notice(kind, values)


def test_who_comes_while_the_letters_are_made_gets_one_too(room: Newsroom) -> None:
    archive_tip(room, "Old", SLOT - 80 * WEEK)
    archive_tip(room, "Ancient", SLOT - 900 * WEEK)
    room.pin_tip("old", SLOT + 3 * WEEK)
    for address in OLD:
        joined(room, address, "2020-01-01")
    letters = room.renderer
    assert isinstance(letters, Letters)
    room.press = replace(room.press, renderer=Doorbell(letters, room))
    number = go(room, 3)

    assert got(room, number) == {OLD[0]: "ancient", OLD[1]: "ancient", NEW: "tip-0"}


def test_a_tips_own_rule_is_written_and_read_back(room: Newsroom) -> None:
    assert room.rerun_tip("tip-1") == ""
    assert room.rerun_tip("tip-1", "after 2 years, at most 3 runs") == "after 2 years, at most 3 runs"
    assert room.rerun_tip("tip-1", unseen=False) == "after 2 years, at most 3 runs, everybody"
    assert room.rerun_tip("tip-1", "never") == "never"
    assert room.rerun_tip("tip-1", unseen=True) == "unseen"
    assert 'rerun: "unseen"' in room.tip_file("tip-1")
    with pytest.raises(InputError):
        room.rerun_tip("tip-1", "now and then")
