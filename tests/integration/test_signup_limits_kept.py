"""The limits of the front door are facts of the database: no restart and no second process opens what was closed."""

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


class Town:
    """One database, one clock, and as many processes as a test wants."""

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
def town(tmp_path: Path) -> Town:
    return Town(tmp_path)


def knock(app: App, number: int, *, origin: str = "", address: str = "") -> bool:
    """A sign-up without a ticket; was it let in?"""
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


def test_a_closed_door_stays_closed_over_a_restart_and_the_owner_is_told_once(town: Town) -> None:
    with town.process() as app:
        assert sum(knock(app, number) for number in range(40)) == UNPROVEN
    with town.process() as app:
        assert not any(knock(app, number) for number in range(100, 120))
        assert count(app, "notice", "kind = 'alarm'") == 1
        assert count(app, "notice", "kind = 'confirm'") == UNPROVEN
        town.clock.forward(hours=1, minutes=1)
        assert knock(app, 200)


def test_two_processes_share_one_budget(town: Town) -> None:
    with town.process() as one, town.process() as other:
        let_in = [knock((one, other)[number % 2], number) for number in range(40)]
        assert sum(let_in) == UNPROVEN
        assert (knock(one, 100), knock(other, 101)) == (False, False)


def test_a_door_that_was_knocked_at_all_the_time_lets_one_try_after_a_restart_too(town: Town) -> None:
    with town.process() as app:
        for number in range(80):
            knock(app, number)
    town.clock.forward(hours=1, minutes=1)
    with town.process() as app:
        assert [knock(app, number) for number in range(200, 203)] == [True, False, False]


def test_one_mail_a_day_for_one_address_over_restarts(town: Town) -> None:
    for _ in range(5):
        with town.process() as app:
            assert knock(app, 0, address="anna@host.example")
            assert count(app, "notice", "kind = 'confirm' AND state = 'pending'") == 1
        town.clock.forward(hours=4)


def test_an_origin_s_limit_holds_over_restarts_for_sign_ups_and_links(town: Town) -> None:
    for number in range(8):
        with town.process() as app:
            assert knock(app, number, origin="2001:db8::1") is (number < 5)
    for number in range(8):
        with town.process() as app:
            if number < 5:
                app.preferences.send_link("nobody@host.example", origin="203.0.113.1")
            else:
                with pytest.raises(TooMany):
                    app.preferences.send_link("nobody@host.example", origin="203.0.113.1")


def test_an_answer_gives_its_place_back_in_another_process(town: Town) -> None:
    for number in range(3 * UNPROVEN):
        with town.process() as app:
            assert knock(app, number), number
        with town.process() as app, app.store.read() as tx:
            reader = tx.subscribers.by_address(f"victim{number}@host{number}.example")
        assert reader
        with town.process() as app:
            app.confirm_links.confirm(confirm_token(app.signer, reader.key, int(reader.signup_at.timestamp())))
            assert count(app, "asked") == 0


def test_who_is_refused_again_costs_no_look_into_the_database(town: Town) -> None:
    with town.process() as app:
        for number in range(UNPROVEN + 2):
            knock(app, number)
        asked: list[object] = []
        event.listen(app.store._database._engine, "checkout", lambda *seen: asked.append(seen[0]))  # type: ignore[attr-defined]
        assert not any(knock(app, number) for number in range(500, 500 + UNPROVEN // 2))
        assert asked == []


def test_what_is_remembered_is_bounded_and_forgotten_in_time(town: Town) -> None:
    with town.process() as app:
        with app.store.write() as tx:
            rows = [{"name": f"signup/{number}", "ends": int(FRIDAY.timestamp() * 1000)} for number in range(MOST + 50)]
            tx.access.db.executemany("INSERT INTO tally VALUES (:name, 1, :ends)", rows)  # type: ignore[attr-defined]
        knock(app, 1)
        assert MOST - 2 <= count(app, "tally") <= MOST
        assert count(app, "asked") == 1
        town.clock.forward(hours=25)
        done = app.maintenance.run()
        assert (done["tallies"] > 0, done["asked"], count(app, "tally"), count(app, "asked")) == (True, 1, 0, 0)


def test_who_is_erased_is_not_remembered_here_either(town: Town) -> None:
    with town.process() as app:
        knock(app, 0, address="anna@host.example")
        app.subscribers.erase("anna@host.example")
        assert count(app, "asked") == 0


def test_a_lane_comes_out_of_the_database_as_it_went_in(town: Town) -> None:
    lane = SignupLimit(18, 1.0, 0.5, FRIDAY, FRIDAY + timedelta(hours=2), 3, 19)
    with town.process() as app, app.store.write() as tx:
        assert tx.signup_limits.get("unproven", 18) == SignupLimit(18)
        tx.signup_limits.save("unproven", lane)
        assert tx.signup_limits.get("unproven", 18) == lane
