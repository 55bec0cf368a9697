"""Sign-up, confirmation and unsubscribe on a real database."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.actions.subscribers.confirm import Confirmation, ConfirmLinks, confirm_token
from newsletter.actions.subscribers.manage import Subscribers
from newsletter.actions.subscribers.signup_limits import SignupLimiter
from newsletter.actions.subscribers.subscribe import MAX_NAME, Added, clean_name, subscribe
from newsletter.actions.subscribers.unsubscribe import Unsubscribed, UnsubscribeLinks
from newsletter.domain.errors import BadToken, InputError, NotFound, Refused, UsageError
from newsletter.domain.subscribers.address import parse_address
from newsletter.domain.subscribers.subscriber import Subscriber
from newsletter.domain.subscribers.subscription import Status, UnsubscribeEmail, Verdict
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
        subscriber = tx.subscribers.by_address(address.lower())
    assert subscriber
    return subscriber


def confirm_links(store: SqlStore, now: datetime) -> ConfirmLinks:
    return ConfirmLinks(store, SIGNER, SignupLimiter(), lambda: now, lambda: None)


def confirm(store: SqlStore, token: str, now: datetime = TUESDAY) -> Confirmation:
    return confirm_links(store, now).confirm(token)


def view_confirm(store: SqlStore, token: str, now: datetime = TUESDAY) -> Confirmation:
    return confirm_links(store, now).view(token)


def unsubscribe_links(store: SqlStore) -> UnsubscribeLinks:
    return UnsubscribeLinks(store, SIGNER, UnsubscribeEmail.NEVER, lambda: TUESDAY, lambda: None)


def by_link(store: SqlStore, token: str, how: str = "one-click") -> Unsubscribed:
    return unsubscribe_links(store).unsubscribe(token, how=how)


def owner(store: SqlStore, now: datetime = TUESDAY, *, key: str = "k") -> Subscribers:
    return Subscribers(store, lambda: SIGNER, lambda: iter([key]), lambda: now)


def add(store: SqlStore, proof: str | None = "list", *, name: str = "", key: str = "k") -> Added:
    return owner(store, key=key).add(ANNA, name, confirmed_source=proof)


def waiting(store: SqlStore) -> int:
    with store.read() as tx:
        return tx.transactional.waiting()


def consents(store: SqlStore) -> list[tuple[str, str, str]]:
    with store.read() as tx:
        return [(entry.what, entry.proof, entry.origin) for entry in tx.subscribers.consents(find(store).id)]


def link(store: SqlStore) -> str:
    subscriber = find(store)
    return confirm_token(SIGNER, subscriber.key, int(subscriber.signup_at.timestamp()))


def test_a_sign_up_is_pending_and_keeps_its_proof(store: SqlStore) -> None:
    sign_up(store, name="Anna")

    subscriber = find(store)
    assert (subscriber.status, subscriber.name, subscriber.address) == (
        Status.PENDING,
        "Anna",
        "Anna.Beispiel@host.example",
    )
    assert consents(store) == [("signup", "page/1", "192.0.2.7")]
    assert waiting(store) == 1


def test_a_queued_email_holds_no_token_and_no_text_of_the_visitor(store: SqlStore) -> None:
    sign_up(store, name="Anna")
    with store.write() as tx:
        (queued,) = tx.transactional.due(TUESDAY, 10)
    assert (queued.kind, queued.address) == ("confirm", "Anna.Beispiel@host.example")
    assert queued.values == {"subscriber_key": "k" * 16, "signup_at": int(TUESDAY.timestamp())}


def test_a_second_sign_up_within_a_day_changes_nothing(store: SqlStore) -> None:
    sign_up(store)
    old_link = link(store)
    sign_up(store, ANNA.upper(), name="Somebody else", now=TUESDAY + timedelta(hours=23), key="other")

    assert waiting(store) == 1
    assert find(store).name == ""
    assert confirm(store, old_link, TUESDAY + timedelta(hours=24)).verdict is Verdict.DO


def test_a_sign_up_after_a_day_sends_a_new_link_and_the_old_one_expires(store: SqlStore) -> None:
    sign_up(store)
    old_link, later = link(store), TUESDAY + timedelta(days=2)
    sign_up(store, now=later, key="other")

    assert waiting(store) == 2
    assert find(store).key == "k" * 16
    assert view_confirm(store, old_link, later).verdict is Verdict.STALE
    assert view_confirm(store, link(store), later).verdict is Verdict.DO


def test_a_suppressed_address_is_not_stored_and_gets_no_email(store: SqlStore) -> None:
    with store.write() as tx:
        tx.suppressions.add(ANNA.lower(), "complaint", "test", TUESDAY)
    sign_up(store)
    with store.read() as tx:
        assert tx.subscribers.by_address(ANNA.lower()) is None
    assert waiting(store) == 0


def test_a_confirmed_subscriber_gets_no_second_confirmation_email(store: SqlStore) -> None:
    add(store)
    sign_up(store, now=TUESDAY + timedelta(days=9))
    assert find(store).status is Status.CONFIRMED
    assert waiting(store) == 0


def test_an_invalid_address_is_an_error_and_nothing_is_stored(store: SqlStore) -> None:
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
def test_a_name_in_any_language_is_kept_without_links_and_control_characters(typed: str, kept: str) -> None:
    assert clean_name(typed) == kept


@given(st.text(max_size=400))
def test_a_cleaned_name_is_one_short_line_and_cleaning_it_again_changes_nothing(text: str) -> None:
    name = clean_name(text)
    assert len(name) <= MAX_NAME
    assert name.encode().decode().splitlines() in ([], [name])
    assert clean_name(name) == name


def test_a_confirmation_counts_once_and_queues_one_welcome_email(store: SqlStore) -> None:
    sign_up(store)
    token, now = link(store), TUESDAY + timedelta(minutes=5)

    assert confirm(store, token, now).verdict is Verdict.DO
    assert confirm(store, token, now).verdict is Verdict.ALREADY

    assert find(store).status is Status.CONFIRMED
    assert [what for what, _, _ in consents(store)] == ["signup", "confirm"]
    with store.write() as tx:
        assert [email.kind for email in tx.transactional.due(now, 10)] == ["confirm", "welcome"]


def test_an_old_confirm_link_never_resubscribes_anyone_who_unsubscribed(store: SqlStore) -> None:
    sign_up(store)
    token = link(store)
    confirm(store, token, TUESDAY)
    owner(store).unsubscribe(ANNA)

    assert confirm(store, token, TUESDAY).verdict is Verdict.STALE
    sign_up(store, now=TUESDAY + timedelta(days=2))
    assert confirm(store, token, TUESDAY + timedelta(days=2)).verdict is Verdict.STALE
    assert find(store).status is Status.PENDING


def test_anyone_who_unsubscribed_can_return_with_a_new_double_opt_in(store: SqlStore) -> None:
    sign_up(store)
    confirm(store, link(store), TUESDAY)
    owner(store).unsubscribe(ANNA)
    later = TUESDAY + timedelta(days=2)
    sign_up(store, now=later)
    assert confirm(store, link(store), later).verdict is Verdict.DO
    assert [what for what, _, _ in consents(store)] == ["signup", "confirm", "leave", "signup", "confirm"]


@pytest.mark.parametrize("fields", [["k" * 16], ["k" * 16, "today"], ["k" * 16, "9" * 30], ["nobody", "1"]])
def test_a_signed_link_with_wrong_fields_or_an_unknown_key_is_refused(store: SqlStore, fields: list[str]) -> None:
    sign_up(store)
    with pytest.raises(BadToken):
        confirm(store, SIGNER.sign(Purpose.CONFIRM, *fields), TUESDAY)
    with pytest.raises(BadToken):
        view_confirm(store, SIGNER.sign(Purpose.CONFIRM, *fields), TUESDAY)


@pytest.mark.parametrize(
    ("fields", "proof"), [(["a1"], "issue 361, one-click"), ([], "one-click"), (["a", "b"], "issue 10, one-click")]
)
def test_an_unsubscribe_is_logged_with_its_issue(store: SqlStore, fields: list[str], proof: str) -> None:
    add(store, key="k" * 16)
    token = SIGNER.sign(Purpose.UNSUBSCRIBE, "k" * 16, *fields)

    assert by_link(store, token).verdict is Verdict.DO
    assert by_link(store, token).verdict is Verdict.ALREADY

    assert find(store).status is Status.UNSUBSCRIBED
    assert consents(store) == [("import", "list", ""), ("leave", proof, "")]
    with store.read() as tx:
        assert tx.subscribers.mailable() == 0


def test_the_unsubscribe_link_of_an_erased_subscriber_still_works(store: SqlStore) -> None:
    token = SIGNER.sign(Purpose.UNSUBSCRIBE, "nobody", "a")
    assert unsubscribe_links(store).view(token).verdict is Verdict.ALREADY
    assert by_link(store, token, "page").verdict is Verdict.ALREADY


def test_a_token_of_one_purpose_is_refused_for_all_others(store: SqlStore) -> None:
    sign_up(store)
    for purpose in set(Purpose) - {Purpose.UNSUBSCRIBE}:
        with pytest.raises(BadToken):
            by_link(store, SIGNER.sign(purpose, "k" * 16, "a"), "page")
    for purpose in set(Purpose) - {Purpose.CONFIRM}:
        with pytest.raises(BadToken):
            confirm(store, SIGNER.sign(purpose, "k" * 16, str(int(TUESDAY.timestamp()))), TUESDAY)
    assert find(store).status is Status.PENDING


def test_the_owner_unsubscribes_an_address_and_an_unknown_one_is_an_error(store: SqlStore) -> None:
    sign_up(store)
    assert owner(store).unsubscribe(ANNA) == ["tips"]
    assert owner(store).unsubscribe(ANNA) == []
    assert consents(store)[-1] == ("leave", "command", "")
    with pytest.raises(NotFound):
        owner(store).unsubscribe("nobody@host.example")


def test_the_owner_adds_a_subscriber_with_a_proof_of_consent(store: SqlStore) -> None:
    added = add(store, "fair, May", name="Anna")
    again = add(store, "fair, May", name="Anna", key="l")

    assert (added.status, added.changed, again.changed) == (Status.CONFIRMED, True, False)
    assert consents(store) == [("import", "fair, May", "")]
    assert waiting(store) == 0


def test_the_owner_cannot_add_a_confirmed_subscriber_without_a_proof(store: SqlStore) -> None:
    with pytest.raises(UsageError):
        add(store, "  ")


def test_a_subscriber_added_without_a_proof_is_asked_once(store: SqlStore) -> None:
    added = add(store, None)
    again = add(store, None, key="l")
    assert (added.status, added.changed, again.changed) == (Status.PENDING, True, False)
    assert waiting(store) == 1


def test_a_proof_confirms_a_pending_subscriber(store: SqlStore) -> None:
    sign_up(store)
    added = add(store, "phone", key="l")
    assert (added.status, added.changed, find(store).status) == (Status.CONFIRMED, True, Status.CONFIRMED)


@pytest.mark.parametrize("proof", [None, "old list"])
def test_the_owner_cannot_resubscribe_anyone_who_unsubscribed(store: SqlStore, proof: str | None) -> None:
    sign_up(store)
    owner(store).unsubscribe(ANNA)
    with pytest.raises(Refused, match="has unsubscribed"):
        owner(store, TUESDAY + timedelta(days=90), key="l").add(ANNA, confirmed_source=proof)
    assert find(store).status is Status.UNSUBSCRIBED
    assert waiting(store) == 1


def test_adding_a_suppressed_address_is_refused_with_the_reason(store: SqlStore) -> None:
    add(store)
    with store.write() as tx:
        tx.suppressions.add(ANNA.lower(), "hard_bounce", "issue 3", TUESDAY)
    with pytest.raises(Refused, match="hard_bounce") as refusal:
        add(store)
    assert "newsletter suppressions remove" in refusal.value.fix
