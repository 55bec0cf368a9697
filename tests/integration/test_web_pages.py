"""Rules for every page: security headers, error pages, and what the public may see."""

import json
import re
import shutil
import sqlite3
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import httpx
import pytest

from newsletter.domain.errors import NewsletterError, SchemaError
from newsletter.domain.tips.tip import TipState
from newsletter.store.sqlite.database import sqlite_path
from newsletter.web import make_server, make_web
from newsletter.web.server import WebServer
from tests.support.web import WebHarness, add_tip, open_web_harness

ANNA = "anna@host.example"


@pytest.fixture
def web_harness(tmp_path: Path) -> Iterator[WebHarness]:
    with open_web_harness(tmp_path) as web_harness:
        yield web_harness


def test_every_response_has_the_security_headers_and_no_cookie(web_harness: WebHarness) -> None:
    web_harness.http.post("/subscribe", data={"email": ANNA})
    answers = [
        *(web_harness.http.get(path) for path in ("/", "/archive", "/style.css", "/healthz", "/nothing", "/u/bad")),
        web_harness.http.post("/subscribe", data={"email": "bad"}),
        web_harness.http.post(web_harness.confirm_path(ANNA)),
        web_harness.http.post(web_harness.unsubscribe_path(ANNA)),
        web_harness.http.post("/"),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 404, 400, 422, 200, 200, 405]
    for answer in answers:
        csp = answer.headers["content-security-policy"]
        assert "default-src 'none'" in csp
        assert "frame-ancestors 'none'" in csp
        assert "unsafe" not in csp
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert {"set-cookie", "server"}.isdisjoint(answer.headers)


def test_no_page_has_a_script_or_an_inline_style(web_harness: WebHarness) -> None:
    add_tip(web_harness.app, "Say the name", date(2025, 4, 29))
    for path in ("/", "/archive", "/tips/say-the-name", "/subscribe/sent", "/nothing"):
        assert not re.search(r"<script|<style|\sstyle=|\son[a-z]+=", web_harness.http.get(path).text), path


def test_pages_behind_a_personal_link_are_not_cached_or_indexed(web_harness: WebHarness) -> None:
    web_harness.http.post("/subscribe", data={"email": ANNA})
    for path in (
        web_harness.confirm_path(ANNA),
        web_harness.unsubscribe_path(ANNA),
        web_harness.preferences_path(ANNA),
    ):
        answer = web_harness.http.get(path)
        assert answer.headers["cache-control"] == "no-store"
        assert "noindex" in answer.headers["x-robots-tag"]
    assert "x-robots-tag" not in web_harness.http.get("/").headers


def test_the_owner_can_allow_sites_to_frame_the_form(tmp_path: Path) -> None:
    with open_web_harness(tmp_path, frame_ancestors="https://one.example https://two.example") as web_harness:
        csp = web_harness.http.get("/").headers["content-security-policy"]
    assert csp.endswith("frame-ancestors https://one.example https://two.example")


def test_the_stylesheet_is_cached_by_its_address_and_its_etag(web_harness: WebHarness) -> None:
    (address,) = re.findall(r'href="(/style\.css\?v=[^"]+)"', web_harness.http.get("/").text)
    answer = web_harness.http.get(address)
    assert answer.headers["content-type"].startswith("text/css")
    assert "max-age=31536000" in answer.headers["cache-control"]
    assert "max-age=3600" in web_harness.http.get("/style.css").headers["cache-control"]
    for known in (answer.headers["etag"], f'"x", W/{answer.headers["etag"]}'):
        again = web_harness.http.get(address, headers={"If-None-Match": known})
        assert (again.status_code, again.content) == (304, b"")
    assert web_harness.http.get(address, headers={"If-None-Match": '"x"'}).status_code == 200


def test_the_archive_shows_sent_tips_newest_first_and_hides_the_queue(web_harness: WebHarness) -> None:
    add_tip(web_harness.app, "The old one", date(2023, 5, 2))
    add_tip(web_harness.app, "The new one", date(2025, 4, 29))
    waiting = add_tip(web_harness.app, "The coming one", None)

    page = web_harness.http.get("/archive").text

    assert re.findall(r'href="/tips/([^"]+)"', page) == ["the-new-one", "the-old-one"]
    assert "The coming one" not in page + web_harness.http.get("/").text
    assert web_harness.http.get(f"/tips/{waiting}").status_code == 404
    with web_harness.app.store.write() as tx:
        tx.tips.set_state(tx.tips.get(waiting).card.id, TipState.SENT, sent_on=date(2025, 5, 6))
    assert web_harness.http.get(f"/tips/{waiting}").status_code == 200
    assert web_harness.http.get("/archive").text.index("The coming one") < web_harness.http.get("/archive").text.index(
        "The new one"
    )


def test_a_tip_is_rendered_from_markdown_and_html_is_escaped(web_harness: WebHarness) -> None:
    body = "Say it *once*.\n\n- one\n- two\n\n<script>alert(1)</script> [no](javascript:alert(1))"
    add_tip(web_harness.app, "Say <b>it</b>", date(2025, 4, 29), body=body, takeaway="Once & well.")
    page = web_harness.http.get("/tips/say-b-it-b-").text
    for part in ("<em>once</em>", "<li>one</li>", "Say &lt;b&gt;it&lt;/b&gt;", "Once &amp; well.", "April 29, 2025"):
        assert part in page
    assert "<script" not in page
    assert "javascript:" not in page


