"""The sign-up limits over real HTTP: form tickets, limits, suspension, and equal work for every address."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import event

from newsletter.actions.subscribers.signup_limits import origin_key
from newsletter.domain.subscribers.address import parse_address
from newsletter.domain.subscribers.signup_limits import STREAM, NeedsProof, TooMany
from tests.support.web import WebHarness, open_web_harness

JSON = {"Accept": "application/json"}


@pytest.fixture
def web_harness(tmp_path: Path) -> Iterator[WebHarness]:
    with open_web_harness(tmp_path, trusted_proxies="127.0.0.1", owner="owner@tips.example") as web_harness:
        yield web_harness


def sign_up(
    web_harness: WebHarness, email: str, origin: str = "127.0.0.1", ticket: str = "", **more: Any
) -> httpx.Response:
    fields = {"email": email, **({"ticket": ticket} if ticket else {})}
    headers = {"X-Forwarded-For": origin, **more.pop("headers", {})}
    return web_harness.http.post("/subscribe", data=fields, headers=headers, **more)


def ticket(web_harness: WebHarness, page: str = "/") -> str:
    """The ticket of a form that was loaded ten seconds ago."""
    (found,) = re.findall(r'name="ticket" value="([^"]+)"', web_harness.http.get(page).text)
    web_harness.clock.forward(seconds=10)
    return str(found)


def confirmations(web_harness: WebHarness) -> list[str]:
    web_harness.app.transactional.send()
    return [email["To"] for email in web_harness.emails() if "Please confirm" in email["Subject"]]


def test_ten_thousand_hostile_sign_ups_send_few_emails_and_real_ones_work_afterward(web_harness: WebHarness) -> None:
    seen = ticket(web_harness)
    for number in range(10_000):
        address = parse_address(f"victim{number % 9_000}@host{number % 300}.example")
        web_harness.clock.forward(seconds=0.5)
        proven = number % 2 == 0
        try:
            web_harness.app.signup.subscribe(
                address.text, "", form="page/1", origin=f"203.0.{number % 250}.{number % 199}", proven=proven
            )
        except TooMany:
            continue
    mailed = confirmations(web_harness)
    assert 10 < len(mailed) <= 50
    assert len(set(mailed)) == len(mailed)
    assert sign_up(web_harness, "early@host.example", ticket=seen).status_code == 403

    web_harness.clock.forward(hours=25)
    seen = ticket(web_harness)
    assert sign_up(web_harness, "honest@host.example", "198.51.100.7", seen).status_code == 303
    web_harness.http.post(web_harness.confirm_path("honest@host.example"))
    for number in range(10):
        assert sign_up(web_harness, f"friend{number}@host.example", f"198.51.100.{number}", seen).status_code == 303
        assert confirmations(web_harness)[-1] == f"friend{number}@host.example"
    alerts = [email for email in web_harness.emails() if email["To"] == "owner@tips.example"]
    assert 1 <= len(alerts) <= 12
    assert "sign-up form" in alerts[0]["Subject"]


def test_no_reminder_is_sent_for_sign_ups_of_an_attack(web_harness: WebHarness) -> None:
    for number in range(60):
        sign_up(web_harness, f"victim{number}@host{number}.example", f"203.0.113.{number}")
    web_harness.clock.forward(days=4)
    assert web_harness.app.maintenance.run()["reminded"] == 0


def test_many_visitors_who_confirm_are_not_limited(web_harness: WebHarness) -> None:
    for number in range(100):
        seen, address = ticket(web_harness), f"reader{number}@host{number % 7}.example"
        assert sign_up(web_harness, address, f"198.51.100.{number}", seen).status_code == 303
        web_harness.http.post(web_harness.confirm_path(address))


def test_an_address_gets_one_email_a_day_and_can_return_on_the_day_it_unsubscribed(web_harness: WebHarness) -> None:
    for hours in range(24):
        sign_up(web_harness, "anna@host.example", f"203.0.113.{hours}")
        web_harness.clock.forward(minutes=59)
    assert len(confirmations(web_harness)) == 1
    web_harness.http.post(web_harness.confirm_path("anna@host.example"))
    web_harness.http.post(web_harness.unsubscribe_path("anna@host.example"))
    sign_up(web_harness, "anna@host.example", "203.0.113.99")
    sign_up(web_harness, "anna@host.example", "203.0.113.98")
    assert len(confirmations(web_harness)) == 2
    web_harness.http.post(web_harness.confirm_path("anna@host.example"))
    assert web_harness.subscriber("anna@host.example").display_status == "confirmed"


def test_each_network_has_a_limit_and_our_form_a_higher_one(
    web_harness: WebHarness,
) -> None:
    assert [sign_up(web_harness, f"a{n}@a{n}.example", "203.0.113.1").status_code for n in range(6)] == [303] * 5 + [
        429
    ]
    networks = [sign_up(web_harness, f"b{n}@b{n}.example", f"2001:db8::{n:x}").status_code for n in range(6)]
    assert networks == [303] * 5 + [429]
    assert sign_up(web_harness, "c@c.example", "2001:db8:0:1::1").status_code == 303
    seen = ticket(web_harness)
    assert sign_up(web_harness, "d@d.example", "198.51.100.1", seen).status_code == 303
    answer = sign_up(web_harness, "e@e.example", "203.0.113.1", headers=JSON)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "3600")
    assert "network" in answer.json()["error"]
    web_harness.clock.forward(hours=1, minutes=1)
    assert sign_up(web_harness, "e@e.example", "203.0.113.1").status_code == 303


def test_one_domain_is_not_flooded_through_many_addresses(web_harness: WebHarness) -> None:
    def try_sign_up(address: str, origin: str, *, solved: bool = False) -> None:
        web_harness.app.signup.subscribe(address, "", form="page/1", origin=origin, personal=solved)

    for number in range(15):
        try_sign_up(f"a{number}@big.example", f"203.0.113.{number}")
    for _ in range(2):  # first from the database, then from the cache
        with pytest.raises(NeedsProof):
            try_sign_up("a@big.example", "203.0.113.99")
    try_sign_up("a@small.example", "198.51.100.1")
    for number in range(15):
        try_sign_up(f"b{number}@big.example", f"203.0.114.{number}", solved=True)
    for _ in range(2):
        with pytest.raises(TooMany, match=r"big\.example"):
            try_sign_up("b@big.example", "203.0.114.99", solved=True)


def test_a_limit_that_is_nearly_used_up_does_not_tell_who_subscribes(web_harness: WebHarness) -> None:
    for name in ("known", "stranger"):
        domain = f"{name}s.example"
        if name == "known":
            web_harness.app.subscribers.add(f"victim@{domain}", confirmed_source="test")
        answers = [sign_up(web_harness, f"a{at}@{domain}", f"203.0.113.{at}").status_code for at in range(14)]
        victim = sign_up(web_harness, f"victim@{domain}", "203.0.113.50").status_code
        after = sign_up(web_harness, f"b@{domain}", "203.0.113.51").status_code
        assert (set(answers), victim, after) == ({303}, 303, 403), name
        web_harness.clock.forward(hours=3)


@pytest.mark.parametrize("more", [0, 1])
def test_a_stream_that_nearly_asks_for_a_proof_does_not_tell_who_subscribes(tmp_path: Path, more: int) -> None:
    answers = []
    for name in ("known", "waiting", "suppressed", "stranger"):
        with open_web_harness(tmp_path / name, trusted_proxies="127.0.0.1") as harness:
            harness.app.subscribers.add("known@host.example", confirmed_source="test")
            harness.app.subscribers.add("waiting@host.example", confirmed_source=None)
            harness.app.suppressions.add("suppressed@host.example")
            for at in range(STREAM - 2 + more):
                harness.clock.forward(minutes=20)
                sign_up(harness, f"a@host{at}.example", f"203.0.{at}.1")
            sign_up(harness, f"{name}@host.example", "203.0.113.50")
            answers.append(sign_up(harness, "b@host.example", "203.0.113.51").status_code)
    assert answers == [403 if more else 303] * 4


STATES = ("new", "known", "paused", "left", "waiting", "expired", "suppressed", "erased")


def test_every_kind_of_address_gets_the_same_answer(web_harness: WebHarness) -> None:
    subscribers = web_harness.app.subscribers
    for name in ("known", "paused", "left", "erased"):
        subscribers.add(f"{name}@host.example", confirmed_source="test")
    subscribers.add("expired@host.example", confirmed_source=None)
    web_harness.clock.forward(days=40)
    web_harness.app.maintenance.run()
    subscribers.add("waiting@host.example", confirmed_source=None)
    web_harness.http.post(web_harness.preferences_path("paused@host.example"), data={"action": "pause", "weeks": "2"})
    web_harness.http.post(web_harness.unsubscribe_path("left@host.example"))
    web_harness.app.suppressions.add("suppressed@host.example")
    subscribers.erase("erased@host.example")
    seen: set[tuple[object, ...]] = set()
    for at, name in enumerate(STATES):
        web_harness.clock.forward(hours=2)
        given = {"email": f"{name}@host.example"}
        origin = {"X-Forwarded-For": f"203.0.113.{at}"}
        for path, headers in (("/subscribe", {}), ("/subscribe", JSON), ("/link", {}), ("/link", JSON)):
            answer = web_harness.http.post(path, data=given, headers={**origin, **headers})
            shown = sorted((key, value) for key, value in answer.headers.items() if key != "date")
            seen.add((path, *headers, answer.status_code, answer.text, *shown))
    assert len(seen) == 4


def test_all_addresses_of_one_mailbox_get_few_emails_together(web_harness: WebHarness) -> None:
    forms = ["b.o.b+{}@gmail.com", "bo.b+{}@googlemail.com", "Bob+{}@gmail.com", "bob@gmail.com"]
    for hour in range(7 * 24):
        for at, form in enumerate(forms):
            sign_up(web_harness, form.format(f"{hour}x{at}"), f"203.0.{hour}.{at}")
        web_harness.app.maintenance.run()
        web_harness.app.transactional.send()
        web_harness.clock.forward(hours=1)
    to_bob = [email["To"] for email in web_harness.emails() if "owner" not in email["To"]]
    assert len(to_bob) == 4


def test_changes_of_address_count_toward_the_limit_of_a_mailbox(web_harness: WebHarness) -> None:
    for at in range(8):
        web_harness.app.subscribers.add(f"a{at}@host.example", confirmed_source="test")
        path = web_harness.preferences_path(f"a{at}@host.example")
        page = web_harness.http.post(path, data={"action": "address", "email": f"bob+{at}@gmail.com"})
        assert (page.status_code, f"bob+{at}@gmail.com" in page.text) == (200, True)
    web_harness.app.transactional.send()
    assert sum(email["To"].startswith("bob") for email in web_harness.emails()) == 4


def test_an_answer_gives_a_mailbox_its_emails_back(web_harness: WebHarness) -> None:
    for at in range(12):
        address = f"bob+{at}@host.example"
        assert sign_up(web_harness, address, f"203.0.113.{at}").status_code == 303
        web_harness.http.post(web_harness.confirm_path(address))
        assert web_harness.subscriber(address).display_status == "confirmed"


@pytest.mark.parametrize(
    ("networks", "origin"),
    [(1, "203.0.113.{}"), (2, "203.0.113.{}"), (3, "203.0.113.{}"), (60, "2001:db8:7:{}::1")],
)
def test_few_networks_cannot_close_the_form_for_everybody(web_harness: WebHarness, networks: int, origin: str) -> None:
    refused = attacks = 0
    for hour in range(48):
        for at in range(60):
            seen = web_harness.app.signup.subscribe
            try:
                seen(f"victim{hour}x{at}@host{at % 9}.example", "", form="page/1", origin=origin.format(at % networks))
                attacks += 1
            except TooMany:
                continue
        try:
            web_harness.app.signup.subscribe(
                f"real{hour}@host1.example", "", form="page/1", origin=f"198.51.100.{hour}", personal=True
            )
        except TooMany:
            refused += 1
        web_harness.clock.forward(hours=1)
    assert refused == 0
    assert attacks <= min(networks, 3) * 48 * 10


def test_a_stream_that_no_hourly_limit_stops_alerts_the_owner_once_a_day(web_harness: WebHarness) -> None:
    for hour in range(72):
        for at in range(3):
            sign_up(web_harness, f"victim{hour}x{at}@host{at}.example", f"203.0.{hour}.{at}")
        web_harness.app.maintenance.run()
        web_harness.app.transactional.send()
        web_harness.clock.forward(hours=1)
    alerts = [email["Subject"] for email in web_harness.emails() if email["To"] == "owner@tips.example"]
    assert 2 <= len(alerts) <= 3
    assert all("may be abused" in subject for subject in alerts)


def test_many_sign_ups_that_are_answered_alert_nobody(web_harness: WebHarness) -> None:
    for hour in range(30):
        for at in range(6):
            address = f"reader{hour}x{at}@host{at}.example"
            sign_up(web_harness, address, f"203.0.{hour}.{at}")
            if at % 2:
                web_harness.http.post(web_harness.confirm_path(address))
        web_harness.app.maintenance.run()
        web_harness.clock.forward(hours=1)
    web_harness.app.transactional.send()
    assert [email for email in web_harness.emails() if email["To"] == "owner@tips.example"] == []


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
def test_the_network_of_an_origin(origin: str, key: str) -> None:
    assert origin_key(origin) == key


@pytest.mark.parametrize("page", ["/", "/signup/embed"])
def test_a_form_ticket_is_valid_after_two_seconds_and_for_a_day(web_harness: WebHarness, page: str) -> None:
    answers = []
    for seconds, email in ((1, "quick"), (9, "reader"), (90_000, "late")):
        fresh = re.findall(r'name="ticket" value="([^"]+)"', web_harness.http.get(page).text)[0]
        web_harness.clock.forward(seconds=seconds)
        for number in range(8):
            answer = sign_up(web_harness, f"{email}{number}@{email}{number}.example", "203.0.113.5", fresh)
            answers.append(answer.status_code)
            web_harness.http.post(
                web_harness.confirm_path(f"{email}{number}@{email}{number}.example")
            ) if answer.status_code == 303 else 0
        web_harness.clock.forward(hours=2)
    assert answers == [303] * 5 + [429] * 3 + [303] * 8 + [303] * 5 + [429] * 3


def test_a_refused_sign_up_returns_the_form_filled_in(web_harness: WebHarness) -> None:
    for number in range(5):
        sign_up(web_harness, f"a{number}@a{number}.example", "203.0.113.1")
    answer = web_harness.http.post(
        "/subscribe", data={"email": "anna@host.example", "name": "Anna"}, headers={"X-Forwarded-For": "203.0.113.1"}
    )
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "3600")
    assert 'role="alert"' in answer.text
    assert 'value="anna@host.example"' in answer.text
    assert "aria-invalid" not in answer.text


@contextmanager
def statements(web_harness: WebHarness) -> Iterator[list[str]]:
    """The statements that the database runs inside the block, by their first words."""
    engine, seen = web_harness.app.store._database._engine, []  # type: ignore[attr-defined]

    def listen(connection: sqlite3.Connection, *_: Any) -> None:
        connection.set_trace_callback(lambda statement: seen.append(" ".join(statement.split()[:3])))

    def stop_listening(connection: sqlite3.Connection, *_: Any) -> None:
        connection.set_trace_callback(None)

    event.listen(engine, "checkout", listen)
    event.listen(engine, "checkin", stop_listening)
    yield seen
    event.remove(engine, "checkout", listen)
    event.remove(engine, "checkin", stop_listening)


def test_known_and_unknown_addresses_run_the_same_statements(web_harness: WebHarness) -> None:
    web_harness.app.subscribers.add("known@host.example", confirmed_source="test")
    web_harness.app.suppressions.add("never@host.example")
    sign_up(web_harness, "waiting@host.example")
    work: dict[str, list[str]] = {}
    for name in ("new", "known", "never", "waiting"):
        with statements(web_harness) as seen:
            sign_up(web_harness, f"{name}@host.example", f"203.0.113.{len(work)}")
        work[name] = [words for words in seen if not re.match(r"PRAGMA|BEGIN|COMMIT|SAVEPOINT|ROLLBACK|RELEASE", words)]
    writes = {name: [words for words in done if not words.startswith("SELECT")] for name, done in work.items()}
    assert writes["new"]
    assert sorted(writes["known"]) == sorted(writes["never"]) == sorted(writes["waiting"]) == sorted(writes["new"])
    assert max(map(len, work.values())) - min(map(len, work.values())) <= 3


def test_disposable_domains_are_refused_if_the_owner_has_a_list(tmp_path: Path) -> None:
    (tmp_path / "domains").write_text("# disposable\nmailbin.example\n")
    with open_web_harness(tmp_path, disposable_domains=str(tmp_path / "domains")) as web_harness:
        for email, status in (("a@mailbin.example", 422), ("a@x.MailBin.example", 422), ("a@notmailbin.example", 303)):
            assert web_harness.http.post("/subscribe", data={"email": email}).status_code == status


# -- other sites -----------------------------------------------------------------------------------


def test_allowed_sites_can_frame_the_form_but_never_personal_pages(tmp_path: Path) -> None:
    with open_web_harness(tmp_path, frame_ancestors="https://shop.example") as web_harness:
        framed = web_harness.http.get("/signup/embed")
        assert framed.headers["content-security-policy"].endswith("frame-ancestors https://shop.example")
        assert 'name="in" value="frame"' in framed.text
        answer = web_harness.http.post("/subscribe", data={"email": "anna@host.example", "in": "frame"})
        assert answer.headers["location"] == "/signup/embed/sent"
        assert web_harness.http.get("/signup/embed/sent").status_code == 200
        wrong = web_harness.http.post("/subscribe", data={"email": "anna", "in": "frame"})
        assert (wrong.status_code, 'name="in" value="frame"' in wrong.text) == (422, True)
        personal = web_harness.http.get(web_harness.confirm_path("anna@host.example"))
        assert personal.headers["content-security-policy"].endswith("frame-ancestors 'none'")


def test_only_scripts_of_allowed_sites_can_post_json(tmp_path: Path) -> None:
    allowed, other = "https://shop.example", "https://evil.example"
    with open_web_harness(tmp_path, allowed_origins=f"{allowed} https://*.good.example") as web_harness:
        for origin, may in ((allowed, True), (other, False), ("https://a.b.good.example", True), ("null", False)):
            asked = web_harness.http.options(
                "/subscribe", headers={"Origin": origin, "Access-Control-Request-Method": "POST"}
            )
            posted = web_harness.http.post(
                "/subscribe", json={"email": "a@host.example"}, headers={"Origin": origin, **JSON}
            )
            wrong = web_harness.http.post("/subscribe", json={"email": "a"}, headers={"Origin": origin, **JSON})
            assert (asked.status_code, posted.status_code, wrong.status_code) == (204, 202, 422)
            for answer in (asked, posted, wrong):
                assert answer.headers.get("access-control-allow-origin") == (origin if may else None)
                assert "Origin" in answer.headers["vary"]
            assert "access-control-allow-origin" not in web_harness.http.get("/", headers={"Origin": origin}).headers


def test_the_script_inserts_the_iframe(web_harness: WebHarness) -> None:
    answer = web_harness.http.get("/signup.js")
    assert answer.headers["content-type"].startswith("text/javascript")
    assert '"/signup/embed"' in answer.text
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
