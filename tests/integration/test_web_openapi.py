"""The OpenAPI document describes every route, and the running site conforms to it for any request."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode, openapi
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.result import Ok

from newsletter.actions.owner.links import tokens as owner_tokens
from newsletter.actions.subscribers.unsubscribe import resubscribe_token
from newsletter.mail.tokens import Purpose
from newsletter.web import make_web
from tests.support.web import WebHarness, add_tip, open_web_harness

EXAMPLES = int(os.environ.get("NEWSLETTER_TEST_EXAMPLES", "10"))
"""Requests per route and kind. Set NEWSLETTER_TEST_EXAMPLES=1000 for a long run."""

CHECKED = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "unsupported_method",
)
NOT_TESTABLE = {
    "GET /logo",
    "GET /lists/{key}/logo",
    "GET /media/{name}",
    "GET /portrait",
    "GET /move/{token}",
    "POST /move/{token}",
}  # no picture is set, and no move was requested
TIP = "say-the-price-first"


@pytest.fixture
def web_harness(tmp_path: Path) -> Iterator[WebHarness]:
    """A newsletter whose first issue was sent."""
    with open_web_harness(tmp_path) as web_harness:
        add_tip(web_harness.app, "Say the price first", date(2025, 4, 1), tags=("prices",), categories=("prices",))
        web_harness.app.subscribers.add("first@host.example", confirmed_source="a list")
        web_harness.app.issues.send(extra_tip=TIP)
        yield web_harness


def described(web_harness: WebHarness) -> dict[str, Any]:
    found: dict[str, Any] = web_harness.http.get("/openapi.json").json()
    return found


def test_the_document_describes_every_route_and_nothing_else(web_harness: WebHarness) -> None:
    routes = {
        (method.lower(), route.path)
        for route in make_web(web_harness.app).routes
        if isinstance(route, APIRoute)
        for method in (route.methods or set()) - {"HEAD"}
    }
    paths = described(web_harness)["paths"]

    assert {(method, path) for path, methods in paths.items() for method in methods} == routes
    assert all(operation["summary"] for methods in paths.values() for operation in methods.values())


def test_head_works_wherever_get_does(web_harness: WebHarness) -> None:
    for path, methods in described(web_harness)["paths"].items():
        if "get" in methods and "{" not in path:
            get, head = web_harness.http.get(path), web_harness.http.head(path)
            assert (head.status_code, head.content) == (get.status_code, b""), path


def real_path(web_harness: WebHarness, path: str, subscriber: str) -> dict[str, str]:
    """Path parameters that exist: without signed tokens no request would get past the signature check."""
    sign, found, tip = web_harness.app.signer.sign, web_harness.subscriber(subscriber), tip_id(web_harness)
    tokens = {
        "confirm": web_harness.confirm_path(subscriber).rpartition("/")[2],
        "u": sign(Purpose.UNSUBSCRIBE, found.key, "1"),
        "back": resubscribe_token(web_harness.app.signer, found.key),
        "p": sign(Purpose.PREFERENCES, found.key),
        "move": sign(Purpose.MOVE, found.key, "1746178200"),
        "useful": sign(Purpose.USEFUL, found.key, "1"),
        "owner": owner_tokens(
            web_harness.app.signer, web_harness.app.schedule.next_slot(web_harness.clock()), tip, None
        )["skip"],
    }
    token = tokens.get(path.split("/")[1], "")
    return {
        "token": token,
        "slug": TIP,
        "name": "prices",
        "year": "2025",
        "number": "1",
        "answer": "yes",
        "key": "tips",
    }


def is_known(web_harness: WebHarness, address: str) -> bool:
    with web_harness.app.store.read() as tx:
        return tx.subscribers.by_address(address) is not None


def tip_id(web_harness: WebHarness) -> int:
    with web_harness.app.store.read() as tx:
        return tx.tips.get(TIP).card.id


@pytest.mark.parametrize("accept", ["text/html", "application/json"])
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_the_site_conforms_to_its_description_for_any_request(
    web_harness: WebHarness, mode: GenerationMode, accept: str
) -> None:
    load_all_checks()
    checks = [CHECKS.get_one(name) for name in CHECKED]
    answered: dict[str, set[int]] = defaultdict(set)
    for found in openapi.from_dict(described(web_harness)).get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()
        if mode is GenerationMode.NEGATIVE and operation.method != "post":
            continue  # a request without a body has nothing that could be malformed
        addresses = [f"r{n}.{len(answered)}@host.example" for n in range(5)]
        for address in addresses:
            web_harness.app.subscribers.add(address, confirmed_source="a list")

        @seed(2025)
        @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy(generation_mode=mode), subscriber=st.none() | st.sampled_from(addresses))
        def ask(case: Any, subscriber: str | None) -> None:
            if subscriber and is_known(web_harness, subscriber):
                real = real_path(web_harness, case.operation.path, subscriber)
                case.path_parameters = {name: real[name] for name in case.path_parameters}
            web_harness.clock.forward(minutes=10)  # so that the sign-up limits let some requests pass
            headers = {"Accept": accept}
            answer = case.call_and_validate(base_url=str(web_harness.http.base_url), headers=headers, checks=checks)
            answered[case.operation.label].add(answer.status_code)

        ask()

    never_ok = {label for label, seen in answered.items() if min(seen) >= 400}
    assert mode is GenerationMode.NEGATIVE or never_ok <= NOT_TESTABLE, (
        "every other route was requested with valid parameters"
    )
