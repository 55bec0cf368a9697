"""Exports of other tools: columns are recognized, status and dates kept, and unsubscribed people stay unsubscribed."""
# ruff: noqa: ISC004 - the lines of a file read best as lines

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest

from newsletter.actions.subscribers.confirm import ConfirmLinks, confirm_token
from newsletter.actions.subscribers.import_subscribers import import_subscribers
from newsletter.actions.subscribers.signup_limits import SignupLimiter
from newsletter.actions.subscribers.subscribe import subscribe
from newsletter.domain.errors import InputError
from newsletter.domain.read_dates import Dates
from newsletter.domain.subscribers.address import parse_address
from newsletter.domain.subscribers.imported import ImportRequest, Report, parse_time
from newsletter.domain.subscribers.subscriber import Subscriber
from newsletter.domain.subscribers.subscription import Status
from newsletter.mail.tokens import Signer
from newsletter.ports.store import Store
from tests.support.library import new_store

NOW = datetime(2026, 5, 5, 12, tzinfo=UTC)
SIGNER = Signer(["a-key-that-only-tests-have"])
EXPORTS = {
    "mailchimp": (
        '"Email Address","First Name","Last Name",MEMBER_RATING,OPTIN_TIME,OPTIN_IP,CONFIRM_TIME,CONFIRM_IP,LAST_CHANGED,LEID\n'
        'anna@a.example,Anna,Beispiel,3,"2021-03-04 10:00:00",192.0.2.1,"2021-03-04 10:05:00",192.0.2.1,"2024-01-01 00:00:00",1\n',
        "Anna Beispiel",
        datetime(2021, 3, 4, 10, 5, tzinfo=UTC),
    ),
    "kit": (
        "Email,First Name,Status,Created At,Tags\nanna@a.example,Anna,active,2021-03-04 10:00:00 UTC,x\n"
        "left@a.example,L,cancelled,2021-03-04 10:00:00 UTC,\nbad@a.example,B,bounced,2021-03-04 10:00:00 UTC,\n"
        "new@a.example,N,inactive,2021-03-04 10:00:00 UTC,\n",
        "Anna",
        datetime(2021, 3, 4, 10, tzinfo=UTC),
    ),
    "substack": (
        "email,active_subscription,expiry,plan,email_disabled,created_at\n"
        "anna@a.example,false,,other,false,2021-03-04T10:00:00.000Z\nleft@a.example,false,,other,true,2021-03-04T10:00:00.000Z\n",
        "",
        datetime(2021, 3, 4, 10, tzinfo=UTC),
    ),
    "buttondown": (
        "email,notes,metadata,tags,type,creation_date,unsubscription_date\n"
        'anna@a.example,,{},"a,b",regular,2021-03-04T10:00:00.123456Z,\n'
        "left@a.example,,{},,unsubscribed,2021-03-04T10:00:00Z,2022-01-01T00:00:00Z\n"
        "bad@a.example,,{},,undeliverable,2021-03-04T10:00:00Z,\nnew@a.example,,{},,unactivated,2021-03-04T10:00:00Z,\n",
        "",
        datetime(2021, 3, 4, 10, 0, 0, 123456, tzinfo=UTC),
    ),
    "ghost": (
        "id,email,name,note,subscribed_to_emails,complimentary_plan,stripe_customer_id,created_at,deleted_at,labels,tiers\n"
        "1,anna@a.example,Anna B,,true,false,,2021-03-04T10:00:00.000Z,,,\n"
        "2,left@a.example,L,,false,false,,2021-03-04T10:00:00.000Z,,,\n",
        "Anna B",
        datetime(2021, 3, 4, 10, tzinfo=UTC),
    ),
    "listmonk": (
        "uuid,email,name,attributes,status,created_at,updated_at\n"
        "u1,anna@a.example,Anna,{},enabled,2021-03-04T10:00:00+02:00,\nleft@a.example,left@a.example,L,{},disabled,,\n"
        "u3,bad@a.example,B,{},blocklisted,2021-03-04T10:00:00Z,\n",
        "Anna",
        datetime(2021, 3, 4, 8, tzinfo=UTC),
    ),
}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = new_store(tmp_path)
    yield opened
    opened.close()


def take(store: Store, text: str, *, now: datetime = NOW, first_key: int = 0) -> Report:
    keys = count(first_key)
    lines = text.splitlines(keepends=True)
    request = ImportRequest(confirmed_source="moved from there")
    return import_subscribers(store, SIGNER, lines, request, make_key=lambda: f"{next(keys):016}", now=now)


def find(store: Store, address: str) -> Subscriber | None:
    with store.read() as tx:
        return tx.subscribers.by_address(address)


def suppressed_for(store: Store, address: str) -> str:
    with store.read() as tx:
        found = tx.suppressions.get(address)
    return found.reason if found else ""


