"""Tests of cleaning tips alike from every source, and of HTML as people paste it."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from newsletter.domain.tips.tip import LeftOut, Rejected, TipText
from newsletter.importers import read
from newsletter.importers.cleaner import clean
from newsletter.importers.closing import closing
from newsletter.importers.html.shortcodes import without_shortcodes
from newsletter.importers.html.to_markdown import to_markdown

WXR_HEAD = '<rss xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:wp="http://wordpress.org/export/1.2/"><channel>'
FOOTER = "Signup for FREE Tips!    Contact Us    More Resources for You    Visit Our Home Page"


def cleaned(tip: TipText, *, is_summary: bool = False) -> TipText:
    found = clean(tip, is_summary=is_summary)
    assert isinstance(found, TipText)
    return found


def in_wxr(title: str, html: str) -> str:
    return f"{WXR_HEAD}<item><title>{title}</title><content:encoded><![CDATA[{html}]]></content:encoded></item></channel></rss>"


def in_feed(title: str, html: str) -> str:
    return f"<rss><channel><item><title>{title}</title><description><![CDATA[{html}]]></description></item></channel></rss>"


def in_csv(title: str, html: str) -> str:
    return f'title,body\n"{title}","{html}"\n'


SOURCES = [("a.xml", in_wxr), ("b.xml", in_feed), ("c.csv", in_csv)]


@pytest.mark.parametrize(("name", "source"), SOURCES, ids=["wxr", "feed", "csv"])
@pytest.mark.parametrize("end", [" - 4/9/24", " – 4/9/24 TOW", " (4/9/2024)", " &#8211; 4/9/24"])
def test_dates_in_titles_and_footers_are_understood_in_every_source(
    tmp_path: Path, name: str, source: object, end: str
) -> None:
    assert callable(source)
    end = "–".join(end.split("&#8211;")) if name == "c.csv" else end
    (tmp_path / name).write_text(source(f"Greet First{end}", f"<p>Say hello.</p><p>{FOOTER}</p>"), encoding="utf-8")
    (tip,) = read([tmp_path / name])
    assert isinstance(tip, TipText), tip
    assert (tip.title, tip.published_on, tip.body) == ("Greet First", date(2024, 4, 9), "Say hello.")


@pytest.mark.parametrize(("name", "source"), SOURCES, ids=["wxr", "feed", "csv"])
@pytest.mark.parametrize(
    "end", ["[…]", "[...]", "Read more", "Read More »", "<a href='https://a.example/'>Continue reading Greet →</a>"]
)
def test_the_beginning_of_a_post_is_a_teaser_in_every_source(
    tmp_path: Path, name: str, source: object, end: str
) -> None:
    assert callable(source)
    appeared = (
        "<p>The post <a href='https://a.example/'>Greet</a> appeared first on <a href='https://a.example'>A</a>.</p>"
    )
    (tmp_path / name).write_text(source("Greet", f"<p>It helps to know {end}</p>{appeared}"), encoding="utf-8")
    (tip,) = read([tmp_path / name])
    assert isinstance(tip, TipText), tip
    assert (tip.complete, tip.body, tip.teaser) == (False, "", "It helps to know")


@pytest.mark.parametrize(
    "line",
    [
        "The post Greet appeared first on Advice.", "The post Greet first appeared on Advice.",
        "This article was originally published on Advice.", "Der Beitrag Greet erschien zuerst auf Advice.", FOOTER,
        "[Signup for FREE Tips!](https://a.example)   [Contact Us](https://a.example)   [More Resources for You](https://a.example)",
        "Please leave a comment", "Share this:",
    ],
)  # fmt: skip
def test_furniture_below_a_text_is_removed(line: str) -> None:
    assert cleaned(TipText("T", f"All of it.\n\n{line}")).body == "All of it."


def test_a_footer_joined_to_the_last_line_is_removed_and_prose_about_it_is_kept() -> None:
    assert cleaned(TipText("T", f"Listen. {FOOTER}")).body == "Listen."
    for words in (
        "Write “Contact Us” on the door.",
        "You should read more.",
        "And then…",
        "1 < 2",
        "The post office is here.",
    ):
        assert cleaned(TipText("T", words)).body == words


def test_an_ellipsis_ends_a_summary_but_not_a_whole_text() -> None:
    assert not cleaned(TipText("T", "We listen, and then…"), is_summary=True).complete
    assert cleaned(TipText("T", "We listen, and then…")).complete


def test_an_impossible_date_in_a_title_is_rejected_everywhere() -> None:
    assert isinstance(clean(TipText("T - 13/45/14", "x")), Rejected)
    assert cleaned(TipText("Open 24/7/365", "x")).title == "Open 24/7/365"


# -- the closing call to action ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "last",
    [
        "To be great at service, listen.", "Be clear on the purpose.", "Don’t wait.", "Let’s all learn from Linda.",
        "**Small steps, every day.**", "*Kindness costs nothing.*", "## Ask once more", "Next time, pause before you answer.",
        "When a caller is upset, let them finish.",
    ],
)  # fmt: skip
def test_a_closing_call_that_is_set_apart_is_the_takeaway(last: str) -> None:
    tip = cleaned(TipText("T", f"One.\n\nTwo.\n\n{last}"))
    assert (tip.body, tip.takeaway) == ("One.\n\nTwo.", last.strip("*# "))


@pytest.mark.parametrize(
    "last",
    [
        "And so it multiplies.", "Great managers are rarely seen.", "Listen. Then listen again.", "Who comes next?",
        "- Listen to them.", "Here is the list:", "> “Be kind.”\n> — my aunt", "Write to the [desk](https://a.example). It helps.",
    ],
)  # fmt: skip
def test_other_last_paragraphs_stay_in_the_text(last: str) -> None:
    assert closing(["One.", "Two.", last]) == ""


def test_a_short_text_and_a_takeaway_of_the_author_stay_as_they_are() -> None:
    assert cleaned(TipText("T", "One.\n\nBe kind.")).takeaway == ""
    tip = cleaned(TipText("T", "One.\n\nTwo.\n\nBe kind.", takeaway="Mine."))
    assert (tip.takeaway, tip.body) == ("Mine.", "One.\n\nTwo.\n\nBe kind.")
    assert closing(["One.", "Two.", "The bottom line: trust takes time."]) == "trust takes time."


# -- what people paste -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("html", "kept"),
    [
        ('[button link="https://a.example"]Sign up[/button]', "Sign up"),
        ("[fusion_text]Words.[/fusion_text]", "Words."),
        ("[x_y][z]Words[/z][/x_y]", "Words"),
        ("[newsletter_form] [tweet 123] [gallery ids='1,2']", "  "),
        ("[youtube https://v.example/watch?v=a]", "https://v.example/watch?v=a"),
        ("[an aside in brackets, by an author]", "[an aside in brackets, by an author]"),
        ("[sic] [laughs] [page 12] [An employee on the phone…]", "[sic] [laughs] [page 12] [An employee on the phone…]"),
        ("[[gallery]]", "[gallery]"),
    ],
)  # fmt: skip
def test_shortcodes_are_dropped_with_their_words_kept(html: str, kept: str) -> None:
    assert without_shortcodes(html)[0] == kept


WORD = "<p class='MsoListParagraph' style='mso-list:l0 level{}'><span style='font-family:Symbol'>{}<span>&nbsp; &nbsp; </span></span>{}</p>"


@pytest.mark.parametrize(
    ("html", "markdown"),
    [
        (WORD.format(1, "·", "One") + "\n" + WORD.format(1, "·", "Two"), "- One\n- Two"),
        (WORD.format(1, "1.", "One") + WORD.format(2, "a.", "Inner") + WORD.format(1, "2.", "Two"), "1. One\n   1. Inner\n2. Two"),
        ("<!--[if gte mso 9]><xml><w:View>Normal</w:View></xml><![endif]--><p>Text<o:p></o:p></p>", "Text"),
        ("<xml><w:View>Normal</w:View></xml><p>Text</p>", "Text"),
        (
            ("<b style='font-weight:normal' id='docs-internal-guid-1'><p>One <span style='font-weight:700'>bold</span>.</p>"
            "<ul><li><p>a</p></li><li><p>b</p></li></ul></b>"),
            "One **bold**.\n\n- a\n- b",
        ),
        ("<span style='font-style:italic;font-weight:bold'>both</span>", "***both***"),
        ("<ol><li>One</li><ul><li>Inner</li></ul><li>Two</li></ol>", "1. One\n   - Inner\n2. Two"),
        ("<ul>Stray<li>One</li>more<p>Also</p></ul>", "- Stray\n- One more\n- Also"),
        ("<p><b style='mso-bidi-font-weight:normal'>Bold</b></p>", "**Bold**"),
        ("<strong><p>One</p><p>Two</p></strong>", "**One**\n\n**Two**"),
        ("<b>one<br>two</b>", "**one**\\\n**two**"),
        ("<p>Three things:</p><p>• one</p><p>• two</p>", "Three things:\n\n- one\n- two"),
        ("<p>Three things:<br>• one<br>• two</p>", "Three things:\n\n- one\n- two"),
        ("<!-- wp:list --><ul><!-- wp:list-item --><li>a</li><!-- /wp:list-item --></ul><!-- /wp:list -->", "- a"),
    ],
)  # fmt: skip
def test_pasted_lists_are_lists_and_bold_is_bold(html: str, markdown: str) -> None:
    assert to_markdown(html) == markdown


# -- Blogger ---------------------------------------------------------------------------------------------

KIND = (
    '<category scheme="http://schemas.google.com/g/2005#kind" term="http://schemas.google.com/blogger/2008/kind#{}"/>'
)


def test_of_a_blogger_export_only_published_posts_are_tips(tmp_path: Path) -> None:
    def entry(kind: str, title: str, more: str = "") -> str:
        return f"<entry>{KIND.format(kind)}<title type='text'>{title}</title><content type='html'>Text.</content>{more}</entry>"

    draft = "<app:control xmlns:app='http://purl.org/atom/app#'><app:draft>yes</app:draft></app:control>"
    label = '<category scheme="http://www.blogger.com/atom/ns#" term="service"/>'
    text = (
        entry("settings", "S") + entry("template", "T") + entry("post", "A post", label) + entry("post", "D", draft)
        + entry("comment", "C") + entry("page", "P")
    )  # fmt: skip
    (tmp_path / "b.xml").write_text(f'<feed xmlns="http://www.w3.org/2005/Atom">{text}</feed>')
    found = list(read([tmp_path / "b.xml"]))
    assert [(piece.title, piece.tags) for piece in found if isinstance(piece, TipText)] == [("A post", ("service",))]
    assert [(piece.title, piece.reason) for piece in found if isinstance(piece, LeftOut)] == [
        ("S", "a setting of the blog"), ("T", "a template"), ("D", "a draft"), ("C", "a comment"), ("P", "a page"),
    ]  # fmt: skip
