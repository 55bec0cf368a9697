import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count, islice
from pathlib import Path

import pytest

from newsletter.actions.subscribers.import_subscribers import import_subscribers, read_lines
from newsletter.domain.errors import InputError, UsageError
from newsletter.domain.subscribers.imported import ImportRequest, RejectedRow, Report
from newsletter.domain.subscribers.subscription import Status
from newsletter.mail.tokens import Signer
from newsletter.ports.store import Store
from newsletter.store.import_subscribers import SLICE
from newsletter.store.sqlite.database import upgrade
from newsletter.store.transactions import open_store

NOW = datetime(2026, 5, 5, 12, tzinfo=UTC)
SIGNER = Signer(["a-key-that-only-tests-have"])
PROOF = "paper list, 3 May 2026"
CONFIRMED = ImportRequest(confirmed_source=PROOF)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    upgrade(tmp_path / "newsletter.db")
    opened = open_store(f"sqlite:///{tmp_path}/newsletter.db")
    yield opened
    opened.close()


def take(
    store: Store,
    text: str,
    proof: str | None = PROOF,
    *,
    now: datetime = NOW,
    dry_run: bool = False,
    first_key: int = 0,
) -> Report:
    keys = count(first_key)
    return import_subscribers(
        store,
        SIGNER,
        text.splitlines(keepends=True),
        ImportRequest(confirmed_source=proof, ask=proof is None, dry_run=dry_run),
        make_key=lambda: f"{next(keys):016}",
        now=now,
    )


def subscribers_of(store: Store) -> dict[str, tuple[str, str]]:
    with store.read() as tx:
        return {
            subscriber.address: (subscriber.name, subscriber.display_status) for subscriber in tx.subscribers.each()
        }


@pytest.mark.parametrize(
    "text",
    [
        "email,name\nanna@tips.example.com,Anna B\n",
        "\ufeffName;E-Mail\nAnna B;anna@tips.example.com\n",
        "Email Address\tFirst Name\tLast Name\tMember Rating\r\nanna@tips.example.com\tAnna\tB\t5\r\n",
        'id,ADDRESS,full_name\n1,"anna@tips.example.com","Anna B"\n\n',
    ],
)
def test_common_header_rows_and_separators_are_understood(store: Store, text: str) -> None:
    assert take(store, text).added == 1
    assert subscribers_of(store) == {"anna@tips.example.com": ("Anna B", "confirmed")}


def test_a_plain_list_of_addresses_needs_no_header_row(store: Store) -> None:
    assert take(store, "anna@tips.example.com\nberta@tips.example.com\n").added == 2


def test_an_email_column_is_preferred_to_a_postal_address(store: Store) -> None:
    assert take(store, "address,email\n1 Market Street,anna@tips.example.com\n").added == 1


@pytest.mark.parametrize("text", ["", "name,town\nAnna,Springfield\n"])
def test_a_file_without_addresses_is_refused(store: Store, text: str) -> None:
    with pytest.raises(InputError, match="email"):
        take(store, text)


def test_bad_rows_are_reported_and_the_others_imported(store: Store) -> None:
    text = 'email,name\nnobody,No\n\n"two\nlines",x\nanna@tips.example.com,Anna\n,Empty\n"b@tips.example.com"x,Quote\n'
    report = take(store, text)
    assert report.added == 1
    assert [(row.line, row.address) for row in report.rejected] == [(2, "nobody"), (4, "two\nlines"), (7, "")]
    assert all("Enter it as" in row.reason or "Add one" in row.reason for row in report.rejected)
    assert [(part.first, part.last) for part in report.skipped] == [(8, 8)]
    assert "quotation mark" in report.skipped[0].reason


def test_an_unclosed_quote_is_reported_with_its_line(store: Store) -> None:
    report = take(
        store, 'email,name\nanna@tips.example.com,Anna\n"berta@tips.example.com,Berta\nc@tips.example.com,C\n'
    )
    assert (report.added, report.rejected) == (2, [])
    assert [(part.first, part.last) for part in report.skipped] == [(3, 3)]


def test_a_repeated_address_is_counted_once(store: Store) -> None:
    text = "email\nanna@tips.example.com\nANNA@tips.example.com\nanna@tips.example.com\n"
    dry, wet = take(store, text, dry_run=True), take(store, text)
    for report in (dry, wet):
        assert (report.added, report.repeated, report.unchanged) == (1, 2, 0)


def test_importing_twice_changes_nothing(store: Store) -> None:
    text = "email,name\nanna@tips.example.com,Anna\nberta@tips.example.com,\n"
    take(store, text)
    before = subscribers_of(store)
    again = take(store, text, first_key=10)
    assert (again.added, again.updated, again.unchanged) == (0, 0, 2)
    assert subscribers_of(store) == before


def test_the_proof_of_consent_is_kept_and_no_email_is_queued(store: Store) -> None:
    report = take(store, "email\nanna@tips.example.com\n")
    with store.read() as tx:
        subscriber = tx.subscribers.by_address("anna@tips.example.com")
        assert subscriber is not None
        assert [(entry.what, entry.proof) for entry in tx.subscribers.consents(subscriber.id)] == [("import", PROOF)]
        assert tx.transactional.waiting() == 0
    assert report.asked == 0


def test_confirmed_subscribers_need_a_proof(store: Store) -> None:
    with pytest.raises(UsageError, match="proof"):
        take(store, "email\nanna@tips.example.com\n", "  ")