@pytest.mark.parametrize("tool", EXPORTS)
def test_an_export_of_another_tool_is_understood(store: Store, tool: str) -> None:
    text, name, confirmed_at = EXPORTS[tool]
    report = take(store, text)
    assert report.rejected == []
    anna = find(store, "anna@a.example")
    assert anna
    assert (anna.name, anna.status, anna.confirmed_at) == (name, Status.CONFIRMED, confirmed_at)
    assert anna.signup_at == datetime(2021, 3, 4, 10, tzinfo=UTC) or tool in {"buttondown", "listmonk"}
    if "left@" in text:
        left = find(store, "left@a.example")
        assert left
        assert (left.status, left.display_status) == (Status.UNSUBSCRIBED, "unsubscribed")
        assert suppressed_for(store, "left@a.example") == "unsubscribed"
    if "bad@" in text:
        assert (find(store, "bad@a.example"), suppressed_for(store, "bad@a.example")) == (None, "hard_bounce")
    if "new@" in text:
        new = find(store, "new@a.example")
        assert new
        assert new.status is Status.PENDING
    with store.read() as tx:
        assert tx.subscribers.mailable() == 1
        assert tx.transactional.waiting() == ("new@" in text)


def test_mailchimp_exports_unsubscribed_and_bounced_addresses_in_separate_files(store: Store) -> None:
    head = '"Email Address","First Name",OPTIN_TIME,'
    take(store, f'{head}UNSUB_TIME,UNSUB_REASON\nleft@a.example,L,"2021-03-04 10:00:00","2022-05-06 07:08:09",NORMAL\n')
    take(store, f'{head}CLEAN_TIME\nbad@a.example,B,"2021-03-04 10:00:00","2022-05-06 07:08:09"\n', first_key=9)
    left = find(store, "left@a.example")
    assert left
    assert (left.status, left.left_at) == (Status.UNSUBSCRIBED, datetime(2022, 5, 6, 7, 8, 9, tzinfo=UTC))
    assert suppressed_for(store, "bad@a.example") == "hard_bounce"
    again = take(store, "email\nleft@a.example\nbad@a.example\n", first_key=20)
    assert (again.added, again.suppressed) == (0, 2)


def test_anyone_unsubscribed_in_the_other_tool_can_only_sign_up_again_themselves(store: Store) -> None:
    take(store, "email,status\nleft@a.example,unsubscribed\n")
    address = parse_address("left@a.example")
    with store.write() as tx:
        assert subscribe(tx, address=address, name="", form="page/1", origin="", key="k", now=NOW)
    back = find(store, "left@a.example")
    assert back
    links = ConfirmLinks(store, SIGNER, SignupLimiter(), lambda: NOW, lambda: None)
    links.confirm(confirm_token(SIGNER, back.key, int(back.signup_at.timestamp())))
    with store.read() as tx:
        assert (tx.subscribers.mailable(), tx.suppressions.get("left@a.example")) == (1, None)


def test_a_newer_unsubscribe_in_the_file_ends_the_subscription_here(store: Store) -> None:
    take(store, "email,confirmed_at\nanna@a.example,2024-01-01 00:00:00\nbob@a.example,2024-01-01 00:00:00\n")
    text = "email,status,unsubscribed_at\nanna@a.example,unsubscribed,2023-01-01 00:00:00\nbob@a.example,unsubscribed,2025-01-01 00:00:00\n"
    take(store, text, first_key=10)
    anna, bob = find(store, "anna@a.example"), find(store, "bob@a.example")
    assert anna
    assert bob
    assert (anna.status, bob.status) == (Status.CONFIRMED, Status.UNSUBSCRIBED)


def test_unsubscribed_wins_if_an_address_has_two_rows(store: Store) -> None:
    report = take(store, "email,status\nanna@a.example,active\nANNA@a.example,unsubscribed\n")
    assert (report.added, report.suppressed, report.repeated) == (0, 1, 1)


def test_an_unknown_status_stops_the_import_and_names_the_column_the_word_and_the_line(store: Store) -> None:
    with pytest.raises(InputError, match=r"'status'.*'zombie' \(line 2, 4\).*--ignore-column status"):
        take(store, "email,status\nanna@a.example,zombie\nbert@a.example,active\ncy@a.example,zombie\n")
    assert find(store, "bert@a.example") is None


def test_other_columns_named_state_or_type_are_ignored(store: Store) -> None:
    assert take(store, "email,State,Type\nanna@a.example,TX,customer\n").added == 1


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2021-03-04", "2021-03-04 00:00:00.000000"),
        ("Mar 04, 2021 03:05 PM", "2021-03-04 15:05:00.000000"),
        ("2021-03-04T10:00:00-05:00", "2021-03-04 15:00:00.000000"),
        ("04/03/2021", "2021-04-03 00:00:00.000000"),
        ("2021-13-04 10:00:00", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("soon", None),
    ],
)
def test_a_time_is_read_or_left_out(text: str, found: str | None) -> None:
    assert parse_time(text, "2022-01-01 00:00:00.000000", Dates().utc_of) == found


def test_a_future_time_becomes_the_time_of_the_import(store: Store) -> None:
    take(store, "email,created_at\nanna@a.example,2999-01-01 00:00:00\n")
    anna = find(store, "anna@a.example")
    assert anna
    assert anna.signup_at == NOW
