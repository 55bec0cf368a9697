"""Sign up while the form is abused, in a real browser: it calculates and goes on by itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from newsletter.domain.subscribers.signup_limits import NeedsProof
from tests.support.needs import require_program
from tests.support.web import WebHarness, open_web_harness


def abuse(harness: WebHarness) -> None:
    """Sign up strangers until the form asks for a proof."""
    for number in range(60):
        harness.clock.forward(minutes=10)
        try:
            harness.app.signup.subscribe(f"v@h{number}.example", "", form="page/1", origin=f"203.0.{number}.1")
        except NeedsProof:
            return
    pytest.fail("nothing was asked for")


@pytest.mark.parametrize(("start", "end"), [("/", "/subscribe/sent"), ("/signup/embed", "/signup/embed/sent")])
def test_a_browser_solves_the_challenge_and_sends_the_form_again(tmp_path: Path, start: str, end: str) -> None:
    chromium = require_program("chromium")
    with open_web_harness(tmp_path, language="de") as harness, sync_playwright() as playwright:
        abuse(harness)
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_context(base_url=str(harness.http.base_url)).new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(start)
        page.locator("#email").fill("anna@host.example")
        page.locator("button").click()
        page.wait_for_url(f"**{end}", timeout=60_000)
        browser.close()
        assert errors == []
        assert harness.subscriber("anna@host.example").display_status == "pending"
