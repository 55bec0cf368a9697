"""The sign-up limits are stored in the database: no restart and no second process resets them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import event

from newsletter.actions.subscribers.confirm import confirm_token
from newsletter.app import App
from newsletter.domain.subscribers.signup_limits import BUDGETS, SignupLimit, TooMany
from newsletter.settings import load_settings
from newsletter.store.signup_limits import MOST
from tests.support.web import FRIDAY, KEY, FakeClock

UNPROVEN = BUDGETS["unproven"]


class Cluster:
    """One database, one clock, and any number of processes."""

    def __init__(self, directory: Path) -> None:
        self.clock = FakeClock()
        self._environ = {
            "NEWSLETTER_DATABASE_URL": f"sqlite:///{directory}/newsletter.db",
            "NEWSLETTER_SENDER_URL": "console:",
            "NEWSLETTER_SECRET_KEY": KEY,
            "NEWSLETTER_FROM": "tips@tips.example",
            "NEWSLETTER_BASE_URL": "https://tips.example",
            "NEWSLETTER_OWNER": "owner@tips.example",
        }
        with self.process() as app:
            app.database.upgrade()

    @contextmanager
    def process(self) -> Iterator[App]:
        app = App(load_settings(self._environ), self.clock)
        yield app
        app.close()


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return Cluster(tmp_path)


def try_sign_up(app: App, number: int, *, origin: str = "", address: str = "") -> bool:
    """Try a sign-up without a form ticket; was it accepted?"""
    try:
        app.signup.subscribe(
            address or f"victim{number}@host{number}.example",
            "",
            form="page/1",
            origin=origin or f"203.0.{number // 250}.{number % 250}",
            proven=False,
        )
    except TooMany:
        return False
    return True


def count(app: App, table: str, where: str = "1") -> int:
    with app.store.read() as tx:
        return int(tx.access.db.execute(f"SELECT count(*) FROM {table} WHERE {where}").fetchone()[0])  # type: ignore[attr-defined] # noqa: S608


def test_a_suspension_survives_a_restart_and_the_owner_is_alerted_once(cluster: Cluster) -> None:
    with cluster.process() as app:
        assert sum(try_sign_up(app, number) for number in range(40)) == UNPROVEN
    with cluster.process() as app:
        assert not any(try_sign_up(app, number) for number in range(100, 120))
        assert count(app, "notice", "kind = 'alert'") == 1
        assert count(app, "notice", "kind = 'confirm'") == UNPROVEN
        cluster.clock.forward(hours=1, minutes=1)
        assert try_sign_up(app, 200)


def test_two_processes_share_one_budget(cluster: Cluster) -> None:
    with cluster.process() as one, cluster.process() as other:
        let_in = [try_sign_up((one, other)[number % 2], number) for number in range(40)]
        assert sum(let_in) == UNPROVEN
        assert (try_sign_up(one, 100), try_sign_up(other, 101)) == (False, False)


def test_pressure_during_a_suspension_counts_after_a_restart_too(cluster: Cluster) -> None:
    with cluster.process() as app:
        for number in range(80):
            try_sign_up(app, number)
    cluster.clock.forward(hours=1, minutes=1)
    with cluster.process() as app:
        assert [try_sign_up(app, number) for number in range(200, 203)] == [True, False, False]


def test_one_email_a_day_per_address_across_restarts(cluster: Cluster) -> None:
    for _ in range(5):
        with cluster.process() as app:
            assert try_sign_up(app, 0, address="anna@host.example")
            assert count(app, "notice", "kind = 'confirm' AND state = 'pending'") == 1
        cluster.clock.forward(hours=4)


def test_the_limit_of_a_network_survives_restarts_for_sign_ups_and_links(cluster: Cluster) -> None:
    for number in range(8):
        with cluster.process() as app:
            assert try_sign_up(app, number, origin="2001:db8::1") is (number < 5)
    for number in range(8):
        with cluster.process() as app:
            if number < 5:
                app.preferences.send_link("nobody@host.example", origin="203.0.113.1")
            else:
                with pytest.raises(TooMany):
                    app.preferences.send_link("nobody@host.example", origin="203.0.113.1")


def test_a_confirmation_in_another_process_restores_the_budget(cluster: Cluster) -> None:
    for number in range(3 * UNPROVEN):
        with cluster.process() as app:
            assert try_sign_up(app, number), number
        with cluster.process() as app, app.store.read() as tx:
            subscriber = tx.subscribers.by_address(f"victim{number}@host{number}.example")
        assert subscriber
        with cluster.process() as app:
            app.confirm_links.confirm(confirm_token(app.signer, subscriber.key, int(subscriber.signup_at.timestamp())))
            assert count(app, "asked") == 0


def test_a_repeated_refusal_costs_no_query(cluster: Cluster) -> None:
    with cluster.process() as app:
        for number in range(UNPROVEN + 2):
            try_sign_up(app, number)
        asked: list[object] = []
        event.listen(app.store._database._engine, "checkout", lambda *seen: asked.append(seen[0]))  # type: ignore[attr-defined]
        assert not any(try_sign_up(app, number) for number in range(500, 500 + UNPROVEN // 2))
        assert asked == []


def test_the_counters_are_bounded_and_deleted_in_time(cluster: Cluster) -> None:
    with cluster.process() as app:
        with app.store.write() as tx:
            rows = [{"name": f"signup/{number}", "ends": int(FRIDAY.timestamp() * 1000)} for number in range(MOST + 50)]
            tx.access.db.executemany("INSERT INTO tally VALUES (:name, 1, :ends)", rows)  # type: ignore[attr-defined]
        try_sign_up(app, 1)
        assert MOST - 2 <= count(app, "tally") <= MOST
        assert count(app, "asked") == 1
        cluster.clock.forward(hours=25)
        done = app.maintenance.run()
        assert (done["signup_counts"] > 0, done["unanswered"], count(app, "asked")) == (True, 1, 0)
        assert count(app, "tally", "name NOT LIKE 'mailbox/%'") == 0
        for _ in range(2):  # in the first week, the reminder is counted
            cluster.clock.forward(days=8)
            app.maintenance.run()
        assert count(app, "tally") == 0


def test_an_erased_address_is_removed_from_the_counters(cluster: Cluster) -> None:
    with cluster.process() as app:
        try_sign_up(app, 0, address="anna@host.example")
        try_sign_up(app, 0, address="anna+tips@host.example")
        app.subscribers.erase("anna@host.example")
        assert count(app, "asked", "address_key = 'anna@host.example'") == 0
        assert count(app, "tally", "name LIKE '%anna%'") == 0


def test_a_sign_up_limit_is_stored_and_loaded_unchanged(cluster: Cluster) -> None:
    limit = SignupLimit(18, 1.0, 0.5, FRIDAY, FRIDAY + timedelta(hours=2), 3, 19)
    with cluster.process() as app, app.store.write() as tx:
        assert tx.signup_limits.get("unproven", 18) == SignupLimit(18)
        tx.signup_limits.save("unproven", limit)
        assert tx.signup_limits.get("unproven", 18) == limit
