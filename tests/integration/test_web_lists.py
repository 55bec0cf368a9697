"""The pages of several lists over real HTTP: each list has its own, and an only list has what it always had."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import feedparser  # type: ignore[import-untyped]
import pytest

from newsletter.domain.lists import MailingList
from tests.support.reading import titles
from tests.support.web import WebHarness, add_tip, open_web_harness

ADVICE = {"title": "Business Advice", "schedule": "every 2 weeks thu 09:00 from 2025-05-01", "color": "#8a1538"}
OF_A_LIST = ("", "/archive", "/archive/2025", "/feed.xml", "/feed.json", "/search", "/style.css")


@pytest.fixture
def only(tmp_path: Path) -> Iterator[WebHarness]:
    with open_web_harness(tmp_path) as harness:
        add_tip(harness.app, "Greet", date(2025, 4, 1), categories=("Calls",), tags=("phone",))
        yield harness


@pytest.fixture
def three(only: WebHarness) -> WebHarness:
    """Also a public list with two tips, and one that is not public."""
    app = only.app
    app.lists.add(MailingList(0, "advice", 0, own=ADVICE, description="How to run a small firm."))
    app.lists.add(MailingList(0, "board", 0, own={"title": "Board"}, public=False))
    for key, title in (("advice", "Plan"), ("advice", "Hire"), ("board", "Fire")):
        add_tip(app.of_list(key), title, date(2025, 4, 3), categories=("Money",), tags=("people",))
    return only


def page(harness: WebHarness, path: str) -> str:
    answer = harness.http.get(path)
    assert answer.status_code == 200, path
    return answer.text


# -- one list --------------------------------------------------------------------------------------


def test_an_only_list_has_one_home_page_and_its_form_does_not_speak_of_lists(only: WebHarness) -> None:
    answer = only.http.get("/lists/tips")

    assert (answer.status_code, answer.headers["location"]) == (302, "/")
    for path in ("/", "/archive", "/tips/greet", "/signup/embed"):
        assert "/lists/" not in page(only, path)
        assert 'name="list"' not in page(only, path)


def test_the_pages_of_an_only_list_ask_the_database_once(only: WebHarness) -> None:
    paths = ("/", "/archive", "/tips/greet", "/feed.xml", "/feed.json", "/sitemap.xml")
    for path in paths:
        page(only, path)
    asked: list[str] = []
    only.app.store._pages.connection.set_trace_callback(asked.append)  # type: ignore[attr-defined]
    for path in paths:
        page(only, path)

    assert len(asked) == len(paths)


# -- several lists ---------------------------------------------------------------------------------


def test_the_home_page_offers_each_public_list_and_ticks_the_first(three: WebHarness) -> None:
    home = page(three, "/")

    assert re.findall(r'name="list" value="(\w+)"( checked)?', home) == [("tips", " checked"), ("advice", "")]
    assert '<span class="soft">How to run a small firm.</span> <span class="soft">Every other Thursday</span>' in home
    assert 'href="/lists/advice/archive"' in home
    assert "Board" not in home


def test_each_list_has_its_own_pages_in_its_color_and_links_among_them(three: WebHarness) -> None:
    archive = page(three, "/lists/advice/archive")

    assert titles(archive) == ["hire", "plan"]
    assert "--accent: #8a1538" in page(three, re.findall(r'href="(/lists/advice/style.css[^"]*)"', archive)[0])
    assert '<link rel="canonical" href="https://tips.example/lists/advice/archive">' in archive
    assert titles(page(three, "/lists/advice/categories/money")) == ["hire", "plan"]
    assert titles(page(three, "/lists/advice/tags/people/page/1")) == ["hire", "plan"]
    assert titles(page(three, "/lists/advice/search?q=plan")) == ["plan"]
    assert titles(page(three, "/archive")) == ["greet"]
    assert titles(page(three, "/search?q=plan")) == []


def test_the_page_of_a_list_has_its_form_and_its_newest_tips(three: WebHarness) -> None:
    mine = page(three, "/lists/advice")

    assert "<h1>Business Advice</h1>" in mine
    assert "One good tip by email every other Thursday." in mine
    assert '<input type="hidden" name="list" value="advice">' in mine
    assert re.findall(r'<li><a href="/tips/(\w+)"', mine) == ["hire", "plan"]


def test_a_tip_has_one_address_and_leads_to_its_list(three: WebHarness) -> None:
    tip = page(three, "/tips/hire")

    assert set(re.findall(r'href="(/lists/\w+/[^"?]*)', tip)) == {
        "/lists/advice/archive", "/lists/advice/feed.xml", "/lists/advice/feed.json", "/lists/advice/style.css",
        "/lists/advice/categories/money", "/lists/advice/tags/people",
    }  # fmt: skip
    assert re.findall(r'href="/tips/(\w+)"', tip) == ["plan", "plan"], "related, and before it"
    assert "/tips/plan" not in page(three, "/tips/greet")


def test_a_former_address_of_a_tip_of_another_list_redirects(three: WebHarness) -> None:
    with three.app.of_list("advice").store.write() as tx:
        tx.tips.change_key(tx.tips.get("hire").card.id, "hire-well")
    answer = three.http.get("/tips/hire")

    assert (answer.status_code, answer.headers["location"]) == (301, "/tips/hire-well")
    assert page(three, "/tips/hire-well")


def test_each_list_has_feeds_with_its_own_address(three: WebHarness) -> None:
    atom, json = page(three, "/lists/advice/feed.xml"), three.http.get("/lists/advice/feed.json").json()
    feed = feedparser.parse(atom)

    assert (feed.feed.title, feed.feed.id) == ("Business Advice", "https://tips.example/lists/advice/feed.xml")
    assert [entry.link for entry in feed.entries] == [
        "https://tips.example/tips/hire",
        "https://tips.example/tips/plan",
    ]
    assert (json["title"], json["home_page_url"]) == ("Business Advice", "https://tips.example/lists/advice/archive")
    assert [entry["title"] for entry in three.http.get("/feed.json").json()["items"]] == ["Greet"]


def test_the_sitemap_has_the_pages_of_each_public_list(three: WebHarness) -> None:
    found = re.findall("<loc>https://tips.example(.*?)</loc>", page(three, "/sitemap.xml"))

    assert {"/archive", "/tips/greet", "/lists/advice", "/lists/advice/archive/2025", "/tips/hire"} <= set(found)
    assert len(found) == len(set(found))
    assert not [path for path in found if "board" in path or "fire" in path]
    for path in found:
        page(three, path)


def test_the_pages_of_the_first_list_have_one_address(three: WebHarness) -> None:
    for path in ("/archive", "/archive/2025", "/tags/phone", "/feed.xml", "/search?q=greet"):
        answer = three.http.get(f"/lists/tips{path}")
        assert (answer.status_code, answer.headers["location"]) == (301, path)
        page(three, path)
    assert '<input type="hidden" name="list" value="tips">' in page(three, "/lists/tips")


# -- lists that are not shown ----------------------------------------------------------------------


def test_a_list_that_is_not_public_has_no_pages(three: WebHarness) -> None:
    paths = [f"/lists/{key}{path}" for key in ("board", "none") for path in OF_A_LIST]

    assert [path for path in paths if three.http.get(path).status_code != 404] == []


def test_the_tips_of_a_list_that_is_not_public_are_not_public(three: WebHarness) -> None:
    assert three.http.get("/tips/fire").status_code == 404
    assert "This is a test" in page(three, "/tips/fire?test")
    assert three.http.get("/signup/embed?list=board").status_code == 404


def test_a_retired_list_keeps_its_archive_for_the_links_in_its_emails_and_takes_no_sign_ups(three: WebHarness) -> None:
    three.app.lists.retire("advice")
    answer = three.http.get("/lists/advice")

    assert (answer.status_code, answer.headers["location"]) == (302, "/")
    assert titles(page(three, "/lists/advice/archive")) == ["hire", "plan"]
    assert "Did you like this tip?" not in page(three, "/tips/hire")
    assert page(three, "/lists/advice/feed.xml")
    assert "/lists/" not in page(three, "/"), "one public list is left"
    assert three.http.get("/signup/embed?list=advice").status_code == 404


# -- changes ---------------------------------------------------------------------------------------


def test_a_change_of_a_list_is_on_its_pages_immediately(three: WebHarness) -> None:
    before = three.http.get("/lists/advice/archive")
    three.app.lists.edit("advice", own={"title": "Advice", "color": "#17664f"}, description="New words.")
    after = three.http.get("/lists/advice/archive", headers={"If-None-Match": before.headers["etag"]})

    assert (after.status_code, "<span>Advice</span>" in after.text) == (200, True)
    assert "New words." in page(three, "/")
    assert "--accent: #17664f" in page(three, "/lists/advice/style.css")
    three.app.lists.edit("advice", public=False)
    assert three.http.get("/lists/advice/archive").status_code == 404
    assert three.http.get("/tips/hire").status_code == 404
    assert three.http.get("/archive").status_code == 200


def test_a_tip_that_moves_to_another_list_keeps_its_address(three: WebHarness) -> None:
    assert "Business Advice" in page(three, "/tips/hire")
    three.app.tips.assign("hire")

    assert "Business Advice</span>" not in page(three, "/tips/hire")
    assert titles(page(three, "/lists/advice/archive")) == ["plan"]


def test_a_list_with_a_broken_setting_does_not_take_down_the_others(three: WebHarness, tmp_path: Path) -> None:
    logo = tmp_path / "logo.png"
    logo.write_bytes(b"\x89PNG\r\n\x1a\n" + b"\x00" * 40)
    three.app.lists.edit("advice", own={"logo": str(logo)})
    assert three.http.get("/lists/advice/logo").content == logo.read_bytes()
    logo.unlink()
    three.app.lists.edit("board", description="Raises the version.")

    assert page(three, "/")
    assert three.http.get("/lists/advice/archive").status_code in (200, 404)


# -- forms -----------------------------------------------------------------------------------------


def test_a_form_for_other_sites_offers_the_lists_in_its_address(three: WebHarness) -> None:
    assert '<input type="hidden" name="list" value="advice">' in page(three, "/signup/embed?list=advice")
    both = page(three, "/signup/embed?list=advice&list=tips")
    assert re.findall(r'type="checkbox" name="list" value="(\w+)"( checked)?', both) == [
        ("tips", " checked"),
        ("advice", ""),
    ]
    assert 'name="list"' not in page(three, "/signup/embed"), "a form that was embedded before there were lists"
    assert '"/signup/embed?list=advice&list=tips"' in page(three, "/signup.js?list=advice&list=tips")
    assert "height:48rem" in page(three, "/signup.js?list=advice&list=tips"), "room for both"
    assert "height:32rem" in page(three, "/signup.js")


def test_a_form_with_an_error_keeps_what_was_chosen(three: WebHarness) -> None:
    wrong = three.http.post("/subscribe", data={"email": "x", "offered": "tips advice", "list": "advice"})
    mine = three.http.post("/subscribe", data={"email": "x", "offered": "advice", "list": "advice"})

    none = three.http.post("/subscribe", data={"email": "a@b.example", "offered": "tips advice"}).text

    assert re.findall(r'value="(\w+)" checked', wrong.text) == ["advice"]
    assert 'id="lists-wrong" role="alert">You did not choose a newsletter. Choose at least one.<' in none
    assert 'aria-describedby="lists-wrong"' in none
    assert " checked" not in none
    assert 'id="email-wrong"' not in none
    assert "<h1>Business Advice</h1>" in mine.text


def test_a_form_of_a_list_that_was_retired_meanwhile_says_so(three: WebHarness) -> None:
    three.app.lists.retire("advice")
    answer = three.http.post("/subscribe", data={"email": "a@b.example", "offered": "advice", "list": "advice"})

    assert answer.status_code == 422
    assert "This newsletter takes no sign-ups." in answer.text


def test_the_page_after_a_sign_up_leads_back_to_its_form(three: WebHarness) -> None:
    sent = three.http.post("/subscribe", data={"email": "a@b.example", "offered": "advice", "list": "advice"})
    assert (sent.status_code, sent.headers["location"]) == (303, "/subscribe/sent?list=advice")
    assert 'href="/lists/advice#signup"' in page(three, sent.headers["location"])
    assert 'href="/#signup">Fill out' in page(three, "/subscribe/sent?list=board"), "nothing is shown of it"
