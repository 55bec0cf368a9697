"""Emails as subscribers see them: golden files, and what must be true of each email."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from datetime import date
from email import message_from_bytes
from pathlib import Path

import lxml.html
import pytest

from newsletter.domain.archive.entries import ArchiveLinks, Mention, preview_text
from newsletter.domain.errors import TemplateError
from newsletter.domain.tips.tip import TipText
from newsletter.mail.compiled import compile_email, twin_sentinels
from newsletter.mail.headers import issue_headers
from newsletter.mail.message import build
from newsletter.rendering.emails import EmailTemplates, shorten
from tests.support.samples import CONFIRM, RECIPIENT, REPORT, SHIPPED, SITE, TIP, every_email, issue

GOLDEN = Path(__file__).parents[1] / "golden"
TEMPLATES = EmailTemplates(SITE, [SHIPPED])
EMAILS = every_email()
MIRRORED = every_email(replace(SITE, language="ar"))
KINDS = sorted(EMAILS)


def check_golden(name: str, text: str) -> None:
    """Compare with the golden file. `UPDATE_GOLDEN=1` rewrites it, for review in the diff."""
    path = GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_every_email_is_a_folder_of_three_files() -> None:
    folders = {path.parent.name for path in (SHIPPED / "email").glob("*/*")} - {"_base"}
    assert sorted(folders) == KINDS
    for kind in KINDS:
        assert {path.name for path in (SHIPPED / "email" / kind).iterdir()} == {"subject.txt", "body.txt", "body.html"}


@pytest.mark.parametrize("kind", KINDS)
def test_both_parts_of_an_email_have_the_same_links_in_the_same_order(kind: str) -> None:
    anchors = lxml.html.document_fromstring(EMAILS[kind].html).findall(".//a")
    in_html = [url for node in anchors if (url := str(node.get("href"))).startswith("http")]
    in_text = re.findall(r"https?://[^\s)]+", EMAILS[kind].text)
    assert list(dict.fromkeys(url.rstrip(".") for url in in_text)) == list(dict.fromkeys(in_html))


@pytest.mark.parametrize("kind", KINDS)
def test_an_email_is_mirrored_for_right_to_left_languages(kind: str) -> None:
    left, right = EMAILS[kind].html, MIRRORED[kind].html
    assert not re.search(r"border-right|padding-right:2[06]|text-align:left", left)
    assert not re.search(r"border-left|padding-left:2[06]|text-align:right", right)


@pytest.mark.parametrize("kind", KINDS)
def test_the_text_part_is_as_it_was_approved(kind: str) -> None:
    check_golden(f"{kind}.txt", EMAILS[kind].text)


def test_the_html_part_of_the_issue_is_as_it_was_approved() -> None:
    check_golden("issue.html", EMAILS["issue"].html)


@pytest.mark.parametrize("kind", KINDS)
def test_no_line_of_a_text_part_is_wider_than_72_but_for_a_url(kind: str) -> None:
    assert [line for line in EMAILS[kind].text.split("\n") if len(line) > 72 and "://" not in line] == []


@pytest.mark.parametrize("kind", KINDS)
def test_the_structure_of_an_email_is_sound(kind: str) -> None:
    email = EMAILS[kind]
    root = lxml.html.document_fromstring(email.html)
    assert (root.get("lang"), root.get("dir")) == ("en", "ltr")
    assert root.findtext(".//title") == email.subject
    assert len(root.findall(".//h1")) == 1
    assert {table.get("role") for table in root.findall(".//table")} == {"presentation"}
    assert [tag for tag in ("img", "script", "link", "form", "iframe") if root.findall(f".//{tag}")] == []
    assert "color-scheme" in {meta.get("name") for meta in root.findall(".//meta")}
    assert len(email.html.encode()) < 90_000
    assert len(email.subject) <= 60
    assert "display:none" not in email.html.replace(" ", "")
    assert "\n" not in email.subject


def test_both_parts_of_the_issue_have_the_same_links() -> None:
    links = {node.get("href") for node in lxml.html.document_fromstring(EMAILS["issue"].html).findall(".//a")}
    assert set(re.findall(r"https?://[^\s)]+", EMAILS["issue"].text)) == links
    assert links == {
        *("https://news.example/", SITE.contact_url, SITE.home_url, "https://news.example/tips/say-it"),
        *(RECIPIENT["useful_url"] + "/yes", RECIPIENT["useful_url"] + "/no"),
        *(RECIPIENT["unsubscribe_url"], RECIPIENT["preferences_url"], "https://example.org/when?a=1&b=2"),
    }


def test_the_first_line_of_the_issue_is_its_preview_text() -> None:
    body = lxml.html.document_fromstring(EMAILS["issue"].html).find("body")
    words = " ".join(body.text_content().split())
    assert words.startswith(
        "End each call with a name, a step & an hour. Tip of the Week No. 3 · June 3, 2025 Say what"
    )
    assert EMAILS["issue"].text.startswith("End each call with a name, a step & an hour.\n\nTIP OF THE WEEK\n")


def test_the_preview_text_is_the_owners_or_the_takeaway_or_the_first_sentence() -> None:
    tip = TipText("T", "**Mr. Bell** called twice. Then he left.")
    assert preview_text(tip) == "Mr. Bell called twice."
    assert preview_text(replace(tip, takeaway="Call back.")) == "Call back."
    assert preview_text(replace(tip, takeaway="Call back.", preview="Who is Mr. Bell?")) == "Who is Mr. Bell?"
    assert len(preview_text(replace(tip, takeaway="word " * 100))) <= 140


def test_the_footer_has_only_the_links_that_are_set() -> None:
    bare = issue(replace(SITE, contact_url="", home_url="", postal_address=""))
    assert "Contact" not in bare.text + bare.html
    assert "Home page" not in bare.text + bare.html
    assert "Sign up: " not in bare.text


def test_the_email_links_to_the_archive_if_there_is_something_in_it() -> None:
    archive_links = ArchiveLinks(Mention("near", "A near one"), Mention("then", "An old <one>"), 10)
    email = TEMPLATES.issue(
        TIP, tip_key="say-it", number=3, slot=date(2025, 6, 3), recipient=RECIPIENT, archive_links=archive_links
    )
    for part in (email.html, email.text):
        assert "ten years ago this tuesday" in part.lower()
        assert "https://news.example/tips/near" in part
        assert "https://news.example/tips/then" in part
    assert "An old &lt;one&gt;" in email.html
    assert "years ago" not in EMAILS["issue"].html + EMAILS["issue"].text


def test_a_logo_stands_above_the_title_which_is_readable_with_pictures_off() -> None:
    (logo,) = lxml.html.document_fromstring(issue(replace(SITE, has_logo=True)).html).findall(".//img")
    assert (logo.get("src"), logo.get("alt")) == ("https://news.example/logo", "")
    assert logo.tail == "Tip of the Week"


def test_the_owners_color_replaces_the_default_everywhere() -> None:
    email = issue(replace(SITE, color="#8a1538"))
    assert "#8a1538" in email.html
    assert "#17664f" not in email.html


def test_a_report_names_the_issue_and_not_itself() -> None:
    assert "“Say what happens next” was sent" in " ".join(EMAILS["report"].html.split())
    assert EMAILS["report"].subject == "[Tip of the Week] No. 3: 1,190 of 1,204 sent"


def test_a_tip_without_a_takeaway_has_no_empty_box() -> None:
    plain = issue(tip=replace(TIP, takeaway=""))
    assert 'class="takeaway"' not in plain.html
    assert "TAKEAWAY" not in plain.text


def test_the_text_of_a_tip_cannot_become_markup() -> None:
    evil = issue(tip=TipText("<script>1</script>", "<img src=x> {{ site }}", takeaway="<b>"))
    assert "<script" not in evil.html
    assert "<img" not in evil.html
    assert "{{ site }}" in evil.text


def test_the_confirmation_shows_nothing_that_a_visitor_typed() -> None:
    typed = {"address": "spam-me@host.example", "name": "Buy pills", "email": "spam-me@host.example"}
    email = TEMPLATES.transactional("confirm", CONFIRM | typed)
    assert email == EMAILS["confirm"]


def test_a_welcome_needs_no_name_and_no_next_slot() -> None:
    email = TEMPLATES.transactional("welcome", RECIPIENT | {"name": " "})
    assert "Welcome\n=======" in email.text
    assert "arrives with the next issue" in email.text
    assert "Welcome, Ada\n" in EMAILS["welcome"].text


def test_a_right_to_left_language_sets_the_direction() -> None:
    assert '<html lang="he" dir="rtl">' in issue(replace(SITE, language="he")).html


@pytest.mark.parametrize("kind", ["nobody", "../issue", "", "Issue", "_base"])
def test_a_kind_without_a_folder_is_an_error(kind: str) -> None:
    with pytest.raises(TemplateError):
        TEMPLATES.transactional(kind, {})


def test_a_missing_value_is_named_with_its_template() -> None:
    with pytest.raises(TemplateError, match="'confirm_url' is undefined") as caught:
        TEMPLATES.transactional("confirm", {})
    assert caught.value.source.endswith(os.path.join("confirm", "body.txt"))  # noqa: PTH118 - a text, not a path


def test_an_owners_file_replaces_only_that_file(tmp_path: Path) -> None:
    (tmp_path / "email" / "issue").mkdir(parents=True)
    (tmp_path / "email" / "issue" / "subject.txt").write_text("No. {{ number }}:\n{{ tip.title }}\n")
    own = EmailTemplates(SITE, [tmp_path, SHIPPED]).issue(
        TIP, tip_key="say-it", number=3, slot=date(2025, 6, 3), recipient=RECIPIENT
    )
    assert own.subject == "No. 3: Say what happens next"
    assert own.text == EMAILS["issue"].text


def test_a_long_title_is_cut_between_words_in_the_subject_only() -> None:
    assert shorten("Short") == "Short"
    assert shorten("Wait for the third sentence, and then, for once, wait for the fourth") == (
        "Wait for the third sentence, and then, for once, wait for…"
    )
    assert shorten("x" * 70) == "x" * 59 + "…"
    long = issue(tip=replace(TIP, title="words " * 20))
    assert len(long.subject) <= 60
    assert long.html.count("words") > 20


def test_our_own_issue_can_be_filled_and_equals_the_built_message() -> None:
    def headers(recipient: dict[str, str]) -> list[tuple[str, str]]:
        return issue_headers(
            SITE,
            subject=TIP.title,
            issue=3,
            slot_or_date=date(2025, 6, 3),
            archived_at="https://news.example/tips/say-it",
            recipient=recipient,
        )

    a, b = twin_sentinels("z0123q")
    compiled_email = compile_email(headers(a), issue(recipient=a), issue(recipient=b), a, b, "b0undary")
    assert compiled_email.uniform
    for name in ("Ada", "", "Zoë “Z” O'Hara & <Co>"):
        recipient = RECIPIENT | {"name": name, "address": "o'hara=x@host.example"}
        fast, slow = compiled_email.fill(recipient), build(headers(recipient), issue(recipient=recipient), "b0undary")
        fast_parts, slow_parts = ([*message_from_bytes(octets).walk()] for octets in (fast, slow))
        assert fast_parts[0].items() == slow_parts[0].items()
        assert fast_parts[1].get_payload(decode=True) == slow_parts[1].get_payload(decode=True)
        pages = [lxml.html.document_fromstring(parts[2].get_payload(decode=True)) for parts in (fast_parts, slow_parts)]
        assert lxml.html.tostring(pages[0]) == lxml.html.tostring(pages[1])


def test_a_report_writes_one_week_in_the_singular() -> None:
    report = TEMPLATES.transactional("report", REPORT | {"fresh_weeks": 1})
    assert "There is a fresh tip for one week, until March 17, 2026." in " ".join(report.text.split())
    assert "1 weeks" not in report.text + report.html


def test_no_separator_dangles_where_the_links_of_a_footer_wrap() -> None:
    for kind, email in EMAILS.items():
        footer = email.html.partition('role="contentinfo"')[2]
        assert "·" not in footer, kind
