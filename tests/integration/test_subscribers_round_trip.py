"""An export that is imported elsewhere yields the same subscribers, even with names that look like formulas."""

import re
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.actions.subscribers.import_subscribers import import_subscribers
from newsletter.actions.subscribers.subscribe import clean_name
from newsletter.cli import main
from newsletter.domain.subscribers.address import parse_address
from newsletter.domain.subscribers.imported import ImportRequest, escape_formula, unescape_formula
from newsletter.domain.subscribers.subscriber import NewSubscriber, Subscriber
from newsletter.domain.subscribers.subscription import Frequency, Status
from newsletter.mail.tokens import Signer
from newsletter.ports.store import Store
from tests.support.library import new_store

NOW = datetime(2026, 5, 5, 12, tzinfo=UTC)
SIGNER = Signer(["a-key-that-only-tests-have"])
NASTY = st.text(st.sampled_from("=+-@＝＋－＠'\",;\t\r\n ab|äß😀\ufeff\u200b\xa0"), max_size=8)
LOCAL = st.text(st.sampled_from("=+-'ab"), min_size=1, max_size=4)
SUBSCRIBER = st.tuples(
    LOCAL, NASTY, st.sampled_from([Status.CONFIRMED, Status.PAUSED, Status.UNSUBSCRIBED]), st.sampled_from(Frequency)
)


@given(NASTY)
def test_an_escaped_cell_is_no_formula_and_can_be_read_back(cell: str) -> None:
    assert unescape_formula(escape_formula(cell)) == cell
    assert not re.match(r"[=+\-@\t\r]", escape_formula(cell))


@given(NASTY)
def test_no_part_of_a_cell_is_a_formula_wherever_a_spreadsheet_splits_the_line(cell: str) -> None:
    for part in re.split(r"[;\t\r\n|]", escape_formula(cell)):
        assert not re.match(r"[=+\-@＝＋－＠]", part.strip('\ufeff\u200b\xa0 "'))


@pytest.mark.usefixtures("capsys")
@settings(max_examples=15, deadline=None)
@given(st.lists(SUBSCRIBER, max_size=6, unique_by=lambda person: person[0]))
def test_an_export_imports_the_same_subscribers_elsewhere(people: list[tuple[str, str, Status, Frequency]]) -> None:
    with TemporaryDirectory() as there, TemporaryDirectory() as here:
        old, new = new_store(Path(there)), new_store(Path(here))
        fill(old, people)
        env, file = Path(there, ".env"), Path(there, "out.csv")
        env.write_text(
            f"NEWSLETTER_SECRET_KEY=a-key-that-only-tests-have\nNEWSLETTER_DATABASE_URL=sqlite:///{old.path}\n",
            encoding="utf-8",
        )
        assert main(["--env-file", str(env), "subscribers", "export", str(file)]) == 0
        keys = count(900)
        with file.open(encoding="utf-8-sig", newline="") as lines:
            report = import_subscribers(
                new,
                SIGNER,
                lines,
                ImportRequest(confirmed_source="moved"),
                make_key=lambda: f"{next(keys):016}",
                now=NOW,
            )
        assert report.rejected == []
        assert known(new) == known(old)
        old.close()
        new.close()


def fill(store: Store, people: list[tuple[str, str, Status, Frequency]]) -> None:
    with store.write() as tx:
        for number, (local, name, status, pace) in enumerate(people):
            at = NOW - timedelta(days=100 + number, microseconds=number)
            subscriber = tx.subscribers.add(
                NewSubscriber(
                    parse_address(f"{local}{number}@tips.example.com"), clean_name(name), f"{number:016}",
                    Status.CONFIRMED, "form", at, at + timedelta(hours=1),
                ),
                at,
            )  # fmt: skip
            until = NOW + timedelta(days=40) if status is Status.PAUSED else None
            tx.subscribers.set_status(subscriber.id, status, NOW - timedelta(days=3), paused_until=until)
            tx.subscribers.change(subscriber.id, pace=pace.value)


def known(store: Store) -> dict[str, tuple[object, ...]]:
    def of(subscriber: Subscriber) -> tuple[object, ...]:
        confirmed_at = subscriber.confirmed_at if subscriber.status is not Status.UNSUBSCRIBED else None
        return (
            subscriber.name, subscriber.status, subscriber.pace, subscriber.signup_at, confirmed_at, subscriber.left_at, subscriber.paused_until,
        )  # fmt: skip

    with store.read() as tx:
        return {subscriber.address: of(subscriber) for subscriber in tx.subscribers.each()}
