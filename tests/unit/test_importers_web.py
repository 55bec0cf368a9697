"""Tests of importing WordPress exports, feeds, HTML, and CSV: all text is kept, and nothing unsafe."""

from __future__ import annotations

from datetime import date
from html import escape
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from lxml.html import fragment_fromstring

from newsletter.domain.tips.tip import LeftOut, Rejected, TipText
from newsletter.importers import read
from newsletter.importers.html.shortcodes import without_shortcodes
from newsletter.importers.html.to_markdown import to_markdown
from newsletter.rendering.markdown import to_html

EXPORT = Path(__file__).parents[1] / "fixtures" / "export" / "blog.xml"


def tips_in(path: Path, format_: str = "auto") -> list[TipText]:
    return [piece for piece in read([path], format_) if isinstance(piece, TipText)]


# -- WordPress -------------------------------------------------------------------------------------


def test_a_published_post_becomes_a_tip_with_its_date_labels_and_teaser() -> None:
    tip = tips_in(EXPORT)[0]
    assert (tip.title, tip.published_on) == ("Say when the bread is ready", date(2014, 8, 12))
    assert (tip.categories, tip.tags, tip.teaser) == (("Baking",), ("waiting",), "Why soon is not a time.")
    assert tip.source == "https://bakery.example/2014/08/12/ready/"
    assert tip.already_run
    assert tip.body == (
        "“Soon” is not a time.\\\nIt is a hope.\n\n"
        "![A clock over an oven](https://bakery.example/clock.png) The clock\n\n"
        "**Say the minute.** Then keep it: [how](https://bakery.example/2014/08/12/how).\n\n- ten past\n- half past"
    )


def test_pages_and_drafts_are_left_out_by_name() -> None:
    page, draft = [piece for piece in read([EXPORT]) if isinstance(piece, LeftOut)]
    assert (page.title, page.reason) == ("A page", "a page")
    assert (draft.title, draft.reason) == ("Not yet", "a draft")
    assert 1 < page.line < draft.line


def test_no_entity_is_resolved() -> None:
    (tip,) = [tip for tip in tips_in(EXPORT, "wxr") if tip.title == "Entities"]
    assert "root:" not in tip.body
    assert "aaaaa" not in tip.body


def test_an_incomplete_export_gives_its_complete_posts_and_the_line_of_the_error(tmp_path: Path) -> None:
    whole = EXPORT.read_bytes()
    (tmp_path / "half.xml").write_bytes(whole[: whole.index(b"Not yet")])
    found = list(read([tmp_path / "half.xml"]))
    assert isinstance(found[0], TipText)
    assert isinstance(found[-1], Rejected)
    assert "not complete XML" in found[-1].reason


# -- feeds -----------------------------------------------------------------------------------------

ATOM = """<feed xmlns="http://www.w3.org/2005/Atom"><title>x</title>
<entry><title type="html">Use &amp;lt;b&amp;gt; &amp;amp; names</title><link href="https://a.example/1"/>
<published>2015-03-03T10:00:00Z</published><category term="names"/>
<content type="html">&lt;p&gt;Say &lt;em&gt;it&lt;/em&gt;.&lt;/p&gt;</content></entry>
<entry><title>Plain</title><link rel="self" href="https://a.example/no"/><summary>1 &lt; 2</summary></entry>
<entry><title>XHTML</title><content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><p>One</p><p>Two</p></div></content></entry>
</feed>"""
RSS = """<?xml version="1.0"?><rss version="2.0"><channel>
<item><title>Broken off</title><link>https://a.example/2</link><pubDate>Tue, 12 Aug 2014 09:00:00 GMT</pubDate>
<description>&lt;p&gt;It began so [&amp;#8230;]&lt;/p&gt;</description></item></channel></rss>"""


