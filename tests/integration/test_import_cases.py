"""Files of subscribers as people have them: nobody becomes active by silence, and nothing is lost without its name.

In tests/fixtures/cases/subscribers, the address says what is right: ok@ is active, left@ has unsubscribed, dead@ is
suppressed, and notyet@ has to confirm.
"""

import re
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest

from newsletter.actions.subscribers.import_subscribers import import_subscribers, read_lines
from newsletter.domain.errors import InputError
from newsletter.domain.subscribers.imported import ImportRequest, Report
from newsletter.mail.tokens import Signer
from newsletter.store.transactions import SqlStore
from tests.support.library import new_store

NOW = datetime(2026, 5, 5, 12, tzinfo=UTC)
SIGNER = Signer(["a-key-that-only-tests-have"])
CASES = Path(__file__).parents[1] / "fixtures/cases/subscribers"
CONFIRMED = ImportRequest(confirmed_source="moved from there")
DRY = replace(CONFIRMED, dry_run=True)
ACTIVE, LEFT, PENDING = "confirmed", "unsubscribed", "pending"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    opened = new_store(tmp_path)
    yield opened
    opened.close()


def take(store: SqlStore, source: Path | str | bytes, request: ImportRequest = CONFIRMED) -> Report:
    keys = count()
    if isinstance(source, bytes | str):
        path = Path(store.path).with_name("list.csv")
        path.write_bytes(source if isinstance(source, bytes) else source.encode())
        source = path
    lines = read_lines(source)
    return import_subscribers(store, SIGNER, lines, request, make_key=lambda: f"{next(keys):016}", now=NOW)


def found(store: SqlStore) -> dict[str, str]:
    with store.read() as tx:
        people = {one.address.partition("@")[0]: one.display_status for one in tx.subscribers.each()}
        suppressed = {one.address_key.partition("@")[0]: one.reason for one in tx.suppressions.each()}
    return people | {name: reason for name, reason in suppressed.items() if name not in people}


def names(store: SqlStore) -> dict[str, str]:
    with store.read() as tx:
        return {one.address.partition("@")[0]: one.name for one in tx.subscribers.each()}


@pytest.mark.parametrize("path", sorted(CASES.iterdir()), ids=lambda path: path.name)
def test_every_state_of_a_file_is_kept_and_the_dry_run_says_the_same(store: SqlStore, path: Path) -> None:
    right = {"ok": ACTIVE, "left": LEFT, "dead": "hard_bounce", "notyet": PENDING}
    dry, wet = take(store, path, DRY), take(store, path)
    assert dry == wet
    assert (wet.rejected, wet.skipped) == ([], [])
    people = found(store)
    assert people
    assert people == {name: right[name.rstrip("0123456789")] for name in people}
    text = path.read_bytes().replace(b"\0", b"").decode("ascii", "ignore")
    assert set(people) == set(re.findall(r"([a-z]+\d*)@tips", text)), "nobody is lost"


def test_one_bad_quote_costs_one_row(store: SqlStore) -> None:
    rows = [f"r{number}@tips.example.com,Reader {number}\n" for number in range(1, 11)]
    rows[2] = rows[2].replace(",", ',"')
    report = take(store, "email,name\n" + "".join(rows))
    assert (report.added, [(part.first, part.last) for part in report.skipped]) == (9, [(4, 4)])


@pytest.mark.parametrize(
    ("text", "added", "skipped"),
    [
        ('email,name\na@t.example.com,"A\nb@t.example.com,B\nc@t.example.com,C"\nd@t.example.com,D\n', 3, [(2, 2)]),
        ('email,name\na@t.example.com,"A\nb@t.example.com,"B"\nc@t.example.com,C\n', 2, [(2, 2)]),
        ('email,name\na@t.example.com,"x"y\nb@t.example.com,"y"z\nc@t.example.com,C\n', 1, [(2, 3)]),
        ('email,note\na@t.example.com,"two\nlines, all right"\nb@t.example.com,B\n', 2, []),
        ('email,note\na@t.example.com,"one\nrest of it"x\nb@t.example.com,B\n', 1, [(2, 3)]),
    ],
)
def test_reading_goes_on_at_the_next_line_that_is_a_row(
    store: SqlStore, text: str, added: int, skipped: list[tuple[int, int]]
) -> None:
    report = take(store, text)
    assert (report.added, [(part.first, part.last) for part in report.skipped]) == (added, skipped)


def test_bad_quotes_everywhere_take_linear_time(store: SqlStore) -> None:
    rows = "".join(f'r{number}@t.example.com,"""Reader\n' for number in range(20_000))
    began = time.process_time()
    report = take(store, f"email,name\n{rows}z@t.example.com,Z\n", DRY)
    assert report.added == 1
    assert time.process_time() - began < 20


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("email,Consent\na@t.example.com,perhaps\n", "'Consent'.*'perhaps'.*line 2"),
        ("email,Post\na@t.example.com,unsubscribed\n", "'Post'.*'unsubscribed'"),
        ('email,Tags\na@t.example.com,vip\nb@t.example.com,"vip, bounced"\n', "'Tags'.*'vip, bounced' .line 3"),
        ("a@t.example.com,A,unsubscribed\n", "'column 3'.*'unsubscribed'"),
        ("email,GDPR\na@t.example.com,art. 6\n", "--ignore-column GDPR"),
        ("email,Status\na@t.example.com,1\n", "'Status'.*'1'"),
        ("email,State\na@t.example.com,TX\nb@t.example.com,zombie\n", "'State'.*'zombie'"),
    ],
)
def test_a_column_of_states_that_is_not_understood_stops_the_import(store: SqlStore, text: str, why: str) -> None:
    with pytest.raises(InputError, match=why):
        take(store, text)
    assert found(store) == {}


