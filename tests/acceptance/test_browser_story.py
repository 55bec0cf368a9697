"""Everything a subscriber can do, in a real browser with and without JavaScript; axe checks every page."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from importlib.resources import files
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from newsletter.domain.subscribers.subscription import Status
from tests.support.needs import require_program
from tests.support.web import WebHarness, add_tip, links_in, open_web_harness, text_of

ANNA, NEW = "anna@host.example", "anna@new.example"
AXE = files("axe_playwright_python").joinpath("axe.min.js")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture
def web_harness(tmp_path: Path) -> Iterator[WebHarness]:
    with open_web_harness(tmp_path, frame_ancestors="*") as web_harness:
        add_tip(web_harness.app, "Say the name", date(2025, 4, 29))
        yield web_harness


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = require_program("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        yield browser
        browser.close()


@contextmanager
def opened(
    browser: Browser, web_harness: WebHarness, *, script: bool, scheme: str = "light", width: int = 390
) -> Iterator[Page]:
    context = browser.new_context(
        base_url=str(web_harness.http.base_url),
        java_script_enabled=script,
        bypass_csp=script,
        color_scheme="dark" if scheme == "dark" else "light",
        viewport={"width": width, "height": 844},
    )
    try:
        yield context.new_page()
        assert context.cookies() == []
    finally:
        context.close()


def mailed(web_harness: WebHarness, kind: str) -> str:
    """The path of the link to this kind of page in the newest email."""
    web_harness.app.transactional.send()
    (url,) = {link for link in links_in(text_of(web_harness.emails()[-1])) if f"/{kind}/" in link}
    return urlsplit(url).path


def heading(page: Page) -> str:
    return page.get_by_role("heading", level=1).inner_text()


def sign_up(page: Page) -> None:
    page.goto("/")
    page.get_by_label("Your email address").fill(ANNA)
    page.get_by_role("button", name="Signup for FREE Tips!").click()


def story(web_harness: WebHarness, page: Page, look: Callable[[str], None]) -> None:  # noqa: PLR0915 - one story
    """Sign up, confirm, pause, move, leave, say why, come back; `look` is called on every page."""
    page.goto("/")
    look("the form")
    page.get_by_role("button", name="Signup for FREE Tips!").click()
    look("a slip")
    sign_up(page)
    assert "inbox" in heading(page)
    look("check your inbox")

    page.goto(mailed(web_harness, "confirm"))
    look("one click")
    page.get_by_role("button", name="Confirm").click()
    assert "Welcome" in heading(page)
    look("welcome")

    page.goto(mailed(web_harness, "p"))
    look("preferences")
    page.get_by_label("Pause for 8 weeks").check()
    page.get_by_role("button", name="Pause my emails").click()
    assert web_harness.subscriber(ANNA).status is Status.PAUSED
    look("paused")
    page.get_by_role("button", name="Resume now").click()
    page.get_by_label("Once a month").check()
    page.get_by_role("button", name="Save", exact=True).click()
    assert web_harness.subscriber(ANNA).pace == "monthly"
    page.get_by_role("button", name="Delete my data").click()
    assert page.get_by_role("alert").is_visible()
    look("not erased")
    page.get_by_role("link", name="Keep my data").click()

    page.get_by_role("button", name="Unsubscribe").click()
    assert "unsubscribed" in heading(page)
    look("unsubscribed")
    page.get_by_label("Anything you’d like to add").fill("Too much to read")
    page.get_by_label("The emails come too often").check()
    page.get_by_role("button", name="Send my answer").click()
    assert "Thank you" in heading(page)
    page.get_by_label("three months").check()
    page.get_by_role("button", name="Save").click()
    assert web_harness.subscriber(ANNA).quarterly_at
    assert "Once every three months, we will send you the best one" in page.get_by_role("status").inner_text()
    look("thanks")

    page.get_by_role("link", name="Sign up again").click()
    sign_up(page)
    page.goto(mailed(web_harness, "confirm"))
    page.get_by_role("button", name="Confirm").click()
    assert web_harness.subscriber(ANNA).status is Status.CONFIRMED
    assert web_harness.subscriber(ANNA).quarterly_at is None

    page.goto("/link")
    look("manage your subscription")
    page.get_by_label("Your email address").fill(ANNA)
    page.get_by_role("button", name="Send me the link").click()
    look("link sent")
    page.goto(mailed(web_harness, "p"))
    page.get_by_label("New email address").fill(NEW)
    page.get_by_role("button", name="Send confirmation").click()
    page.goto(mailed(web_harness, "move"))
    look("new address")
    page.get_by_role("button", name="Confirm").click()
    assert web_harness.subscriber(NEW).status is Status.CONFIRMED
    look("address changed")
    page.goto(web_harness.unsubscribe_path(NEW))
    look("unsubscribe?")
    page.get_by_role("button", name="Send me one tip a month").click()
    assert web_harness.subscriber(NEW).pace == "monthly"
    page.goto(web_harness.preferences_path(NEW))
    page.get_by_role("button", name="Delete my data").click()
    page.get_by_role("button", name="Yes, delete my data").click()
    assert "deleted" in heading(page)
    look("erased")
    for path in ("/signup/embed", "/signup/embed/sent", "/nothing", "/u/bad"):
        page.goto(path)
        look(path)


@pytest.mark.parametrize("script", [False, True])
def test_everything_works_with_and_without_javascript(
    browser: Browser,
    web_harness: WebHarness,
    script: bool,  # noqa: FBT001
) -> None:
    with opened(browser, web_harness, script=script) as page:
        pages: list[str] = []
        story(web_harness, page, pages.append)
    assert len(pages) > 15


@pytest.mark.parametrize(
    ("scheme", "width", "language"), [("light", 390, "en"), ("dark", 1280, "de"), ("light", 320, "ar")]
)
def test_axe_finds_nothing_on_any_page(
    browser: Browser, tmp_path: Path, scheme: str, width: int, language: str
) -> None:
    """The German and Arabic sites are walked by their addresses; the English one through the whole story."""
    found: dict[str, list[str]] = {}
    with (
        open_web_harness(tmp_path, language=language, frame_ancestors="*") as web_harness,
        opened(browser, web_harness, script=True, scheme=scheme, width=width) as page,
    ):
        add_tip(web_harness.app, "Say the name", date(2025, 4, 29))

        def look(name: str) -> None:
            page.evaluate(AXE.read_text())
            result = page.evaluate("rules => axe.run({runOnly: rules})", RULES)
            found[name] = [f"{one['id']}: {one['nodes'][0]['html'][:120]}" for one in result["violations"]]
            found[name] += ["wide"] * page.evaluate("document.documentElement.scrollWidth > innerWidth")

        if language == "de":
            walk(web_harness, page, look)
        else:
            story(web_harness, page, look)
    assert {name: what for name, what in found.items() if what} == {}
    assert len(found) > 8


def walk(web_harness: WebHarness, page: Page, look: Callable[[str], None]) -> None:
    web_harness.http.post("/subscribe", data={"email": ANNA})
    confirm, leave, own = (
        web_harness.confirm_path(ANNA),
        web_harness.unsubscribe_path(ANNA),
        web_harness.preferences_path(ANNA),
    )
    for path in ("/", "/subscribe/sent", confirm, own, "/link", "/signup/embed", "/nothing"):
        page.goto(path)
        look(path)
    web_harness.http.post(confirm)
    for path in (own, leave):
        page.goto(path)
        look(path)
    web_harness.http.post(leave)
    page.goto(leave)
    look("unsubscribed")


def test_the_form_works_inside_a_frame_of_another_site(browser: Browser, web_harness: WebHarness) -> None:
    home = str(web_harness.http.base_url)
    with opened(browser, web_harness, script=True) as page:
        page.route(
            re.compile(r"/shop$"),
            lambda route: route.fulfill(
                body=f'<html lang="en"><title>Shop</title><body><script src="{home}/signup.js"></script></html>',
                content_type="text/html",
            ),
        )
        page.goto("/shop")
        frame = page.frame_locator("iframe")
        frame.get_by_label("Your email address").fill(ANNA)
        frame.get_by_role("button", name="Signup for FREE Tips!").click()
        frame.get_by_role("heading", name="Now check your inbox").wait_for()
    assert web_harness.subscriber(ANNA).status is Status.PENDING


def test_every_target_of_the_preferences_is_large(browser: Browser, web_harness: WebHarness) -> None:
    web_harness.http.post("/subscribe", data={"email": ANNA})
    web_harness.http.post(web_harness.confirm_path(ANNA))
    with opened(browser, web_harness, script=False, width=320) as page:
        page.goto(web_harness.preferences_path(ANNA))
        page.locator("summary").click()
        for target in page.locator(
            "button, .button, summary, .top a, .foot a, input:not([tabindex]):not([type=checkbox]):not([type=radio]):not([type=hidden])"
        ).all():
            box = target.bounding_box()
            assert box
            assert box["height"] >= 44, target.inner_text()