def test_an_atom_feed_with_full_texts_gives_complete_tips(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text(ATOM)
    first, second, third = tips_in(tmp_path / "a.xml")
    assert (first.title, first.body, first.tags) == ("Use <b> & names", "Say *it*.", ("names",))
    assert (first.published_on, first.source) == (date(2015, 3, 3), "https://a.example/1")
    assert to_html(second.body) == "<p>1 &lt; 2</p>\n"
    assert third.body == "One\n\nTwo"


def test_a_truncated_text_in_a_feed_is_a_teaser(tmp_path: Path) -> None:
    (tmp_path / "a.rss").write_text(RSS)
    (tip,) = tips_in(tmp_path / "a.rss")
    assert (tip.complete, tip.body, tip.teaser, tip.source) == (False, "", "It began so", "https://a.example/2")


def test_a_feed_without_an_item_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text("<?xml version='1.0'?><rss><channel/></rss>")
    (rejected,) = read([tmp_path / "a.xml"])
    assert isinstance(rejected, Rejected)
    assert "there is no tip in this file" in rejected.reason


# -- HTML ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("html", "markdown"),
    [
        ("<b>bold </b>word", "**bold** word"),
        ("a<i>“b”</i>c", "a *“b”* c"),
        ("1. not a list<br># not a head", "1\\. not a list\\\n\\# not a head"),
        ("*stars* and _lines_ in snake_case [x](y)", "\\*stars\\* and \\_lines\\_ in snake_case \\[x\\](y)"),
        ("<a href='https://x.example/a(b)'>x</a>", "[x](<https://x.example/a(b)>)"),
        ("<a href='/relative'>x</a>", "x"),
        ("<a href='https://x.example'><img src='b.png' alt='A map'></a>", "[![A map](b.png)](https://x.example)"),
        (
            "<a href='https://x.example/b-large.PNG'><img src='https://x.example/b.png' alt='A map'></a>",
            "![A map](https://x.example/b.png)",
        ),
        ("Text.<img src='https://count.example/b.gif' width=1 height=1>", "Text."),
        ("<ol start=3><li>a<li><p>b</p><ul><li>c</ul></ol>", "3. a\n4. b\n   - c"),
        ("<pre>a\n  *b*</pre>", "```\na\n  *b*\n```"),
        ("<blockquote><p>a</p><p>b</p></blockquote>", "> a\n>\n> b"),
        ("<h1>One</h1><h4></h4>", "## One"),
    ],
)
def test_html_is_converted_to_markdown(html: str, markdown: str) -> None:
    assert to_markdown(html) == markdown


@given(st.text(alphabet=st.sampled_from("ab *_`[]()<>&#1.-+!\\|~=\n"), max_size=60))
def test_text_that_would_be_markdown_is_shown_as_it_is(words: str) -> None:
    assume(not without_shortcodes(words)[1])
    shown = fragment_fromstring(to_html(to_markdown(f"<p>{escape(words)}</p>")), create_parent="div").text_content()
    assert "".join(shown.split()) == "".join(words.split())


TAGS = st.sampled_from(
    ["<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<a href='javascript:alert(1)'>j</a>", "<b>", "</b>",
     "<iframe src=//evil>", "<svg/onload=alert(1)>", '<a href="data:text/html,x">d</a>', "<p>", "<ul><li>", "</ul>",
     "<style>*{}</style>", "<!-- x -->", "<math><mi//xlink:href='data:x,y'>", "[a](javascript:alert(1))", "text", "\n\n"]
)  # fmt: skip


@given(st.lists(TAGS, max_size=12).map("".join), st.booleans())
def test_nothing_unsafe_is_kept(html: str, keep_line_breaks: bool) -> None:  # noqa: FBT001
    page = fragment_fromstring(to_html(to_markdown(html, keep_line_breaks=keep_line_breaks)), create_parent="div")
    assert {node.tag for node in page.iter()} <= {"div", "p", "strong", "ul", "li", "a", "br", "em"}
    assert [node.get("href") for node in page.iter("a")] == []
    assert [name for node in page.iter() for name in node.attrib] == []


def test_deep_nesting_does_not_overflow_the_stack() -> None:
    assert "x" in to_markdown("<div>" * 5_000 + "x" + "</div>" * 5_000)
    assert "x" in to_markdown("<b>" * 5_000 + "x")


# -- CSV -------------------------------------------------------------------------------------------


def test_a_csv_file_gives_a_tip_for_each_row(tmp_path: Path) -> None:
    (tmp_path / "tips.csv").write_text(
        'Title;Body;Date;Tags;Teaser\nOne;"Say *it*.\n\nTwice.";2014-08-12;"a, b";Mine\n;;;;\nTwo;;;;\nThree;x;12.8.;;\n',
        encoding="utf-8",
    )
    tip, empty, undated = read([tmp_path / "tips.csv"])
    assert isinstance(tip, TipText)
    assert (tip.body, tip.published_on, tip.tags, tip.teaser) == (
        "Say *it*.\n\nTwice.", date(2014, 8, 12), ("a", "b"), "Mine",
    )  # fmt: skip
    assert isinstance(empty, Rejected)
    assert (empty.line, empty.reason) == (6, "the body is empty")
    assert isinstance(undated, Rejected)
    assert "2014-08-12" in undated.reason


def test_unknown_columns_are_reported(tmp_path: Path) -> None:
    (tmp_path / "tips.csv").write_text("title,body,mood\na,b,c\n")
    (rejected,) = read([tmp_path / "tips.csv"])
    assert isinstance(rejected, Rejected)
    assert "mood" in rejected.reason
