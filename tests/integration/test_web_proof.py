"""While the sign-up form is abused, a sign-up needs a calculation in the browser, or a wait."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import pytest

from newsletter.domain.subscribers.signup_limits import BUDGETS, PER_DOMAIN, NeedsProof, TooMany
from tests.support.altcha import solve
from tests.support.web import WebHarness, open_web_harness

JSON = {"Accept": "application/json"}


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[WebHarness]:
    with open_web_harness(
        tmp_path, trusted_proxies="127.0.0.1", owner="owner@tips.example", frame_ancestors="*"
    ) as found:
        abuse(found)
        yield found


def abuse(harness: WebHarness) -> None:
    """Sign up strangers, a few an hour, until the form asks for a proof."""
    for number in range(60):
        harness.clock.forward(minutes=10)
        try:
            harness.app.signup.subscribe(
                f"victim@host{number}.example", "", form="page/1", origin=f"203.0.{number}.1", proven=False
            )
        except NeedsProof:
            return
    pytest.fail("nothing was asked for")


def sign_up(harness: WebHarness, email: str, origin: str = "198.51.100.1", **more: Any) -> httpx.Response:
    headers = {"X-Forwarded-For": origin, **more.pop("headers", {})}
    return harness.http.post("/subscribe", data={"email": email, **more}, headers=headers)


def challenge_in(page: str) -> dict[str, Any]:
    (found,) = re.findall(r'data-challenge="([^"]+)"', page)
    return dict(json.loads(unescape(found)))


def fields_in(page: str) -> dict[str, str]:
    return {name: unescape(value) for name, value in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page)}


def confirmed_mails(harness: WebHarness, address: str) -> int:
    harness.app.transactional.send()
    return sum(email["To"] == address for email in harness.emails())


def test_a_form_that_is_not_abused_asks_nobody(tmp_path: Path) -> None:
    with open_web_harness(tmp_path) as harness:
        assert "proof" not in harness.http.get("/").text
        assert sign_up(harness, "anna@host.example").status_code == 303


def test_a_visitor_with_scripts_solves_a_challenge_once(harness: WebHarness) -> None:
    page = sign_up(harness, "anna@host.example", name="Anna")
    assert page.status_code == 403
    fields = fields_in(page.text)
    assert (fields["email"], fields["name"]) == ("anna@host.example", "Anna")
    fields["altcha"] = solve(challenge_in(page.text))
    assert harness.http.post("/subscribe", data=fields).status_code == 303
    assert confirmed_mails(harness, "anna@host.example") == 1
    assert harness.http.post("/subscribe", data=fields).status_code == 403
    assert sign_up(harness, "bob@host.example", altcha=fields["altcha"]).status_code == 403


def test_the_script_of_the_page_is_our_own_and_nothing_else_may_run(harness: WebHarness) -> None:
    page = sign_up(harness, "anna@host.example")
    scripts = re.findall(r"<script[^>]*>[^<]*</script>", page.text)
    assert scripts == re.findall(r'<script src="/proof\.js\?v=\w+" defer></script>', page.text)
    assert len(scripts) == 1
    policy = page.headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    script = harness.http.get(re.findall(r'src="([^"]+)"', scripts[0])[0])
    assert (script.status_code, script.headers["content-type"]) == (200, "text/javascript; charset=utf-8")
    assert "max-age=31536000" in script.headers["cache-control"]


def test_without_scripts_a_wait_is_enough_once_and_for_few(harness: WebHarness) -> None:
    page = sign_up(harness, "anna@host.example")
    assert "wait 30 seconds" in page.text
    fields = fields_in(page.text)
    harness.clock.forward(seconds=20)
    early = harness.http.post("/subscribe", data=fields)
    assert (early.status_code, "a little early" in early.text) == (403, True)
    assert fields_in(early.text)["wait"] == fields["wait"]
    harness.clock.forward(seconds=11)
    assert harness.http.post("/subscribe", data=fields).status_code == 303
    assert confirmed_mails(harness, "anna@host.example") == 1
    assert harness.http.post("/subscribe", data=fields).status_code == 403


def test_a_bot_that_waits_gets_few_emails(harness: WebHarness) -> None:
    done = 0
    for number in range(60):
        page = sign_up(harness, f"late@host{number}.example", f"192.0.2.{number}")
        harness.clock.forward(seconds=31)
        fields = fields_in(page.text) if page.status_code == 403 else {"email": "x"}
        headers = {"X-Forwarded-For": f"192.0.2.{number}"}
        done += harness.http.post("/subscribe", data=fields, headers=headers).status_code == 303
    assert done <= BUDGETS["waited"] + 1


def test_a_script_gets_the_challenge_as_json(harness: WebHarness) -> None:
    asked = harness.http.post("/subscribe", json={"email": "anna@host.example"}, headers=JSON)
    assert asked.status_code == 403
    document = asked.json()
    assert set(document) == {"error", "fix", "challenge"}
    done = {"email": "anna@host.example", "altcha": solve(document["challenge"])}
    assert harness.http.post("/subscribe", json=done, headers=JSON).json() == {"status": "check_mail"}


def test_the_embedded_form_asks_inside_the_frame(harness: WebHarness) -> None:
    page = sign_up(harness, "anna@host.example", **{"in": "frame"})
    assert page.status_code == 403
    assert page.headers["content-security-policy"].endswith("frame-ancestors *")
    fields = fields_in(page.text)
    fields["altcha"] = solve(challenge_in(page.text))
    assert harness.http.post("/subscribe", data=fields).headers["location"] == "/signup/embed/sent"


def test_known_and_unknown_addresses_are_asked_alike(harness: WebHarness) -> None:
    harness.app.subscribers.add("known@host.example", confirmed_source="test")
    harness.app.suppressions.add("never@host.example")
    pages = [sign_up(harness, f"{name}@host.example") for name in ("new", "known", "never")]
    assert {page.status_code for page in pages} == {403}
    shapes = {re.sub(r"(new|known|never)@|[0-9a-f]{16,}|[\w.-]{22,}", "", page.text) for page in pages}
    assert len(shapes) == 1
    for page in pages:
        fields = fields_in(page.text) | {"altcha": solve(challenge_in(page.text))}
        assert harness.http.post("/subscribe", data=fields).status_code == 303


def test_whoever_solves_is_bound_by_the_limits_of_networks_domains_and_mailboxes(harness: WebHarness) -> None:
    def accepted(address: str, origin: str) -> bool:
        try:
            harness.app.signup.subscribe(address, "", form="page/1", origin=origin, personal=True)
        except TooMany:
            return False
        return True

    one_network = [accepted(f"v@one{number}.example", "192.0.2.1") for number in range(20)]
    one_domain = [accepted(f"v{number}@two.example", f"192.0.2.{number}") for number in range(2, 40)]
    assert sum(one_network) == 10
    assert sum(one_domain) <= PER_DOMAIN
    harness.clock.forward(hours=30)
    for number in range(20):
        accepted(f"bob+{number}@gmail.com", f"192.0.3.{number}")
    harness.app.transactional.send()
    assert sum(email["To"].startswith("bob") for email in harness.emails()) == 4


def test_somebody_who_unsubscribed_returns_by_their_link_without_a_proof(harness: WebHarness) -> None:
    harness.app.subscribers.add("anna@host.example", confirmed_source="test")
    harness.http.post(harness.unsubscribe_path("anna@host.example"))
    harness.app.transactional.send()
    email = next(mail for mail in harness.emails() if mail["To"] == "anna@host.example")
    (path,) = set(re.findall(r"https://tips\.example(/back/[\w.-]+)", email.get_body(("plain",)).get_content()))  # type: ignore[union-attr]
    answer = harness.http.post(path, headers={"X-Forwarded-For": "198.51.100.1"})
    assert answer.status_code == 200


def test_it_ends_when_the_stream_ends(harness: WebHarness) -> None:
    harness.clock.forward(hours=25)
    assert sign_up(harness, "anna@host.example").status_code == 303


def test_a_week_at_fourteen_an_hour_is_stopped_and_alerts_the_owner(tmp_path: Path) -> None:
    with open_web_harness(tmp_path, owner="owner@tips.example") as harness:
        for hour in range(7 * 24):
            for at in range(14):
                try:
                    origin = f"203.{at}.{hour}.1"
                    harness.app.signup.subscribe(
                        f"v{hour}x{at}@h{at}.example", "", form="page/1", origin=origin, proven=False
                    )
                except TooMany:
                    continue
            harness.app.maintenance.run()
            if hour % 24 == 23:
                harness.app.transactional.send()
            harness.clock.forward(hours=1)
        emails = [email["To"] for email in harness.emails()]
    assert 5 <= emails.count("owner@tips.example") <= 8
    assert len(emails) < 800  # instead of 2,352 and a reminder each
