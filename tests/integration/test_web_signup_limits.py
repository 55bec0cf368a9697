"""The front door under attack, over real HTTP: tickets, limits, the closed door, and that everybody gets the same."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import event

from newsletter.app.signup_limits import TooMany, origin_key
from newsletter.domain.subscribers.address import parse_address
from tests.support.web import Front, open_front

JSON = {"Accept": "application/json"}


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Front]:
    with open_front(tmp_path, trusted_proxies="127.0.0.1", owner="owner@tips.example") as front:
        yield front


def sign_up(front: Front, email: str, origin: str = "127.0.0.1", ticket: str = "", **more: Any) -> httpx.Response:
    fields = {"email": email, **({"ticket": ticket} if ticket else {})}
    headers = {"X-Forwarded-For": origin, **more.pop("headers", {})}
    return front.http.post("/subscribe", data=fields, headers=headers, **more)


def ticket(front: Front, page: str = "/") -> str:
    """The ticket of a form that somebody looked at for ten seconds."""
    (found,) = re.findall(r'name="ticket" value="([^"]+)"', front.http.get(page).text)
    front.clock.forward(seconds=10)
    return str(found)


def confirmations(front: Front) -> list[str]:
    front.app.flush_notices()
    return [mail["To"] for mail in front.mails() if "Please confirm" in mail["Subject"]]


def test_ten_thousand_hostile_sign_ups_send_few_mails_and_honest_ones_work_afterwards(front: Front) -> None:
    seen = ticket(front)
    for number in range(10_000):
        address = parse_address(f"victim{number % 9_000}@host{number % 300}.example")
        front.clock.forward(seconds=0.5)
        proven = number % 2 == 0
        try:
            front.app.subscribe(
                address.text, "", form="page/1", origin=f"203.0.{number % 250}.{number % 199}", proven=proven
            )
        except TooMany:
            continue
    mailed = confirmations(front)
    assert 10 < len(mailed) <= 50
    assert len(set(mailed)) == len(mailed)
    assert sign_up(front, "early@host.example", ticket=seen).status_code == 429

    front.clock.forward(hours=25)
    seen = ticket(front)
    assert sign_up(front, "honest@host.example", "198.51.100.7", seen).status_code == 303
    front.http.post(front.confirm_path("honest@host.example"))
    for number in range(10):
        assert sign_up(front, f"friend{number}@host.example", f"198.51.100.{number}", seen).status_code == 303
        assert confirmations(front)[-1] == f"friend{number}@host.example"
    alarms = [mail for mail in front.mails() if mail["To"] == "owner@tips.example"]
    assert 1 <= len(alarms) <= 12
    assert "sign-up form" in alarms[0]["Subject"]


def test_nobody_is_reminded_of_a_sign_up_that_came_with_an_attack(front: Front) -> None:
    for number in range(60):
        sign_up(front, f"victim{number}@host{number}.example", f"203.0.113.{number}")
    front.clock.forward(days=4)
    assert front.app.housekeeping()["reminded"] == 0


def test_a_crowd_that_confirms_passes(front: Front) -> None:
    for number in range(100):
        seen, address = ticket(front), f"reader{number}@host{number % 7}.example"
        assert sign_up(front, address, f"198.51.100.{number}", seen).status_code == 303
        front.http.post(front.confirm_path(address))


def test_one_address_gets_one_mail_a_day_and_who_left_today_comes_back_today(front: Front) -> None:
    for hours in range(24):
        sign_up(front, "anna@host.example", f"203.0.113.{hours}")
        front.clock.forward(minutes=59)
    assert len(confirmations(front)) == 1
    front.http.post(front.confirm_path("anna@host.example"))
    front.http.post(front.leave_path("anna@host.example"))
    sign_up(front, "anna@host.example", "203.0.113.99")
    sign_up(front, "anna@host.example", "203.0.113.98")
    assert len(confirmations(front)) == 2
    front.http.post(front.confirm_path("anna@host.example"))
    assert front.reader("anna@host.example").shown_status == "confirmed"


def test_an_origin_has_its_limit_an_ipv6_one_by_its_network_and_a_form_of_ours_a_wider_one(front: Front) -> None:
    assert [sign_up(front, f"a{n}@a{n}.example", "203.0.113.1").status_code for n in range(6)] == [303] * 5 + [429]
    networks = [sign_up(front, f"b{n}@b{n}.example", f"2001:db8::{n:x}").status_code for n in range(6)]
    assert networks == [303] * 5 + [429]
    assert sign_up(front, "c@c.example", "2001:db8:0:1::1").status_code == 303
    seen = ticket(front)
    assert sign_up(front, "d@d.example", "198.51.100.1", seen).status_code == 303
    answer = sign_up(front, "e@e.example", "203.0.113.1", headers=JSON)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "3600")
    assert "network" in answer.json()["error"]
    front.clock.forward(hours=1, minutes=1)
    assert sign_up(front, "e@e.example", "203.0.113.1").status_code == 303


def test_a_host_is_not_flooded_through_many_of_its_addresses(front: Front) -> None:
    def knock(address: str, origin: str) -> None:
        front.app.subscribe(address, "", form="page/1", origin=origin)

    for number in range(15):
        knock(f"a{number}@big.example", f"203.0.113.{number}")
    for _ in range(2):  # from the database, then from memory
        with pytest.raises(TooMany, match=r"big\.example"):
            knock("a@big.example", "203.0.113.99")
    knock("a@small.example", "198.51.100.1")


@pytest.mark.parametrize(
    ("origin", "key"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("127.0.0.1", ""),
        ("::1", ""),
        ("", ""),
        ("testclient", ""),
    ],
)
def test_an_origin_is_an_address_or_a_network(origin: str, key: str) -> None:
    assert origin_key(origin) == key


@pytest.mark.parametrize("page", ["/", "/signup/embed"])
def test_a_ticket_is_worth_something_after_two_seconds_and_for_a_day(front: Front, page: str) -> None:
    answers = []
    for seconds, email in ((1, "quick"), (9, "reader"), (90_000, "late")):
        fresh = re.findall(r'name="ticket" value="([^"]+)"', front.http.get(page).text)[0]
        front.clock.forward(seconds=seconds)
        for number in range(8):
            answer = sign_up(front, f"{email}{number}@{email}{number}.example", "203.0.113.5", fresh)
            answers.append(answer.status_code)
            front.http.post(
                front.confirm_path(f"{email}{number}@{email}{number}.example")
            ) if answer.status_code == 303 else 0
        front.clock.forward(hours=2)
    assert answers == [303] * 5 + [429] * 3 + [303] * 8 + [303] * 5 + [429] * 3


def test_a_full_house_is_said_on_the_form_which_keeps_what_was_typed(front: Front) -> None:
    for number in range(5):
        sign_up(front, f"a{number}@a{number}.example", "203.0.113.1")
    answer = front.http.post(
        "/subscribe", data={"email": "anna@host.example", "name": "Anna"}, headers={"X-Forwarded-For": "203.0.113.1"}
    )
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "3600")
    assert 'role="alert"' in answer.text
    assert 'value="anna@host.example"' in answer.text
    assert "aria-invalid" not in answer.text


@contextmanager
def statements(front: Front) -> Iterator[list[str]]:
    """The kinds of statements the database gets meanwhile, savepoints aside."""
    engine, seen = front.app.store._database._engine, []  # type: ignore[attr-defined]

    def listen(connection: sqlite3.Connection, *_: Any) -> None:
        connection.set_trace_callback(lambda statement: seen.append(" ".join(statement.split()[:3])))

    def turn_away(connection: sqlite3.Connection, *_: Any) -> None:
        connection.set_trace_callback(None)

    event.listen(engine, "checkout", listen)
    event.listen(engine, "checkin", turn_away)
    yield seen
    event.remove(engine, "checkout", listen)
    event.remove(engine, "checkin", turn_away)


def test_known_and_unknown_addresses_cost_the_same_work(front: Front) -> None:
    front.app.add_subscriber("known@host.example", confirmed_source="test")
    front.app.suppress("never@host.example")
    sign_up(front, "waiting@host.example")
    work: dict[str, list[str]] = {}
    for name in ("new", "known", "never", "waiting"):
        with statements(front) as seen:
            sign_up(front, f"{name}@host.example", f"203.0.113.{len(work)}")
        work[name] = [words for words in seen if not re.match(r"PRAGMA|BEGIN|COMMIT|SAVEPOINT|ROLLBACK|RELEASE", words)]
    writes = {name: [words for words in done if not words.startswith("SELECT")] for name, done in work.items()}
    assert writes["new"]
    assert sorted(writes["known"]) == sorted(writes["never"]) == sorted(writes["waiting"]) == sorted(writes["new"])
    assert max(map(len, work.values())) - min(map(len, work.values())) <= 3


def test_throw_away_domains_are_refused_if_the_owner_has_a_list(tmp_path: Path) -> None:
    (tmp_path / "domains").write_text("# throw-away\nmailbin.example\n")
    with open_front(tmp_path, disposable_domains=str(tmp_path / "domains")) as front:
        for email, status in (("a@mailbin.example", 422), ("a@x.MailBin.example", 422), ("a@notmailbin.example", 303)):
            assert front.http.post("/subscribe", data={"email": email}).status_code == status


# -- other sites -----------------------------------------------------------------------------------


def test_the_form_can_be_framed_where_the_owner_says_and_personal_pages_nowhere(tmp_path: Path) -> None:
    with open_front(tmp_path, frame_ancestors="https://shop.example") as front:
        framed = front.http.get("/signup/embed")
        assert framed.headers["content-security-policy"].endswith("frame-ancestors https://shop.example")
        assert 'name="in" value="frame"' in framed.text
        answer = front.http.post("/subscribe", data={"email": "anna@host.example", "in": "frame"})
        assert answer.headers["location"] == "/signup/embed/sent"
        assert front.http.get("/signup/embed/sent").status_code == 200
        wrong = front.http.post("/subscribe", data={"email": "anna", "in": "frame"})
        assert (wrong.status_code, 'name="in" value="frame"' in wrong.text) == (422, True)
        personal = front.http.get(front.confirm_path("anna@host.example"))
        assert personal.headers["content-security-policy"].endswith("frame-ancestors 'none'")


def test_a_script_of_an_allowed_site_may_post_json_and_no_other_may(tmp_path: Path) -> None:
    allowed, other = "https://shop.example", "https://evil.example"
    with open_front(tmp_path, allowed_origins=f"{allowed} https://*.good.example") as front:
        for origin, may in ((allowed, True), (other, False), ("https://a.b.good.example", True), ("null", False)):
            asked = front.http.options(
                "/subscribe", headers={"Origin": origin, "Access-Control-Request-Method": "POST"}
            )
            posted = front.http.post("/subscribe", json={"email": "a@host.example"}, headers={"Origin": origin, **JSON})
            wrong = front.http.post("/subscribe", json={"email": "a"}, headers={"Origin": origin, **JSON})
            assert (asked.status_code, posted.status_code, wrong.status_code) == (204, 202, 422)
            for answer in (asked, posted, wrong):
                assert answer.headers.get("access-control-allow-origin") == (origin if may else None)
                assert "Origin" in answer.headers["vary"]
            assert "access-control-allow-origin" not in front.http.get("/", headers={"Origin": origin}).headers


def test_the_script_puts_the_frame_where_it_stands(front: Front) -> None:
    answer = front.http.get("/signup.js")
    assert answer.headers["content-type"].startswith("text/javascript")
    assert '"/signup/embed"' in answer.text
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
