"""An export that is imported into a new library gives the same library, and no tip is sent twice by a file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from newsletter.actions.tips.export import Exported, export_tips
from newsletter.actions.tips.import_report import Report
from newsletter.actions.tips.import_tips import import_tips
from newsletter.domain.delivery.issue import IssueEvent
from newsletter.domain.errors import Refused
from newsletter.domain.tips.tip import TipRules, TipState, TipText, identity
from newsletter.importers import read
from newsletter.importers.export import to_markdown_file
from newsletter.store.media import MediaFolder
from newsletter.store.transactions import SqlStore
from tests.support.library import new_store

NOW = datetime(2026, 5, 5, 13, tzinfo=UTC)


@dataclass(frozen=True)
class Made:
    """A tip as a test makes it. runs: how often it was sent. pin: days from now."""

    title: str
    state: TipState
    runs: int
    pin: int
    published: bool
    complete: bool
    retired: bool
    votes: int
    former: bool
    edited: bool
    rules: TipRules


MADE = st.builds(
    Made,
    title=st.sampled_from(["Say the name", "Straße", "Thanks 🙏", "A: b", "'Quote'", "- dash"]),
    state=st.sampled_from([TipState.FRESH, TipState.ARCHIVE]),
    runs=st.integers(0, 3),
    pin=st.integers(-40, 40),
    published=st.booleans(),
    complete=st.booleans(),
    retired=st.booleans(),
    votes=st.integers(0, 3),
    former=st.booleans(),
    edited=st.booleans(),
    rules=st.sampled_from([TipRules(), TipRules(season="March 1"), TipRules(rerun="after 6 months, at most 3 runs", months="May")]),
)  # fmt: skip


def fill(store: SqlStore, made: list[Made]) -> None:
    slot = date(2024, 1, 2)
    for number, one in enumerate(made):
        title = f"{one.title} {number}"
        text = TipText(
            title, "Once." if one.complete else "", complete=one.complete, teaser="It began", rules=one.rules,
            published_on=date(2014, 8, 12) if one.published else None, categories=("Phone",), starter=one.former,
        )  # fmt: skip
        with store.write() as tx:
            card = tx.tips.add(text, identity(title, text.published_on), f"tip-{number}", one.state, NOW)
            if one.former:
                tx.tips.change_key(card.id, f"renamed-{number}")
            for voter in range(one.votes):
                tx.tips.vote(card.id, voter, useful=voter > 0)
            for _ in range(one.runs if one.complete else 0):
                slot += timedelta(days=7)
                issue = tx.issues.plan(slot, NOW, NOW)
                tx.issues.change(issue.number, IssueEvent.PREPARE, NOW)
                tx.issues.bind(issue.number, card.id)
                tx.issues.freeze(issue.number, "S", b"{}", NOW)
            if one.edited:
                tx.tips.rewrite(card.id, replace(tx.tips.by_id(card.id).text, takeaway="Mine"), NOW, edited=True)
            if one.retired:
                tx.tips.set_state(card.id, TipState.RETIRED)
            if one.pin % 4 == 0 and one.complete and (one.pin > 0 or not one.runs):  # a pin that is over is dropped
                tx.tips.pin(tx.tips.by_id(card.id).card.key, (NOW + timedelta(days=one.pin, hours=number)).date())
            if number % 2:
                tx.tips.move(tx.tips.by_id(card.id).card.key, first=True)


def export(store: SqlStore, folder: Path, *, dry_run: bool = False) -> Exported:
    return export_tips(store, MediaFolder(folder.parent / "stored"), folder, to_markdown_file, dry_run=dry_run)


def load(store: SqlStore, *paths: Path) -> Report:
    return import_tips(store, read(paths), queue=False, dry_run=False, now=NOW)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.md"))}


def rows(store: SqlStore) -> list[tuple[object, ...]]:
    with sqlite3.connect(store.path) as connection:
        found = connection.execute("SELECT * FROM tip ORDER BY id").fetchall()
    connection.close()
    return found


@cache
def empty_database() -> bytes:
    with TemporaryDirectory() as folder:
        new_store(Path(folder)).close()
        return Path(folder, "newsletter.db").read_bytes()


@contextmanager
def two_libraries() -> Iterator[tuple[SqlStore, SqlStore, Path]]:
    with TemporaryDirectory() as folder:
        for name in ("old.db", "new.db"):
            Path(folder, name).write_bytes(empty_database())
        old, new = SqlStore(Path(folder, "old.db")), SqlStore(Path(folder, "new.db"))
        yield old, new, Path(folder)
        old.close()
        new.close()


@settings(max_examples=6, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(st.lists(MADE, min_size=1, max_size=5), st.booleans())
def test_an_export_restores_states_order_pins_and_history(made: list[Made], has_starters: bool) -> None:  # noqa: FBT001
    with two_libraries() as (old, new, folder):
        fill(old, made)
        export(old, folder / "one")
        if has_starters and made:  # `newsletter init` has imported starter tips already
            first = min((folder / "one").glob("*.md"))
            text = next(iter(read([first])))
            assert isinstance(text, TipText)
            with new.write() as tx:
                tx.tips.add(text, identity(text.title, text.published_on), text.key, TipState.FRESH, NOW)
        report = load(new, folder / "one")
        export(new, folder / "two")

        assert not report.rejected
        wanted, found = contents(folder / "one"), contents(folder / "two")
        if not has_starters:
            assert found == wanted
        assert [
            line for text in found.values() for line in text.split(b"\n") if line.startswith((b"state", b"sent"))
        ] == [line for text in wanted.values() for line in text.split(b"\n") if line.startswith((b"state", b"sent"))]
        with old.read() as one, new.read() as other:
            assert [(plan.key, plan.state, plan.runs) for plan in other.calendar.plans()] == [
                (plan.key, plan.state, plan.runs) for plan in one.calendar.plans()
            ]
            assert other.tips.useful() == one.tips.useful()


@settings(max_examples=4, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(st.lists(MADE, min_size=1, max_size=5))
def test_an_export_that_is_imported_where_it_comes_from_changes_nothing(made: list[Made]) -> None:
    with two_libraries() as (store, _, folder):
        fill(store, made)
        export(store, folder / "one")
        before = rows(store)
        report = load(store, folder / "one")

        assert (report.added, report.updated, report.rejected, report.remarks) == (0, 0, (), ())
        assert rows(store) == before
        path = next((folder / "one").glob("*.md"))
        path.write_text(path.read_text().replace("\n---\n", "\npreview: new\n---\n", 1))
        again = load(store, folder / "one")

        assert (again.added, again.updated, again.rejected) == (0, 1, ())
        changed = [(old, new) for old, new in zip(before, rows(store), strict=True) if old != new]
        assert len(changed) == 1
        export(store, folder / "two")
        same = {name for name, text in contents(folder / "two").items() if text == contents(folder / "one")[name]}
        assert len(same) >= len(made) - 1


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    store = new_store(tmp_path)
    yield store
    store.close()


def state_of(store: SqlStore, key: str) -> TipState:
    with store.read() as tx:
        return tx.tips.get(key).card.state


def write(folder: Path, name: str, *lines: str) -> Path:
    path = folder / name
    path.write_text("\n".join(["---", f"title: Say {name}", *lines, "---", "Once.", ""]))
    return path


SENT = Made("Sent", TipState.FRESH, 1, 1, False, True, False, 0, False, False, TipRules())


@pytest.mark.parametrize(
    "lines", [["state: fresh"], ["state: archive"], ["order: 1", "state: fresh", "pin: 2026-05-05"]]
)
def test_no_file_puts_a_tip_that_was_sent_or_retired_back_into_the_queue(
    store: SqlStore, tmp_path: Path, lines: list[str]
) -> None:
    fill(store, [SENT, replace(SENT, runs=0, retired=True)])
    for key in ("tip-0", "tip-1"):
        report = load(store, write(tmp_path, f"{key}.md", f"key: {key}", *lines))
        assert report.rejected == ()
        assert any("the state was not changed" in remark.text for remark in report.remarks)
    with store.read() as tx:
        assert [plan.pin for plan in tx.calendar.plans()] == [None, None]

    assert (state_of(store, "tip-0"), state_of(store, "tip-1")) == (TipState.SENT, TipState.RETIRED)


def test_a_file_takes_a_tip_out_of_the_queue(store: SqlStore, tmp_path: Path) -> None:
    fill(store, [SENT, replace(SENT, runs=0), replace(SENT, runs=0)])
    load(store, write(tmp_path, "a.md", "key: tip-1", "state: retired"))
    load(store, write(tmp_path, "b.md", "key: tip-2", "state: sent", "sent: 2026-03-03"))

    assert (state_of(store, "tip-1"), state_of(store, "tip-2")) == (TipState.RETIRED, TipState.SENT)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["state: fresh", "sent: [2026-03-03]"], "is not fresh"),
        (["state: sent"], "needs the days"),
        (["state: sent", "sent: [2099-01-01]"], "in the future"),
        (["state: sent", "sent: [0001-01-01]"], "before 1970"),
        (["state: sent", "sent: yesterday"], "2026-03-03"),
        (["state: Sent", "sent: [2026-03-03]"], "none of fresh, sent, archive, retired"),
        (["state: [fresh]"], "none of"),
        (["order: -1"], "a number"),
        (["order: true"], "a number"),
        (["order: 1e400"], "a number"),
        (["retired_from: fresh"], "only a retired tip"),
        (["pin: 2026-12-22T10:00:00"], "valid date"),
        (["pin: 9999-12-31"], "valid date"),
        (["pin: 2026-12-22", "pin_at: 2026-12-22 10:00"], "with its zone"),
        (["pin_at: '2026-12-22T10:00:00+00:00'"], "needs the date"),
        (["former_keys: [../../etc]"], "list of keys"),
        (["useful: many"], "a number"),
        (["edited: maybe"], "true or false"),
        (["sent: {2026-03-03: 1}"], "valid date"),
    ],
)
def test_a_history_that_cannot_be_true_is_rejected_with_its_line(
    store: SqlStore, tmp_path: Path, lines: list[str], words: str
) -> None:
    report = load(store, write(tmp_path, "a.md", *lines))

    assert (report.added, len(report.rejected)) == (0, 1)
    assert words in report.rejected[0].reason
    assert report.rejected[0].line >= 2


def test_a_file_without_a_history_is_imported_as_before(store: SqlStore, tmp_path: Path) -> None:
    load(store, write(tmp_path, "a.md", "key: new-one"), write(tmp_path, "b.md", "key: old-one", "date: 2014-08-12"))

    assert (state_of(store, "new-one"), state_of(store, "old-one")) == (TipState.FRESH, TipState.ARCHIVE)


def test_an_older_file_of_a_renamed_tip_is_no_second_tip(store: SqlStore, tmp_path: Path) -> None:
    fill(store, [replace(SENT, former=True)])
    report = load(store, write(tmp_path, "tip-0.md", "key: tip-0"))

    assert report.added == 0
    assert "former key" in report.rejected[0].reason


@pytest.mark.parametrize(
    "pin", ["pin: 2026-05-05\npin_at: '2026-05-05T10:00:00+00:00'", "sent: 2026-03-03\npin: 2026-04-07"]
)
def test_a_pin_whose_time_is_over_sends_nothing(store: SqlStore, tmp_path: Path, pin: str) -> None:
    report = load(store, write(tmp_path, "a.md", "key: new-one", pin))

    with store.read() as tx:
        assert [(plan.pin, plan.pin_at) for plan in tx.calendar.plans()] == [(None, None)]
    assert "is over" in report.remarks[0].text


def test_two_files_cannot_be_pinned_to_one_date(store: SqlStore, tmp_path: Path) -> None:
    files = [
        write(tmp_path, f"{name}.md", f"key: {name}", "pin: 2026-12-22", f"date: 2014-08-{day}")
        for day, name in ((12, "a"), (13, "b"))
    ]
    report = load(store, *files)

    with store.read() as tx:
        assert [plan.pin for plan in tx.calendar.plans()] == [date(2026, 12, 22), None]
    assert "another tip is pinned to that date" in report.remarks[0].text


@pytest.mark.parametrize("name", ["tip-0.md", "media", ""])
def test_an_export_writes_through_no_link_and_nothing_at_all(store: SqlStore, tmp_path: Path, name: str) -> None:
    fill(store, [SENT, SENT])
    victim, folder = tmp_path / "victim", tmp_path / "export"
    victim.mkdir()
    (victim / "file").write_text("precious")
    if name:
        folder.mkdir()
    (folder / name if name else folder).symlink_to(victim / "file" if name == "tip-0.md" else victim)
    with pytest.raises(Refused, match="symbolic link"):
        export(store, folder)

    assert (victim / "file").read_text() == "precious"
    assert [path.name for path in victim.iterdir()] == ["file"]
    assert not (folder / "tip-1.md").exists()


def test_an_export_is_complete_or_not_there(store: SqlStore, tmp_path: Path) -> None:
    fill(store, [SENT, SENT, replace(SENT, runs=0)])
    folder = tmp_path / "export"
    export(store, folder)
    before = contents(folder)
    with store.write() as tx:
        tx.tips.set_state(1, TipState.RETIRED)
        tx.tips.set_state(3, TipState.RETIRED)
    (folder / "tip-2.md").unlink()
    (folder / "tip-2.md").mkdir()
    (folder / "tip-2.md" / "mine").write_text("x")
    with pytest.raises(OSError, match="directory"):
        export(store, folder)

    left = {path.name for path in folder.iterdir()}
    assert left == {"tip-0.md", "tip-1.md", "tip-2.md"}
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == {
        name: text for name, text in before.items() if name != "tip-2.md"
    }


def test_files_that_would_be_replaced_are_named_first(store: SqlStore, tmp_path: Path) -> None:
    fill(store, [SENT, SENT])
    folder = tmp_path / "export"
    export(store, folder)
    (folder / "tip-1.md").write_text("my own words")

    assert export(store, folder, dry_run=True).replaced == ("tip-1.md",)
    assert (folder / "tip-1.md").read_text() == "my own words"