def test_a_retired_tip_that_was_sent_keeps_its_page(web_harness: WebHarness) -> None:
    key = add_tip(web_harness.app, "Say the name", None)
    with web_harness.app.store.write() as tx:
        tx.tips.set_state(tx.tips.get(key).card.id, TipState.RETIRED)
    assert web_harness.http.get(f"/tips/{key}").status_code == 404
    with web_harness.app.store.write() as tx:
        tx.tips.set_state(tx.tips.get(key).card.id, TipState.RETIRED, sent_on=date(2025, 4, 29))
    assert web_harness.http.get(f"/tips/{key}").status_code == 200


def test_an_unknown_page_is_a_404_page_or_json(web_harness: WebHarness) -> None:
    page = web_harness.http.get("/tips/none")
    assert (page.status_code, "Page not found" in page.text, 'href="/archive"' in page.text) == (404, True, True)
    assert "newsletter tips list" not in page.text
    answer = web_harness.http.get("/tips/none", headers={"Accept": "application/json"})
    assert set(answer.json()) == {"error", "fix"}


def test_healthz_checks_the_process_and_readyz_the_database(web_harness: WebHarness, tmp_path: Path) -> None:
    assert web_harness.http.get("/healthz").text == "ok\n"
    assert web_harness.http.get("/readyz").status_code == 200


def test_a_site_without_a_database_is_alive_but_not_ready_and_hides_the_cause(tmp_path: Path) -> None:
    with open_web_harness(tmp_path) as web_harness:
        pass
    (tmp_path / "newsletter.db").rename(tmp_path / "elsewhere.db")
    with pytest.raises(SchemaError):
        make_server(web_harness.app)
    server = WebServer(make_web(web_harness.app), "127.0.0.1", 0)
    server.start()
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", trust_env=False) as http:
            assert http.get("/healthz").status_code == 200
            assert http.get("/readyz").status_code == 503
            page = http.get("/")
            assert (page.status_code, page.headers["retry-after"]) == (503, "60")
            assert str(tmp_path) not in page.text
    finally:
        server.stop()


def test_a_database_that_is_replaced_under_the_website_takes_no_sign_ups(
    web_harness: WebHarness, tmp_path: Path
) -> None:
    assert web_harness.http.post("/subscribe", data={"email": "in@a.example"}).status_code == 303
    shutil.copyfile(tmp_path / "newsletter.db", tmp_path / "copy.db")
    (tmp_path / "copy.db").replace(tmp_path / "newsletter.db")
    ready = web_harness.http.get("/readyz")
    answer = web_harness.http.post("/subscribe", data={"email": "out@a.example"})
    assert (ready.status_code, answer.status_code) == (503, 503)
    assert "another file was put in the place of the database" in ready.text
    assert "nothing has changed" in answer.text
    assert str(tmp_path) not in answer.text


def test_a_broken_template_is_a_500_page_with_all_headers_and_no_details(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    own = tmp_path / "own" / "web"
    own.mkdir(parents=True)
    (own / "archive.html").write_text("{{ nothing_of_this_name }}")
    with open_web_harness(tmp_path, templates=str(tmp_path / "own")) as web_harness:
        answer = web_harness.http.get("/archive")
        assert (answer.status_code, "This is our error" in answer.text) == (500, True)
        assert "content-security-policy" in answer.headers
        assert "nothing_of_this_name" not in answer.text
        assert "nothing_of_this_name" in caplog.text
        assert web_harness.http.get("/").status_code == 200, "our own page where the owner has none"


def test_an_unexpected_error_is_the_same_500_page_with_all_headers(
    web_harness: WebHarness, caplog: pytest.LogCaptureFixture
) -> None:
    web_harness.http.post("/subscribe", data={"email": ANNA})
    path = web_harness.confirm_path(ANNA)
    with sqlite3.connect(sqlite_path(web_harness.app.settings.database_url)) as connection:
        connection.execute("UPDATE subscription SET status = 'no such status'")
    connection.close()

    answer = web_harness.http.get(path)
    httpx.get(f"{web_harness.http.base_url}/healthz")  # on a connection of its own; by then the error is logged

    assert (answer.status_code, "This is our error" in answer.text) == (500, True)
    assert {"content-security-policy", "x-robots-tag"} <= set(answer.headers)
    assert "no such status" not in answer.text
    assert "no such status" in caplog.text
    assert path not in caplog.text


def test_a_port_in_use_is_an_error_with_a_fix(web_harness: WebHarness) -> None:
    port = web_harness.http.base_url.port
    assert port
    with pytest.raises(NewsletterError, match="NEWSLETTER_LISTEN"):
        WebServer(make_web(web_harness.app), "127.0.0.1", port).start()


def test_a_stopped_server_frees_its_port_and_can_be_stopped_twice(web_harness: WebHarness) -> None:
    server = WebServer(make_web(web_harness.app), "127.0.0.1", 0)
    server.start()
    server.stop()
    server.stop()
    again = WebServer(make_web(web_harness.app), "127.0.0.1", server.port)
    again.start()
    again.stop()


def test_a_site_under_a_path_links_under_that_path(tmp_path: Path) -> None:
    with open_web_harness(tmp_path, base_url="https://example.org/tips") as web_harness:
        page = web_harness.http.get("/").text
        assert 'action="/tips/subscribe"' in page
        answer = web_harness.http.post("/subscribe", data={"email": ANNA})
    assert answer.headers["location"] == "/tips/subscribe/sent"


def test_a_json_error_is_one_document(web_harness: WebHarness) -> None:
    answer = web_harness.http.post(
        "/subscribe", content=b"{", headers={"Accept": "application/json", "Content-Type": "application/json"}
    )
    assert answer.headers["content-type"] == "application/json"
    assert json.loads(answer.content)["error"]
