"""Inlining CSS: a test for each pitfall of premailer."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import escape

from newsletter.rendering.inline import CachedInliner, inline

PAGE = (
    '<!DOCTYPE html>\n<html lang="de" dir="ltr">\n<head><meta charset="utf-8"><title>Größe</title>\n'
    "<style>{style}</style>\n"
    '<style data-premailer="ignore">{kept}</style></head>\n<body>{body}</body>\n</html>'
)


def page(style: str = "", body: str = '<p class="a">x</p>', kept: str = "") -> str:
    return inline(PAGE.format(style=style, body=body, kept=kept))


def test_rules_become_attributes_and_classes_stay_for_dark_mode() -> None:
    assert '<p class="a" style="color:#121314; margin:0">x</p>' in page("p { color: #121314; } .a { margin: 0; }")


def test_the_style_that_is_not_inlined_stays_unchanged() -> None:
    kept = (
        ":root { color-scheme: light dark; } [data-ogsc] .a { color: red; } .nobody > li { color: #123; }\n"
        "@media (prefers-color-scheme: dark) { .a { color: #eee !important; } }\n"
        "@supports (display: grid) { .a { display: grid; } }"
    )
    assert f"<style>{kept}</style>" in page("p { color: #111111; }", kept=kept)


def test_a_media_rule_in_the_other_sheet_stays_important() -> None:
    found = page("p { color: #111 } @media (prefers-color-scheme: dark) { p { color: #eee !important } }")
    assert "prefers-color-scheme: dark" in found
    assert "color: #eee !important" in found


def test_an_important_declaration_wins_inline_and_stays_important() -> None:
    assert 'style="color:red !important"' in page("p { color: red !important; } .a { color: blue; }")


def test_title_language_doctype_and_umlauts_stay() -> None:
    found = page(body="<h1>Größe — “so”</h1>")
    assert found.startswith('<!DOCTYPE html>\n<html lang="de" dir="ltr">')
    assert "<title>Größe</title>" in found
    assert "<h1>Größe — “so”</h1>" in found
    assert found.count("charset") == 1


def test_obsolete_attributes_are_not_added() -> None:
    body = '<table><tr><td class="a">x</td></tr></table>'
    found = page(
        ".a { width: 10px; height: 2px; text-align: right; vertical-align: top; background-color: #fff; }", body
    )
    assert not [name for name in ("width=", "height=", "align=", "valign=", "bgcolor=") if f" {name}" in found]


def test_a_sentinel_url_survives() -> None:
    url = "https://recipient.invalid/z0123unsubscribeurlz"
    assert f'<a href="{url}">' in page(body=f'<a href="{url}">leave</a>')


def test_rules_after_an_unknown_one_count() -> None:
    assert "color:red" in page("@unknown x; p { mso-line-height-rule: exactly; color: red; }")
    assert "mso-line-height-rule:exactly" in page("p { mso-line-height-rule: exactly; }")


class Asked(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Listener)
        self.server.asked.append(self.path)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"p { color: rgb(1, 2, 3) }")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
        pass


class Listener(HTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Asked)
        self.asked: list[str] = []


def test_nothing_is_loaded_from_anywhere(tmp_path: Path) -> None:
    secret = tmp_path / "secret.css"
    secret.write_text("p { color: rgb(9, 9, 9) }")
    server = Listener()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        address = f"http://127.0.0.1:{server.server_port}"
        found = page(
            f'@import url("{address}/a.css"); @import "{secret.as_uri()}"; p {{ margin: 0; }}',
            f'<link rel="stylesheet" href="{address}/b.css"><p>x</p><img alt="" src="{address}/c.png">',
        )
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert server.asked == []
    assert "rgb" not in found
    assert "margin:0" in found


@pytest.mark.parametrize("number", range(3))
def test_the_same_page_gives_the_same_bytes_every_time(number: int) -> None:
    assert page("p { color: #111; }") == page("p { color: #111; }")


PLAIN = st.one_of(
    st.from_regex(r"\Ahttps://[a-z]{1,8}\.example/[A-Za-z0-9._~/-]{0,40}\Z"),
    st.from_regex(r"\A[A-Za-z0-9._+-]{1,12}@[a-z0-9-]{1,8}\.example\Z"),
)
MAIL = PAGE.format(
    style="p { margin: 0 } a { color: #123456 }",
    kept="",
    body='<p>For %(who)s &amp; %(name)s</p><p><a href="%(one)s">%(one)s</a> <a href="%(two)s?a=1&amp;b=2">go</a></p>',
)


@given(PLAIN, PLAIN, PLAIN, st.text(st.characters(exclude_characters="%", exclude_categories=["C"]), max_size=12))
def test_what_is_inlined_once_and_filled_equals_what_is_inlined(who: str, one: str, two: str, name: str) -> None:
    def fill(**values: str) -> str:
        return MAIL % {key: escape(value) for key, value in values.items()}

    remembered: dict[str, str] = {}

    def inlined(html: str) -> str:
        return remembered.setdefault(html, inline(html))

    values = {"who": who, "one": one, "two": two, "name": name}
    other = {**values, "who": "b@b.example", "one": "https://b.example/other"}
    assert CachedInliner(other, inlined)(fill(**other)) == inline(fill(**other))
    assert CachedInliner(values, inlined)(fill(**values)) == inline(fill(**values))


def test_emails_that_differ_only_in_links_are_inlined_once() -> None:
    asked: list[str] = []

    def inlined(html: str) -> str:
        asked.append(html)
        return html

    for number in range(3):
        link = f"https://tips.example/confirm/token{number}"
        assert CachedInliner({"confirm_url": link}, inlined)(f'<a href="{link}">') == f'<a href="{link}">'

    assert len(set(asked)) == 1


def test_an_email_that_contains_our_marks_is_inlined_by_itself() -> None:
    html = page(body="<p>https://value.invalid/000</p>")
    assert "https://value.invalid/000" in CachedInliner({"a": "https://tips.example/x"}, inline)(html)
