"""Adding a page takes one row of the route table and one template, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from starlette.responses import PlainTextResponse, Response

from newsletter.app import App
from newsletter.web import make_web
from newsletter.web.pages import Pages
from newsletter.web.routes import GET, Route, personal_paths, route_table
from newsletter.web.server import WebServer
from tests.support.web import WebHarness, open_web_harness

ABOUT = "What this newsletter is about."


def about_someone(token: str) -> Response:
    return PlainTextResponse(token)


def with_about_page(app: App, pages: Pages) -> list[Route]:
    rows = route_table(app, pages)
    rows.append(Route(GET, "/about", pages.static("about", ABOUT)))
    rows.append(Route(GET, "/about/{token}", about_someone))
    return rows


@contextmanager
def site_with_about_page(directory: Path) -> Iterator[tuple[WebHarness, httpx.Client]]:
    folder = directory / "own" / "web"
    folder.mkdir(parents=True)
    (folder / "about.html").write_text('{% extends "base.html" %}{% block main %}<p>About us</p>{% endblock %}')
    with open_web_harness(directory, templates=str(directory / "own")) as harness:
        server = WebServer(make_web(harness.app, with_about_page), "127.0.0.1", 0)
        server.start()
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", trust_env=False) as http:
                yield harness, http
        finally:
            server.stop()


def test_a_new_row_is_a_page_with_all_headers(tmp_path: Path) -> None:
    with site_with_about_page(tmp_path) as (_, http):
        page, head = http.get("/about"), http.head("/about")
        assert (page.status_code, head.status_code, head.content) == (200, 200, b"")
        assert page.headers["content-type"].startswith("text/html")
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert http.post("/about").status_code == 405
        assert http.get("/archive").status_code == 200, "the other pages are unchanged"


def test_a_new_row_is_part_of_the_openapi_document(tmp_path: Path) -> None:
    with site_with_about_page(tmp_path) as (_, http):
        answer = http.get("/openapi.json")
        assert answer.status_code == 200
        operation = answer.json()["paths"]["/about"]["get"]
    assert operation["summary"] == ABOUT
    assert set(operation["responses"]) == {"200", "503"}
    assert set(operation["responses"]["200"]["content"]) == {"text/html"}


def test_a_new_row_with_a_token_and_without_a_docstring_has_safe_defaults(tmp_path: Path) -> None:
    with site_with_about_page(tmp_path) as (_, http):
        page = http.get("/about/some-token")
        operation = http.get("/openapi.json").json()["paths"]["/about/{token}"]["get"]
    assert (page.status_code, page.text, page.headers["cache-control"]) == (200, "some-token", "no-store")
    assert page.headers["x-robots-tag"] == "noindex, nofollow"
    assert operation["summary"] == "/about/{token}"
    assert [parameter["name"] for parameter in operation["parameters"]] == ["token"]


def test_pages_behind_a_signed_link_are_found_by_their_path(tmp_path: Path) -> None:
    with open_web_harness(tmp_path) as harness:
        rows = route_table(harness.app, Pages(harness.app.site, harness.app.schedule, None))
    expected = {"/confirm/", "/u/", "/back/", "/p/", "/move/", "/useful/", "/owner/"}
    assert set(personal_paths(rows)) == expected
