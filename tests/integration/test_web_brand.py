"""The settings for color and logo, on pages."""

from __future__ import annotations

from pathlib import Path

import pytest

from newsletter.domain.errors import SettingsError
from newsletter.settings import load_settings
from tests.support.web import open_web_harness

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 40


def test_the_color_replaces_ours_in_the_stylesheet_and_on_pages(tmp_path: Path) -> None:
    with open_web_harness(tmp_path, color="#8a1538") as web_harness:
        css, page = web_harness.http.get("/style.css").text, web_harness.http.get("/archive").text
    assert "--accent: #8a1538" in css
    assert "#17664f" not in css
    assert "%238a1538" in page


def test_the_logo_is_served_with_an_etag_and_stands_beside_the_title(tmp_path: Path) -> None:
    (tmp_path / "logo.png").write_bytes(PNG)
    with open_web_harness(tmp_path, logo=str(tmp_path / "logo.png")) as web_harness:
        answer = web_harness.http.get("/logo")
        assert (answer.content, answer.headers["content-type"]) == (PNG, "image/png")
        assert web_harness.http.get("/logo", headers={"If-None-Match": answer.headers["etag"]}).status_code == 304
        assert 'src="/logo" alt=""><span>Tip of the Week</span>' in web_harness.http.get("/archive").text


def test_the_home_page_says_who_writes_the_tips(tmp_path: Path) -> None:
    (tmp_path / "anna.png").write_bytes(PNG)
    facts = {
        "headline": "Kinder at work",
        "author": "Anna Beispiel",
        "about": "A nurse for 20 years.",
        "portrait": str(tmp_path / "anna.png"),
    }
    with open_web_harness(tmp_path, **facts) as web_harness:
        page, answer = web_harness.http.get("/").text, web_harness.http.get("/portrait")
    assert (answer.content, answer.headers["content-type"]) == (PNG, "image/png")
    for part in ("<h1>Kinder at work</h1>", "By Anna Beispiel", "A nurse for 20 years.", 'src="/portrait" alt=""'):
        assert part in page


def test_without_settings_the_home_page_has_our_headline_and_no_author(tmp_path: Path) -> None:
    with open_web_harness(tmp_path) as web_harness:
        page = web_harness.http.get("/").text
        assert web_harness.http.get("/portrait").status_code == 404
    assert "<h1>One good tip every Tuesday</h1>" in page
    assert 'class="author"' not in page


def test_without_a_logo_pages_have_no_image_and_its_address_is_not_found(tmp_path: Path) -> None:
    with open_web_harness(tmp_path) as web_harness:
        assert web_harness.http.get("/logo").status_code == 404
        assert "<img" not in web_harness.http.get("/archive").text


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("COLOR", "#ffcc00", "The nearest color with enough contrast is #"),
        ("COLOR", "reddish", "Write it as #17664f"),
        ("LOGO", "/nowhere/logo.png", "cannot be read"),
        ("LOGO", __file__, "Set it to a PNG, JPEG, or GIF file"),
    ],
)
def test_an_unusable_color_or_logo_is_an_error_at_start(name: str, value: str, words: str) -> None:
    with pytest.raises(SettingsError, match=f"NEWSLETTER_{name}") as caught:
        load_settings({f"NEWSLETTER_{name}": value})
    assert words in str(caught.value)
