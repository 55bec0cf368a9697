"""Coming in, confirming, leaving: the verbs on a real store."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.actions.subscribers.confirm import confirm, confirm_token, inspect_link
from newsletter.actions.subscribers.subscribe import MAX_NAME, add_subscriber, clean_name, subscribe
from newsletter.actions.subscribers.unsubscribe import inspect_link as look_at_leaving
from newsletter.actions.subscribers.unsubscribe import leave, unsubscribe_address
from newsletter.domain.errors import BadToken, InputError, NotFound, Refused, UsageError
from newsletter.domain.subscribers.address import parse_address
from newsletter.domain.subscribers.subscriber import Subscriber
from newsletter.domain.subscribers.subscription import Status, Verdict
from newsletter.mail.tokens import Purpose, Signer
from newsletter.store.transactions import SqlStore
from tests.support.library import TUESDAY, new_store

SIGNER = Signer(["a-key-that-only-tests-have"])
ANNA = "Anna.Beispiel@Host.Example"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    store = new_store(tmp_path)
    yield store
    store.close()


def sign_up(
    store: SqlStore, address: str = ANNA, *, name: str = "", now: datetime = TUESDAY, key: str = "k" * 16
) -> None:
    with store.write() as tx:
        subscribe(tx, address=parse_address(address), name=name, form="page/1", origin="192.0.2.7", key=key, now=now)


def find(store: SqlStore, address: str = ANNA) -> Subscriber:
    with store.read() as tx:
        reader = tx.subscribers.by_address(address.lower())
    assert reader
    return reader


def waiting(store: SqlStore) -> int:
    with store.read() as tx:
        return tx.transactional.waiting()


def consents(store: SqlStore) -> list[tuple[str, str, str]]:
    with store.read() as tx:
        return [(entry.what, entry.proof, entry.origin) for entry in tx.subscribers.consents(find(store).id)]


def link(store: SqlStore) -> str:
    reader = find(store)
    return confirm_token(SIGNER, reader.key, int(reader.signup_at.timestamp()))


def test_a_sign_up_waits_for_its_confirmation_with_the_proof_beside_it(store: SqlStore) -> None:
    sign_up(store, name="Anna")

    reader = find(store)
    assert (reader.status, reader.name, reader.address) == (Status.PENDING, "Anna", "Anna.Beispiel@host.example")
    assert consents(store) == [("signup", "page/1", "192.0.2.7")]
    assert waiting(store) == 1


def test_a_waiting_mail_holds_no_token_and_no_word_of_the_visitor(store: SqlStore) -> None:
    sign_up(store, name="Anna")
    with store.write() as tx:
        (notice,) = tx.transactional.due(TUESDAY, 10)
    assert (notice.kind, notice.address) == ("confirm", "Anna.Beispiel@host.example")
    assert notice.values == {"subscriber_key": "k" * 16, "signup_at": int(TUESDAY.timestamp())}


def test_a_second_sign_up_within_a_day_changes_nothing(store: SqlStore) -> None:
    sign_up(store)
    old_link = link(store)
    sign_up(store, ANNA.upper(), name="Somebody else", now=TUESDAY + timedelta(hours=23), key="other")

    assert waiting(store) == 1
    assert find(store).name == ""
    assert confirm(store, SIGNER, old_link, TUESDAY + timedelta(hours=24)).verdict is Verdict.DO


def test_a_sign_up_after_a_day_asks_again_and_makes_the_old_link_stale(store: SqlStore) -> None:
    sign_up(store)
    old_link, later = link(store), TUESDAY + timedelta(days=2)
    sign_up(store, now=later, key="other")

    assert waiting(store) == 2
    assert find(store).key == "k" * 16
    assert inspect_link(store, SIGNER, old_link, later).verdict is Verdict.STALE
    assert inspect_link(store, SIGNER, link(store), later).verdict is Verdict.DO


def test_a_suppressed_address_is_not_stored_and_not_mailed(store: SqlStore) -> None:
    with store.write() as tx:
        tx.suppressions.add(ANNA.lower(), "complaint", "test", TUESDAY)
    sign_up(store)
    with store.read() as tx:
        assert tx.subscribers.by_address(ANNA.lower()) is None
    assert waiting(store) == 0


def test_who_is_on_the_list_is_not_mailed_again(store: SqlStore) -> None:
    add_subscriber(store, SIGNER, address_text=ANNA, name="", confirmed_source="list", key="k", now=TUESDAY)
    sign_up(store, now=TUESDAY + timedelta(days=9))
    assert find(store).status is Status.CONFIRMED
    assert waiting(store) == 0


def test_what_is_no_address_is_said_and_nothing_is_stored(store: SqlStore) -> None:
    for text in ("", "anna", "anna@", "anna@host.example\nBcc: all@host.example", "\ud800@host.example", "a@b" * 200):
        with pytest.raises(InputError):
            sign_up(store, text)
    with store.read() as tx:
        assert tx.subscribers.count() == {}


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("  Anna \t Beispiel ", "Anna Beispiel"),
        ("Anna\r\nBcc: all", "Anna Bcc: all"),
        ("Dr.Anna Beispiel", "Dr.Anna Beispiel"),
        ("J.R.R. Beispiel", "J.R.R. Beispiel"),
        ("Cheap pills at http://pills.example", ""),
        ("www.pills.example", ""),
        ("Win at casino.example now", ""),
        ("Win at CASINO.EXAMPLE now", ""),
        ("bit.ly/abc", ""),
        ("write to me@host.example", ""),
        ("Anna\x00\x1b[2J", "Anna[2J"),
        ("Anna\u202eelpmaxe", "Annaelpmaxe"),
        ("\ud800Anna", "Anna"),
        ("علی\u200cرضا", "علی\u200cرضا"),
        ("Zoe\u0308", "Zoë"),
    ],
)
def test_a_name_is_kept_in_any_language_but_never_as_a_link_or_a_control(typed: str, kept: str) -> None:
    assert clean_name(typed) == kept


@given(st.text(max_size=400))
def test_a_name_is_one_short_line_that_stays_as_it_is(text: str) -> None:
    name = clean_name(text)
    assert len(name) <= MAX_NAME
    assert name.encode().decode().splitlines() in ([], [name])
    assert clean_name(name) == name


def test_a_confirmation_counts_once_and_queues_one_welcome(store: SqlStore) -> None:
    sign_up(store)
    token, now = link(store), TUESDAY + timedelta(minutes=5)

    assert confirm(store, SIGNER, token, now).verdict is Verdict.DO
    assert confirm(store, SIGNER, token, now).verdict is Verdict.ALREADY

    assert find(store).status is Status.CONFIRMED
    assert [what for what, _, _ in consents(store)] == ["signup", "confirm"]
    with store.write() as tx:
        assert [notice.kind for notice in tx.transactional.due(now, 10)] == ["confirm", "welcome"]


def test_an_old_confirm_link_never_brings_back_who_left(store: SqlStore) -> None:
    sign_up(store)
    token = link(store)
    confirm(store, SIGNER, token, TUESDAY)
    unsubscribe_address(store, ANNA, TUESDAY)

    assert confirm(store, SIGNER, token, TUESDAY).verdict is Verdict.STALE
    sign_up(store, now=TUESDAY + timedelta(days=2))
    assert confirm(store, SIGNER, token, TUESDAY + timedelta(days=2)).verdict is Verdict.STALE
    assert find(store).status is Status.PENDING


def test_who_left_comes_back_by_a_new_double_opt_in(store: SqlStore) -> None:
    sign_up(store)
    confirm(store, SIGNER, link(store), TUESDAY)
    unsubscribe_address(store, ANNA, TUESDAY)
    later = TUESDAY + timedelta(days=2)
    sign_up(store, now=later)
    assert confirm(store, SIGNER, link(store), later).verdict is Verdict.DO
    assert [what for what, _, _ in consents(store)] == ["signup", "confirm", "leave", "signup", "confirm"]


@pytest.mark.parametrize("fields", [["k" * 16], ["k" * 16, "today"], ["k" * 16, "9" * 30], ["nobody", "1"]])
def test_a_signed_link_of_another_shape_or_of_nobody_is_refused(store: SqlStore, fields: list[str]) -> None:
    sign_up(store)
    with pytest.raises(BadToken):
        confirm(store, SIGNER, SIGNER.sign(Purpose.CONFIRM, *fields), TUESDAY)
    with pytest.raises(BadToken):
        inspect_link(store, SIGNER, SIGNER.sign(Purpose.CONFIRM, *fields), TUESDAY)


@pytest.mark.parametrize(
    ("fields", "proof"), [(["a1"], "issue 361, one-click"), ([], "one-click"), (["a", "b"], "issue 10, one-click")]
)
def test_leaving_is_written_down_with_the_issue_that_caused_it(store: SqlStore, fields: list[str], proof: str) -> None:
    add_subscriber(store, SIGNER, address_text=ANNA, name="", confirmed_source="list", key="k" * 16, now=TUESDAY)
    token = SIGNER.sign(Purpose.UNSUBSCRIBE, "k" * 16, *fields)

    assert leave(store, SIGNER, token, how="one-click", now=TUESDAY).verdict is Verdict.DO
    assert leave(store, SIGNER, token, how="one-click", now=TUESDAY).verdict is Verdict.ALREADY

    assert find(store).status is Status.UNSUBSCRIBED
    assert consents(store) == [("import", "list", ""), ("leave", proof, "")]
    with store.read() as tx:
        assert tx.subscribers.mailable() == 0


def test_the_link_of_somebody_who_was_erased_says_that_they_are_out(store: SqlStore) -> None:
    token = SIGNER.sign(Purpose.UNSUBSCRIBE, "nobody", "a")
    assert look_at_leaving(store, SIGNER, token).verdict is Verdict.ALREADY
    assert leave(store, SIGNER, token, how="page", now=TUESDAY).verdict is Verdict.ALREADY


def test_a_token_of_one_purpose_is_refused_for_all_others(store: SqlStore) -> None:
    sign_up(store)
    for purpose in set(Purpose) - {Purpose.UNSUBSCRIBE}:
        with pytest.raises(BadToken):
            leave(store, SIGNER, SIGNER.sign(purpose, "k" * 16, "a"), how="page", now=TUESDAY)
    for purpose in set(Purpose) - {Purpose.CONFIRM}:
        with pytest.raises(BadToken):
            confirm(store, SIGNER, SIGNER.sign(purpose, "k" * 16, str(int(TUESDAY.timestamp()))), TUESDAY)
    assert find(store).status is Status.PENDING


def test_the_owner_unsubscribes_an_address_and_hears_of_one_that_is_not_there(store: SqlStore) -> None:
    sign_up(store)
    assert unsubscribe_address(store, ANNA, TUESDAY).verdict is Verdict.DO
    assert unsubscribe_address(store, ANNA, TUESDAY).verdict is Verdict.ALREADY
    assert consents(store)[-1] == ("leave", "command", "")
    with pytest.raises(NotFound):
        unsubscribe_address(store, "nobody@host.example", TUESDAY)


def test_the_owner_adds_a_reader_with_the_proof_of_their_consent(store: SqlStore) -> None:
    added = add_subscriber(
        store, SIGNER, address_text=ANNA, name="Anna", confirmed_source="fair, May", key="k", now=TUESDAY
    )
    again = add_subscriber(
        store, SIGNER, address_text=ANNA, name="Anna", confirmed_source="fair, May", key="l", now=TUESDAY
    )

    assert (added.status, added.changed, again.changed) == (Status.CONFIRMED, True, False)
    assert consents(store) == [("import", "fair, May", "")]
    assert waiting(store) == 0


def test_the_owner_cannot_confirm_without_a_proof(store: SqlStore) -> None:
    with pytest.raises(UsageError):
        add_subscriber(store, SIGNER, address_text=ANNA, name="", confirmed_source="  ", key="k", now=TUESDAY)


def test_a_reader_added_without_a_proof_is_asked_once(store: SqlStore) -> None:
    added = add_subscriber(store, SIGNER, address_text=ANNA, name="", confirmed_source=None, key="k", now=TUESDAY)
    again = add_subscriber(store, SIGNER, address_text=ANNA, name="", confirmed_source=None, key="l", now=TUESDAY)
    assert (added.status, added.changed, again.changed) == (Status.PENDING, True, False)
    assert waiting(store) == 1


def test_a_proof_confirms_who_had_not_answered_yet(store: SqlStore) -> None:
    sign_up(store)
    added = add_subscriber(store, SIGNER, address_text=ANNA, name="", confirmed_source="phone", key="l", now=TUESDAY)
    assert (added.status, added.changed, find(store).status) == (Status.CONFIRMED, True, Status.CONFIRMED)


@pytest.mark.parametrize("proof", [None, "old list"])
def test_the_owner_cannot_bring_back_who_left(store: SqlStore, proof: str | None) -> None:
    sign_up(store)
    unsubscribe_address(store, ANNA, TUESDAY)
    with pytest.raises(Refused, match="left"):
        add_subscriber(
            store, SIGNER, address_text=ANNA, name="", confirmed_source=proof, key="l", now=TUESDAY + timedelta(days=90)
        )
    assert find(store).status is Status.UNSUBSCRIBED
    assert waiting(store) == 1


def test_the_owner_hears_that_an_address_is_suppressed(store: SqlStore) -> None:
    add_subscriber(store, SIGNER, address_text=ANNA, name="", confirmed_source="list", key="k", now=TUESDAY)
    with store.write() as tx:
        tx.suppressions.add(ANNA.lower(), "hard_bounce", "issue 3", TUESDAY)
    with pytest.raises(Refused, match="hard_bounce") as refusal:
        add_subscriber(store, SIGNER, address_text=ANNA, name="", confirmed_source="list", key="k", now=TUESDAY)
    assert "newsletter suppressions remove" in refusal.value.fix
