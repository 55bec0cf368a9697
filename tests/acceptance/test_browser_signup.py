"""Sign up, confirm, read, unsubscribe and return, in a real browser without JavaScript."""

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, sync_playwright

from newsletter.domain.subscribers.subscription import Status
from tests.support.needs import require_program
from tests.support.web import WebHarness, add_tip, links_in, open_web_harness, text_of

ANNA = "anna@host.example"
NARROW, LARGE = 320, 44  # CSS pixels: WCAG 2.2 criteria 1.4.10 and 2.5.5


@pytest.fixture
def web_harness(tmp_path: Path) -> Iterator[WebHarness]:
    with open_web_harness(tmp_path) as web_harness:
        add_tip(web_harness.app, "Say the name", date(2025, 4, 29))
        yield web_harness


@pytest.fixture
def page(web_harness: WebHarness) -> Iterator[Page]:
    chromium = require_program("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        context = browser.new_context(
            base_url=str(web_harness.http.base_url), java_script_enabled=False, viewport={"width": 390, "height": 844}
        )
        yield context.new_page()
        assert context.cookies() == []
        browser.close()


def link_in_email(web_harness: WebHarness, kind: str) -> str:
    """The path of the link to this kind of page in the newest email."""
    web_harness.app.transactional.send()
    (url,) = {link for link in links_in(text_of(web_harness.emails()[-1])) if f"/{kind}/" in link}
    return urlsplit(url).path


def sign_up(page: Page, address: str) -> None:
    page.goto("/")
    page.get_by_label("Your email address").fill(address)
    page.get_by_label("Your name").fill("Anna")
    page.get_by_role("button", name="Signup for FREE Tips!").click()


def heading(page: Page) -> str:
    return page.get_by_role("heading", level=1).inner_text()


def test_sign_up_confirm_read_and_unsubscribe(web_harness: WebHarness, page: Page) -> None:
    sign_up(page, ANNA)
    assert urlsplit(page.url).path == "/subscribe/sent"
    assert "inbox" in heading(page)

    page.goto(link_in_email(web_harness, "confirm"))
    assert web_harness.subscriber(ANNA).status is Status.PENDING
    page.get_by_role("button").click()
    assert "Welcome" in heading(page)
    assert web_harness.subscriber(ANNA).status is Status.CONFIRMED

    page.get_by_role("link", name="All tips").first.click()
    page.get_by_role("link", name="Say the name").click()
    assert heading(page) == "Say the name"

    page.goto(link_in_email(web_harness, "u"))
    page.get_by_role("button", name="unsubscribe").click()
    assert "unsubscribed" in heading(page)
    assert web_harness.subscriber(ANNA).status is Status.UNSUBSCRIBED

    web_harness.clock.forward(days=2)
    page.get_by_role("link", name="Sign up again").click()
    sign_up(page, ANNA)
    page.goto(link_in_email(web_harness, "confirm"))
    page.get_by_role("button").click()
    assert web_harness.subscriber(ANNA).status is Status.CONFIRMED


def test_unsubscribe_from_the_preferences(web_harness: WebHarness, page: Page) -> None:
    sign_up(page, ANNA)
    page.goto(link_in_email(web_harness, "confirm"))
    page.get_by_role("button").click()
    page.goto(link_in_email(web_harness, "p"))
    assert page.get_by_text(ANNA).is_visible()
    page.get_by_role("button", name="Unsubscribe").click()
    assert web_harness.subscriber(ANNA).status is Status.UNSUBSCRIBED


def test_a_typo_in_the_address_is_shown_at_the_field_which_keeps_it(web_harness: WebHarness, page: Page) -> None:
    sign_up(page, "anna.host.example")
    field = page.get_by_label("Your email address")
    assert field.input_value() == "anna.host.example"
    assert page.get_by_role("alert").is_visible()
    field.fill(ANNA)
    page.get_by_role("button", name="Signup for FREE Tips!").click()
    assert web_harness.subscriber(ANNA).name == "Anna"


def test_the_honeypot_is_invisible_and_not_reachable_by_keyboard(page: Page) -> None:
    page.goto("/")
    box = page.locator("input[name=message]").bounding_box()
    assert box
    assert box["x"] + box["width"] < 0
    names = []
    page.get_by_label("Your email address").focus()
    for _ in range(3):
        names.append(page.locator(":focus").get_attribute("name"))
        page.keyboard.press("Tab")
    assert names == ["email", "name", None]


@pytest.mark.parametrize("path", ["/", "/subscribe/sent", "/archive", "/tips/say-the-name", "/nothing"])
def test_pages_fit_the_smallest_phone_and_have_large_targets(page: Page, path: str) -> None:
    page.set_viewport_size({"width": NARROW, "height": 568})
    page.goto(path)
    shot = page.screenshot(full_page=True)
    assert int.from_bytes(shot[16:20], "big") == NARROW, "the page must not be wider than the screen"
    for target in page.locator("button, .button, .top a, .foot a, input:not([tabindex]):not([type=hidden])").all():
        box = target.bounding_box()
        assert box
        assert box["height"] >= LARGE, target.inner_text()


def test_a_page_reads_well_without_its_stylesheet(page: Page) -> None:
    page.route(re.compile(r"style\.css"), lambda route: route.abort())
    page.goto("/")
    order = page.locator("main").inner_text()
    places = [order.index(words) for words in ("One good", "Sign up", "Signup for FREE Tips!", "What happens next")]
    assert places == sorted(places)
