"""Preflight checks: our own issue passes, and each problem is found."""

from __future__ import annotations

import re
from datetime import date

import pytest

from newsletter.domain.site import Site
from newsletter.mail.headers import issue_headers
from newsletter.mail.message import build
from newsletter.ports.rendering import Rendered
from newsletter.rendering.preflight import preflight
from newsletter.rendering.side_by_side import side_by_side
from tests.support.samples import RECIPIENT, SITE, issue


def message(rendered: Rendered, site: Site = SITE) -> bytes:
    headers = issue_headers(
        site,
        subject=rendered.subject,
        issue=3,
        slot_or_date=date(2025, 6, 3),
        archived_at="https://news.example/tips/say-it",
        recipient=RECIPIENT,
    )
    return build(headers, rendered, "b0undary")


OURS = issue()


def changed(old: str, new: str, *, text: str | None = None, subject: str | None = None) -> bytes:
    assert old in OURS.html
    return message(
        Rendered(subject or OURS.subject, OURS.text if text is None else text, OURS.html.replace(old, new, 1))
    )


def problems(raw: bytes) -> dict[str, tuple[str, str]]:
    return {found.id: (found.level, found.message) for found in preflight(raw) if found.level != "ok"}


def test_our_own_issue_passes_every_check() -> None:
    findings = preflight(message(OURS))
    assert {found.level for found in findings} == {"ok"}
    assert len({found.id for found in findings}) == 10


@pytest.mark.parametrize(
    ("html", "check", "level"),
    [
        ("<script>1</script>", "markup", "error"),
        ("<form></form>", "markup", "error"),
        ('<link rel="stylesheet" href="x.css">', "markup", "error"),
        ("<style>@import url(x.css);</style>", "markup", "error"),
        ('<p style="display: none">x</p>', "markup", "warning"),
        ("<h1>Another</h1>", "markup", "warning"),
        ('<img src="https://x.example/a.png">', "pictures", "error"),
        ('<img src="a.png" alt="A">', "pictures", "error"),
        ('<img src="https://x.example/a.png" alt="" width="1" height="1">', "pictures", "error"),
        ("<p>Dear {{ name }}</p>", "placeholders", "error"),
        ("<p>https://recipient.invalid/x</p>", "placeholders", "error"),
        ('<a href="/relative">x</a>', "links", "error"),
        ('<a href="https://x.example/"></a>', "links", "error"),
        ('<a href="http://localhost:8000/">x</a>', "links", "warning"),
        ('<a href="http://x.example/">x</a>', "links", "warning"),
        ('<a href="https://only.example/">x</a>', "text", "warning"),
        ('<p style="color: #aaaaaa">x</p>', "contrast", "error"),
        (f"<p>{'long ' * 20_000}</p>", "size", "error"),
    ],
)
def test_a_problem_in_the_html_is_found(html: str, check: str, level: str) -> None:
    found = problems(changed("</h1>", f"</h1>{html}"))
    assert found[check][0] == level


@pytest.mark.parametrize("subject", ["A SUBJECT IN CAPITALS", "x" * 61, "Now!!! Really"])
def test_a_doubtful_subject_is_found(subject: str) -> None:
    assert problems(changed("<h1", "<h1", subject=subject))["subject"][0] == "warning"


def test_a_missing_text_part_and_wide_lines_are_found() -> None:
    assert problems(changed("<h1", "<h1", text=" "))["text"][0] == "error"
    assert "longer than 78" in problems(changed("<h1", "<h1", text=OURS.text + "wide " * 20))["text"][1]


def test_a_header_that_is_missing_or_does_not_work_is_found() -> None:
    raw = message(OURS)
    assert "List-Unsubscribe-Post" in problems(re.sub(rb"List-Unsubscribe-Post:.*\r\n", b"", raw))["headers"][1]
    assert "must be" in problems(raw.replace(b"List-Unsubscribe=One-Click", b"One-Click"))["headers"][1]
    encoded = re.sub(rb"List-Unsubscribe: .*\r\n( .*\r\n)*", b"List-Unsubscribe: =?utf-8?q?x?=\r\n", raw)
    assert "one-click unsubscribe does not work" in problems(encoded)["headers"][1]


def test_one_problem_of_many_links_is_one_finding() -> None:
    links = "".join(f'<a href="http://localhost:8000/{n}">Place {n}</a>' for n in range(8))
    raw = changed("</h1>", f"</h1>{links}")
    found = [one.message for one in preflight(raw) if one.level != "ok"]
    assert found == [
        f"only the HTML part has 8 links: {', '.join(f'http://localhost:8000/{n}' for n in range(3))}, and 5 more",
        "8 links lead to this machine: “Place 0”, “Place 1”, “Place 2”, and 5 more; set NEWSLETTER_BASE_URL",
    ]


def test_the_preview_page_begins_with_what_an_inbox_shows() -> None:
    raw = message(OURS)
    page = side_by_side(raw, preflight(raw))
    inbox = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", page.partition('class="inbox"')[2].partition("</div>")[0]))
    assert "Tip of the Week Say what happens next End each call with a name, a step &amp; an hour." in inbox
    assert "10 checks passed" in page
    assert "octets" not in page


def test_the_preview_page_shows_light_dark_and_text_and_runs_nothing() -> None:
    raw = changed("</h1>", "</h1><script>alert(1)</script>")
    page = side_by_side(raw, preflight(raw))
    assert page.count("<iframe") == page.count("sandbox") == 3
    assert "<script" not in page
    assert "@media not all" in page
    assert "@media all" in page
    assert "&lt;script&gt; does not work in email" in page
    assert "Say what happens next\n=====" in page
