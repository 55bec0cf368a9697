from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from newsletter.actions.calendar.plan import Rules
from newsletter.actions.check import Check
from newsletter.actions.doctor import Doctor
from newsletter.actions.doctor_sending import relay_checks
from newsletter.actions.trouble import ListInUse, Trouble, record_key
from newsletter.domain.calendar.schedule import Schedule
from newsletter.domain.delivery.issue import PAUSED_BY_HAND, IssueEvent
from newsletter.domain.errors import TemplateError
from newsletter.domain.site import Site
from newsletter.domain.slot_days import Weekdays
from newsletter.domain.tips.tip import TipState, TipText
from newsletter.mail.tokens import Signer
from newsletter.ports.sending import RelayCheck
from newsletter.ports.store import Store
from newsletter.store.sqlite.database import upgrade
from newsletter.store.transactions import SqlStore, open_store
from tests.support.library import add_subscriber

SCHEDULE = Schedule(Weekdays((1,)), time(8), ZoneInfo("Europe/Berlin"))
TUESDAY = datetime(2026, 5, 5, 6, tzinfo=UTC)  # 08:00 in Berlin
KEY = "a-key-that-only-tests-have-0123456789"
SITE = Site(
    title="Tips",
    from_name="Anna",
    from_address="tips@tips.example",
    base_url="https://tips.example",
    owner=("owner@tips.example",),
    postal_address="1 Market Street",
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    upgrade(tmp_path / "newsletter.db")
    opened = open_store(f"sqlite:///{tmp_path}/newsletter.db")
    with opened.write() as tx:
        for number in range(9):
            tx.tips.add(TipText(f"Tip {number}", "Body"), f"tip {number}", f"tip-{number}", TipState.FRESH, TUESDAY)
    add_subscriber(opened, "reader@a.example")
    yield opened
    opened.close()


def run_checks(
    store: Store,
    *,
    site: Site = SITE,
    has_key: bool = True,
    has_sender: bool = True,
    warnings: tuple[str, ...] = (),
    sqlite_version: str = "3.51.3",
    broken: Exception | None = None,
    now: datetime = TUESDAY,
    relays: tuple[RelayCheck, ...] = (RelayCheck("relay.example:587", ["connected"]),),
    key: str = KEY,
) -> dict[str, Check]:
    def preview() -> None:
        if broken:
            raise broken

    doctor = Doctor(
        store,
        site=site,
        rules=Rules(SCHEDULE, timedelta(hours=24)),
        has_key=has_key,
        has_sender=has_sender,
        warnings=warnings,
        sqlite_version=sqlite_version,
        preview=preview,
        clock=lambda: now,
        relays=lambda: relays,
        signer=lambda: Signer([key]),
    )
    return {check.id: check for check in doctor.check()}


def problems(checks: dict[str, Check]) -> set[str]:
    return {id_ for id_, found in checks.items() if not found.ok}


def test_a_sound_newsletter_has_no_problem(store: Store) -> None:
    checks = run_checks(store)
    assert problems(checks) == set()
    assert {found.level for found in checks.values()} == {"ok"}


def test_missing_settings_are_reported_with_their_fix(store: Store) -> None:
    checks = run_checks(store, has_key=False, has_sender=False, warnings=("NEWSLETTER_TITEL is not a setting",))
    assert problems(checks) == {"names", "secret_key", "sender"}
    assert "newsletter init" in checks["secret_key"].fix


@pytest.mark.parametrize(
    ("site", "id_"),
    [
        (replace(SITE, from_address="tips@example.org"), "from_address"),
        (replace(SITE, owner=("me@mail.example.com",)), "owner"),
        (replace(SITE, postal_address=""), "postal_address"),
        (replace(SITE, base_url="http://tips.example"), "base_url"),
        (replace(SITE, base_url="https://localhost:8000"), "base_url"),
        (replace(SITE, base_url="http://127.0.0.1:8000"), "base_url"),
        (replace(SITE, base_url="http://[::1]:8000"), "base_url"),
    ],
)
def test_a_setting_that_is_only_an_example_is_a_warning(store: Store, site: Site, id_: str) -> None:
    checks = run_checks(store, site=site)
    assert problems(checks) == {id_}
    assert checks[id_].level == "warning"


@pytest.mark.parametrize(
    ("version", "level"), [("3.40.1", "hint"), ("3.51.2", "hint"), ("3.51.3", "ok"), ("3.60.0", "ok")]
)
def test_an_old_sqlite_is_a_hint_and_not_a_problem(store: Store, version: str, level: str) -> None:
    found = run_checks(store, sqlite_version=version)["sqlite"]
    assert (found.level, found.ok) == (level, True)


def test_few_fresh_tips_are_a_warning_and_no_tip_is_an_error(store: Store) -> None:
    with store.write() as tx:
        cards = tx.tips.cards()
        tx.tips.set_state(cards[0].id, TipState.RETIRED)
    checks = run_checks(store)
    assert problems(checks) == {"runway"}
    assert "8 weeks" in checks["runway"].message
    with store.write() as tx:
        for card in cards:
            tx.tips.set_state(card.id, TipState.RETIRED)
    assert run_checks(store)["next_tip"].level == "error"


def test_an_email_that_cannot_be_composed_is_an_error_with_its_source(store: Store) -> None:
    broken = TemplateError("unknown name 'titel'", source="issue/body.html", line=3, fix="Write title")
    found = run_checks(store, broken=broken)["letter"]
    assert (found.level, found.fix) == ("error", "Write title")
    assert "issue/body.html:3" in found.message


def test_queued_emails_without_a_daemon_are_a_warning(store: Store) -> None:
    with store.write() as tx:
        tx.transactional.add("alert", "owner@tips.example", {}, TUESDAY)
    assert problems(run_checks(store)) == {"notices"}
    with store.sending("newsletter run", TUESDAY):
        assert problems(run_checks(store)) == set()


def test_an_unexplained_slot_is_an_error_after_the_first_issue(store: Store) -> None:
    later = TUESDAY + timedelta(days=7, hours=1)
    assert problems(run_checks(store, now=later)) == set(), "a new newsletter has missed nothing"
    with store.write() as tx:
        issue = tx.issues.plan(TUESDAY.date(), TUESDAY, TUESDAY)
        tx.issues.change(issue.number, IssueEvent.CANCEL, TUESDAY)
    assert problems(run_checks(store)) == set(), "a cancelled issue is explained"
    in_time, too_late = run_checks(store, now=later), run_checks(store, now=later + timedelta(days=2))
    assert in_time["last_slot"].level == too_late["last_slot"].level == "error"
    assert "newsletter issues send" in in_time["last_slot"].fix


@pytest.mark.parametrize(
    ("event", "words"), [(IssueEvent.FIND_NOTHING, "tips import"), (IssueEvent.MISS, "newsletter run")]
)
def test_a_failed_slot_is_reported_with_its_fix(store: Store, event: IssueEvent, words: str) -> None:
    with store.write() as tx:
        issue = tx.issues.plan(TUESDAY.date(), TUESDAY, TUESDAY)
        tx.issues.change(issue.number, event, TUESDAY, reason="so it is")
    found = run_checks(store, now=TUESDAY + timedelta(hours=1))["last_slot"]
    assert (found.ok, found.level) == (False, "warning")
    assert words in found.fix


def test_the_settings_are_checked_even_without_a_database(tmp_path: Path) -> None:
    nowhere = open_store(f"sqlite:///{tmp_path}/none.db")
    checks = run_checks(nowhere, has_key=False)
    assert problems(checks) == {"secret_key", "database"}
    assert not (tmp_path / "none.db").exists()


# -- the mail server --------------------------------------------------------------------------------

WORKS = RelayCheck("one.example:587", ["connected", "signed in as anna"])
BROKEN = RelayCheck("two.example:587", problem="two.example:587: connection refused", fix="Is it running?")


@pytest.mark.parametrize(
    ("relays", "levels"),
    [
        ((WORKS,), ["ok"]),
        ((BROKEN,), ["error"]),
        ((WORKS, BROKEN), ["ok", "warning"]),
        ((BROKEN, BROKEN), ["error", "error"]),
        ((replace(BROKEN, is_temporary=True),), ["warning"]),
        ((RelayCheck("console:", ["prints emails"], is_real=False),), ["hint"]),
    ],
)
def test_a_mail_server_that_takes_no_email_is_an_error_unless_another_one_does(
    relays: tuple[RelayCheck, ...], levels: list[str]
) -> None:
    assert [found.level for found in relay_checks(relays)] == levels


# -- what cannot leave ------------------------------------------------------------------------------

RULES = Rules(SCHEDULE, timedelta(hours=24))
LATER = TUESDAY + timedelta(minutes=30)


def freeze(store: SqlStore) -> int:
    with store.write() as tx:
        issue = tx.issues.plan(TUESDAY.date(), TUESDAY, TUESDAY)
        tx.issues.change(issue.number, IssueEvent.PREPARE, TUESDAY)
        tx.issues.bind(issue.number, tx.tips.cards()[0].id)
        tx.issues.freeze(issue.number, "Tip", b"compiled", TUESDAY)
        return issue.number


def trouble(store: SqlStore, now: datetime) -> Trouble:
    return Trouble(store, lambda: now, lambda: [ListInUse("tips", store, RULES)])


def blocked(store: SqlStore, now: datetime) -> list[str]:
    return [found.message for found in trouble(store, now).blocked()]


def test_an_issue_that_the_circuit_breaker_paused_is_stuck_and_one_paused_by_hand_is_not(store: SqlStore) -> None:
    number = freeze(store)
    with store.write() as tx:
        tx.issues.change(number, IssueEvent.PAUSE, TUESDAY, reason="3 policy rejections in a row")
    assert blocked(store, LATER) == [f"issue {number} is paused: 3 policy rejections in a row"]
    checks = run_checks(store, now=LATER)
    assert (checks["stuck"].level, "issues resume" in checks["stuck"].fix) == ("error", True)
    with store.write() as tx:
        tx.issues.change(number, IssueEvent.RESUME, TUESDAY)
        tx.issues.change(number, IssueEvent.PAUSE, TUESDAY, reason=PAUSED_BY_HAND)
    assert blocked(store, LATER) == []


def test_a_mail_server_that_is_down_for_long_makes_the_issue_stuck(store: SqlStore) -> None:
    number = freeze(store)
    with store.sending("newsletter run", TUESDAY):
        for minutes in (0, 5, 12, 25):
            at = TUESDAY + timedelta(minutes=minutes)
            trouble(store, at).record("relay: refused")
        assert blocked(store, TUESDAY + timedelta(minutes=5)) == []
        assert blocked(store, LATER) == [f"issue {number} cannot be sent: relay: refused"]
        assert blocked(store, LATER + timedelta(hours=2)) == [], "nobody has seen it again"
        trouble(store, LATER).clear()
        assert blocked(store, LATER) == []


def test_an_unfinished_issue_that_nobody_sends_is_stuck(store: SqlStore) -> None:
    number = freeze(store)
    assert blocked(store, TUESDAY + timedelta(minutes=1)) == []
    assert blocked(store, LATER) == [f"issue {number} is not finished, and nothing is sending it"]
    with store.sending("newsletter run", TUESDAY):
        assert blocked(store, LATER) == []


def test_an_alert_that_cannot_leave_is_seen_by_monitoring(store: SqlStore) -> None:
    with store.write() as tx:
        tx.transactional.add("alert", "owner@tips.example", {}, TUESDAY)
        (email,) = tx.transactional.due(TUESDAY, 1)
        tx.transactional.done(email.id, "deferred", "relay: connection refused", TUESDAY)
    assert blocked(store, TUESDAY + timedelta(minutes=1)) == []
    assert blocked(store, LATER) == ["1 alert email waits after a failed attempt: relay: connection refused"]


# -- keys -------------------------------------------------------------------------------------------


def test_a_key_that_signed_links_and_is_missing_now_is_an_error(store: SqlStore) -> None:
    assert run_checks(store)["keys"].level == "ok"
    with store.write() as tx:
        record_key(tx, Signer([KEY]), TUESDAY)
    assert run_checks(store)["keys"].level == "ok"
    found = run_checks(store, key="another-key-0123456789", now=TUESDAY + timedelta(days=300))["keys"]
    assert (found.level, "May 5, 2026" in found.message) == ("error", True)
    long_after = run_checks(store, key="another-key-0123456789", now=TUESDAY + timedelta(days=500))["keys"]
    assert long_after.level == "ok"
    assert KEY not in str(found)
