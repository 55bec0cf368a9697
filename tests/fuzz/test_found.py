"""What fuzzing has found, as small as it could be made."""

from __future__ import annotations

import pytest

from newsletter.importers.markdown import parse
from newsletter.senders.url import parse_sender_urls
from tests.fuzz.checks import check_html, check_reply, check_sender_url, check_tips_file

ITEM = (
    '<?xml version="1.0"?><rss version="2.0"><channel><item><title>Say the name</title>{}<description>Once.'
    "</description></item></channel></rss>"
)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("file.csv", "title\tbody\n\x00a\tb"),
        ("file.csv", "title,body\na\x1b[31m,b\x9b"),
        ("file.md", "---\ntitle: Thanks\n---\n\x00# Head\n\n- item"),
        ("file.txt", "\x80Title one (5/6/2014)\nWords of the tip.\nRead more…"),
        ("file.txt", "\ud7fcTitle one (5/6/2014)\nWords of the tip.\nRead more…"),  # not assigned yet
        ("file.txt", f"Title one (5/6/2014)\n{'Words of the tip. ' * 200}\nRead more…"),
        ("file.txt", f"Title one (5/6/2014)\nWords of the tip.\nTags: {', '.join(map(str, range(1000, 1100)))}\n"),
        ("file.xml", ITEM.format("<https://blog.example/say</link>")),
        ("file.xml", ITEM.format("<content:><link>x</link>")),
    ],
)
def test_a_file_that_was_found(name: str, text: str) -> None:
    check_tips_file(name, text)


@pytest.mark.parametrize("text", ["\ud800", "\ufffe", "a\uffffb<p>\udfff"])
def test_html_that_was_found(text: str) -> None:
    check_html(text)


def test_a_reply_that_was_found() -> None:
    check_reply("421 \x00550-5.1.1 \x1b[2J The email account\n550 5.1.1 x")


def test_a_sender_url_that_was_found() -> None:
    text = "smtp://user:SECRET@mail.example:587?starttls=smtp://mail.example?password=SECRET"
    check_sender_url(text)
    assert "SECRET" not in parse_sender_urls(text)[0].masked()


@pytest.mark.parametrize("title", ["Family 👨‍👩‍👧", "New \ud7fc", "نامه‌ای"])
def test_a_title_may_have_characters_that_join_others_or_are_new(title: str) -> None:
    (found,) = parse(f"---\ntitle: {title}\n---\nOnce.", "a.md")

    assert getattr(found, "title", found) == title