def test_without_a_proof_everyone_is_asked_at_most_once_a_day(store: Store) -> None:
    text = "email\nanna@tips.example.com\nberta@tips.example.com\n"
    assert take(store, text, None).asked == 2
    assert take(store, text, None, now=NOW + timedelta(hours=23)).asked == 0
    later = take(store, text, None, now=NOW + timedelta(hours=24))
    assert (later.asked, later.updated, later.added) == (2, 2, 0)
    with store.read() as tx:
        assert tx.transactional.waiting() == 4
        assert {subscriber.status for subscriber in tx.subscribers.each()} == {Status.PENDING}


def test_a_proof_confirms_pending_subscribers(store: Store) -> None:
    text = "email\nanna@tips.example.com\n"
    take(store, text, None)
    assert take(store, text).updated == 1
    assert subscribers_of(store) == {"anna@tips.example.com": ("", "confirmed")}


def test_a_missing_name_is_added_but_a_name_is_never_replaced(store: Store) -> None:
    take(store, "email\nanna@tips.example.com\n")
    assert take(store, "email,name\nanna@tips.example.com,Anna\n").updated == 1
    assert take(store, "email,name\nanna@tips.example.com,Other\n").unchanged == 1
    assert subscribers_of(store) == {"anna@tips.example.com": ("Anna", "confirmed")}


@pytest.mark.parametrize("proof", [PROOF, None])
def test_unsubscribed_and_suppressed_addresses_are_not_changed(store: Store, proof: str | None) -> None:
    take(store, "email\nleft@tips.example.com\n")
    with store.write() as tx:
        subscriber = tx.subscribers.by_address("left@tips.example.com")
        assert subscriber is not None
        tx.subscribers.set_status(subscriber.id, Status.UNSUBSCRIBED, NOW)
        tx.suppressions.add("bad@tips.example.com", "complaint", "test", NOW)
    text = "email,name\nleft@tips.example.com,Back\nbad@tips.example.com,Bad\n"
    report = take(store, text, proof, now=NOW + timedelta(days=30), first_key=10)
    assert (report.added, report.updated, report.left, report.suppressed, report.asked) == (0, 0, 1, 1, 0)
    assert subscribers_of(store) == {"left@tips.example.com": ("", "unsubscribed")}


def test_a_dry_run_counts_the_same_and_writes_nothing(store: Store) -> None:
    take(store, "email\nanna@tips.example.com\n", None)
    text = "email\nanna@tips.example.com\nberta@tips.example.com\nnobody\n"
    dry = take(store, text, dry_run=True)
    before = subscribers_of(store)
    assert before == {"anna@tips.example.com": ("", "pending")}
    assert take(store, text, first_key=10) == dry
    assert (dry.added, dry.updated, len(dry.rejected)) == (1, 1, 1)


def test_a_windows_1252_file_keeps_its_accented_characters(store: Store, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_bytes("email;name\nanna@tips.example.com;Jérôme Müller\n".encode("cp1252"))
    with (tmp_path / "list.csv").open(encoding="utf-8-sig", errors="surrogateescape", newline="") as lines:
        import_subscribers(store, SIGNER, lines, CONFIRMED, make_key=lambda: "k" * 16, now=NOW)
    assert subscribers_of(store) == {"anna@tips.example.com": ("Jérôme Müller", "confirmed")}


def test_thousands_of_rows_are_all_imported(store: Store) -> None:
    rows = 5_007
    text = "email\n" + "".join(f"r{number}@tips.example.com\n" for number in range(rows))
    assert take(store, text).added == rows
    with store.read() as tx:
        assert tx.subscribers.mailable() == rows


def test_the_database_is_not_locked_while_the_file_is_read(store: Store) -> None:
    def lines() -> Iterator[str]:
        yield "email\n"
        for number in range(3_000):
            yield f"r{number}@tips.example.com\n"
        with store.write() as tx:
            tx.suppressions.add("r7@tips.example.com", "manual", "meanwhile", NOW)

    keys = count()
    report = import_subscribers(store, SIGNER, lines(), CONFIRMED, make_key=lambda: f"{next(keys):016}", now=NOW)
    assert (report.added, report.suppressed) == (2_999, 1)


def test_an_interrupted_import_leaves_complete_subscribers_and_can_be_continued(store: Store) -> None:
    rows = SLICE + 10
    text = "email\n" + "".join(f"r{number}@tips.example.com\n" for number in range(rows))
    keys = count()

    def cut(share: float) -> None:
        assert share < 1.0
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_subscribers(
            store, SIGNER, text.splitlines(keepends=True), replace(CONFIRMED, on_progress=cut),
            make_key=lambda: f"{next(keys):016}", now=NOW,
        )  # fmt: skip
    with store.read() as tx:
        assert tx.subscribers.mailable() == SLICE
        assert {len(tx.subscribers.consents(subscriber.id)) for subscriber in islice(tx.subscribers.each(), 100)} == {1}
    again = take(store, text, first_key=rows)
    assert (again.added, again.unchanged) == (10, SLICE)


def test_the_caller_can_collect_rejected_rows(store: Store) -> None:
    rejected: list[RejectedRow] = []
    report = import_subscribers(
        store, SIGNER, ["email\n", "nobody\n"], replace(CONFIRMED, reject=rejected.append),
        make_key=lambda: "k" * 16, now=NOW,
    )  # fmt: skip
    assert ([row.line for row in rejected], report.rejected) == ([2], [])


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_a_pipe_or_a_device_is_named_and_not_read(tmp_path: Path, kind: str) -> None:
    source = Path("/dev/zero") if kind == "device" else tmp_path / "pipe"
    if kind == "pipe":
        os.mkfifo(source)
    with pytest.raises(InputError, match="not a plain file"):
        next(read_lines(source))