def test_every_column_without_a_use_is_named(store: SqlStore) -> None:
    report = take(
        store, "email,State,Plan,MEMBER_RATING,active_subscription,E-mail 2\na@t.example.com,TX,free,3,false,\n"
    )
    assert report.unused_columns == ["Plan", "MEMBER_RATING", "active_subscription", "E-mail 2"]
    assert found(store) == {"a": ACTIVE}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("a@t.example.com;b@t.example.com,Ann,active", "two addresses"),
        ("a\ufffd@t.example.com,Ann,active", "U+FFFD"),
        ("a@t.example.com,Doe, John,active", "4 cells"),
        ("a@t.example.com", "before the column 'status'"),
        ("a\0b@t.example.com,Ann,active", "control character"),
        (",Ann,active", "no address"),
    ],
)
def test_a_row_that_cannot_be_used_is_rejected_by_name(store: SqlStore, row: str, reason: str) -> None:
    report = take(store, f"email,name,status\n{row}\nz@t.example.com,Z,active\n")
    assert [(bad.line, reason in bad.reason) for bad in report.rejected] == [(2, True)]
    assert found(store) == {"z": ACTIVE}


def test_a_huge_cell_costs_one_line(store: SqlStore) -> None:
    report = take(store, f"email,name\na@t.example.com,{'x' * 200_000}\nz@t.example.com,Z\n")
    assert ([(part.first, part.last) for part in report.skipped], found(store)) == ([(2, 2)], {"z": ACTIVE})


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"PK\x03\x04....xl/workbook.xml", r"an Excel workbook \(.xlsx\).*save it as CSV"),
        (b"PK\x03\x04mimetypeapplication/vnd.oasis.opendocument.spreadsheet", "LibreOffice spreadsheet"),
        (b"PK\x03\x04....Index/Document.iwa", "Numbers spreadsheet.*Export To"),
        (b"PK\x03\x04....list.csv", "ZIP archive.*Unpack"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1....", "old Excel workbook"),
        (b"%PDF-1.4", "PDF"),
        (b"<html><table>", "web page"),
        (b'[\n {"email": "a@t.example.com"}]', "a JSON file.*as CSV"),
        (b"dn: mail=a@t.example.com\nmail: a@t.example.com\n", "LDIF"),
        (b"From a@t.example.com Mon Jan  1 00:00:00 2024\nFrom: a@t.example.com\n", "a mailbox"),
        (b"From: a@t.example.com\nTo: b@t.example.com,\n c@t.example.com\nSubject: stop\n", "this is an email"),
        (b"-- dump\nINSERT INTO people VALUES ('a@t.example.com');", "a database dump"),
    ],
)
def test_another_kind_of_file_is_named_with_what_to_save_instead(store: SqlStore, content: bytes, kind: str) -> None:
    with pytest.raises(InputError, match=kind):
        take(store, content)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_an_encoding_and_a_separator_are_recognized(store: SqlStore, encoding: str, separator: str) -> None:
    text = "\r\nname,email\r\nZoë,a@t.example.com\r\n".replace(",", separator)
    assert take(store, text.encode(encoding)).added == 1
    assert names(store) == {"a": "Zoë"}


def test_names_in_the_address_cell_are_used(store: SqlStore) -> None:
    take(store, CASES / "display.csv")
    take(store, CASES / "one_line.csv")
    assert (names(store)["ok"], names(store)["ok3"]) == ("Ada Lovelace", "Bob, B.")


def test_without_a_proof_nothing_is_written_unless_everyone_is_proven_by_the_file(store: SqlStore) -> None:
    mailpoet = CASES / "mailpoet.csv"
    report = take(store, mailpoet, ImportRequest())
    assert (report.undecided, report.asked, found(store)) == (True, 1, {})
    assert take(store, mailpoet, ImportRequest(ask=True)).asked == 1
    assert found(store) == {"ok": ACTIVE, "left": LEFT, "dead": "hard_bounce", "notyet": PENDING}
    with store.read() as tx:
        ok = tx.subscribers.by_address("ok@tips.example.com")
        assert ok
        assert ok.confirmed_at == datetime(2021, 3, 2, 10, 5, tzinfo=UTC)
        assert ok.signup_at == datetime(2021, 3, 2, 10, 0, tzinfo=UTC)
        (entry,) = tx.subscribers.consents(ok.id)
    assert (entry.proof, entry.origin) == ("2021-03-02 10:05:00 UTC, Confirmation time in a file", "203.0.113.7")


def test_a_zero_time_is_no_proof(store: SqlStore) -> None:
    report = take(store, "email,confirm_time,unsub_time\na@t.example.com,0000-00-00 00:00:00,NULL\n", ImportRequest())
    assert (report.asked, report.undecided) == (1, True)
