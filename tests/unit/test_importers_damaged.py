"""Tests of reading files as they are found: damaged XML, other encodings, dates of every kind, and open quotation marks."""

from __future__ import annotations

import csv
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from newsletter.domain.read_dates import Dates, is_day_first
from newsletter.domain.tips.tip import LeftOut, Piece, Rejected, Remark, TipText
from newsletter.importers import read
from newsletter.importers.xml.text import decode, repair

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<rss version="2.0"><channel>\n'
END = "\n</channel></rss>\n"
NEW_YORK = Dates(ZoneInfo("America/New_York"))


def item(title: str, text: str = "Say hello.", more: str = "") -> str:
    return f"<item><title>{title}</title><description>{text}</description>{more}</item>\n"


def pieces(tmp_path: Path, text: str | bytes, name: str = "a.xml", dates: Dates = NEW_YORK) -> Sequence[Piece]:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return list(read([path], dates=dates))


def bodies(found: Sequence[Piece]) -> list[tuple[str, str]]:
    return [(piece.title, piece.body) for piece in found if isinstance(piece, TipText)]


@pytest.mark.parametrize(
    ("damage", "shown"),
    [
        ("by\x0bname", "by name"),
        ("na\x02me", "name"),
        ("up\ufffe", "up"),
        ("&#11;up", "up"),
        ("&#xFFFF;up", "up"),
        ("Q & A", "Q & A"),
        ("a=1&b=2", "a=1&b=2"),
        ("caf&eacute;&nbsp;au lait&hellip; here", "café au lait… here"),
        ("&#55357;&#56832; smile", "😀 smile"),
        ("a < b", "a < b"),
        ("<o:p>Word</o:p>", "Word"),
        ("<p>not closed", "not closed"),
        ("<b>crossed <i>over</b> here</i>", "over"),
        ("<![CDATA[<p>never closed</p>", "never closed"),
    ],
)
def test_damage_in_one_item_loses_neither_the_others_nor_its_words(tmp_path: Path, damage: str, shown: str) -> None:
    found = pieces(tmp_path, HEAD + item("First") + item("Second", f"Here is {damage}.") + item("Third") + END)
    assert [title for title, _ in bodies(found)] == ["First", "Second", "Third"]
    assert shown in bodies(found)[1][1].replace("**", "").replace("*", "").replace("\\", "")
    assert [piece for piece in found if isinstance(piece, Rejected)] == []


def test_what_was_dropped_is_named_with_its_item_and_line(tmp_path: Path) -> None:
    found = pieces(tmp_path, HEAD + item("First") + item("Second", "a\x0bb\x0bc &unknown;") + END)
    remarks = [(piece.line, piece.text) for piece in found if isinstance(piece, Remark)]
    assert remarks == [
        (4, "'Second': the entity &unknown; is unknown and was kept as it is written"),
        (4, "'Second': the control character U+000B was dropped, 2 times"),
    ]


@pytest.mark.parametrize(
    "before", ["\ufeff", "\n\n", "<!-- made by hand -->\n", "\ufeff \n<!-- x -->\n", "Warning: x\n\n"]
)
def test_anything_before_the_declaration_is_skipped(tmp_path: Path, before: str) -> None:
    assert bodies(pieces(tmp_path, before + HEAD + item("First") + END)) == [("First", "Say hello.")]


def test_a_feed_whose_elements_all_have_a_prefix_is_read(tmp_path: Path) -> None:
    entry = '<a:entry><a:title>First</a:title><a:content type="html">Say hello.</a:content></a:entry>'
    found = pieces(tmp_path, f'<a:feed xmlns:a="http://www.w3.org/2005/Atom">{entry}</a:feed>')
    assert (bodies(found), len(found)) == ([("First", "Say hello.")], 1)


def test_a_post_with_a_password_in_a_feed_is_left_out(tmp_path: Path) -> None:
    secret = item("Protected: Mine", "There is no excerpt because this is a protected post.")
    (found,) = pieces(tmp_path, HEAD + secret + END)
    assert isinstance(found, LeftOut)
    assert found.reason == "protected by a password"


def test_an_item_without_an_end_is_read_and_named(tmp_path: Path) -> None:
    found = pieces(tmp_path, HEAD + item("First").replace("</item>", "") + item("Second") + END)
    assert [title for title, _ in bodies(found)] == ["First", "Second"]
    (remark,) = [piece for piece in found if isinstance(piece, Remark)]
    assert "its end tag is missing" in remark.text


def test_prefixes_that_are_not_declared_keep_their_meaning(tmp_path: Path) -> None:
    wp = "<wp:status>draft</wp:status><content:encoded>Whole.</content:encoded><wp:post_type>post</wp:post_type>"
    found = pieces(tmp_path, HEAD + item("First", more=wp) + item("Second", more=wp.replace("draft", "publish")) + END)
    assert [(piece.title, piece.reason) for piece in found if isinstance(piece, LeftOut)] == [("First", "a draft")]
    assert bodies(found) == [("Second", "Whole.")]


@pytest.mark.parametrize("declared", ["ISO-8859-1", "us-ascii", "windows-1252", "UTF-8"])
def test_curly_quotes_in_windows_1252_are_read_whatever_the_file_declares(tmp_path: Path, declared: str) -> None:
    text = HEAD.replace("UTF-8", declared) + item("Don’t wait", "It’s “fine” – now") + END
    assert bodies(pieces(tmp_path, text.encode("cp1252"))) == [("Don’t wait", "It’s “fine” – now")]
    assert bodies(pieces(tmp_path, text.encode("utf-8"))) == [("Don’t wait", "It’s “fine” – now")]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
def test_xml_with_a_byte_order_mark_is_read(tmp_path: Path, encoding: str) -> None:
    text = HEAD.replace("UTF-8", encoding) + item("Grüße") + END
    assert bodies(pieces(tmp_path, text.encode(encoding))) == [("Grüße", "Say hello.")]


def test_stray_bytes_are_read_as_windows_1252_and_named(tmp_path: Path) -> None:
    found = pieces(tmp_path, (HEAD + item("Grüße") + item("Don@t")).encode().replace(b"@", b"\x92") + END.encode())
    assert [title for title, _ in bodies(found)] == ["Grüße", "Don’t"]
    (remark,) = [piece for piece in found if isinstance(piece, Remark)]
    assert (remark.line, "0x92" in remark.text, "Don’t" in remark.text) == (4, True, True)


@pytest.mark.slow
def test_a_picture_of_ten_megabytes_inside_a_post_is_kept_beside_its_text(tmp_path: Path) -> None:
    picture = f'<p>Look.</p><img alt="A desk" src="data:image/png;base64,{"A" * 10_500_000}">'
    found = pieces(tmp_path, HEAD + item("First", f"<![CDATA[{picture}]]>") + item("Second") + END)
    (first, second) = [piece for piece in found if isinstance(piece, TipText)]
    ((url, content),) = first.inline_pictures
    assert (first.body, len(content), second.body) == (f"Look.\n\n![A desk]({url})", 7_875_000, "Say hello.")


def test_nested_and_external_entities_are_never_defined(tmp_path: Path) -> None:
    bomb = '<!DOCTYPE r [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;"><!ENTITY x SYSTEM "file:///etc/passwd">]>'
    ((_, body),) = bodies(pieces(tmp_path, bomb + HEAD.partition("\n")[2] + item("First", "&b; &x;") + END))
    assert body.replace("\\", "") == "&b; &x;"


@pytest.mark.slow
@pytest.mark.parametrize(
    "part",
    [
        "<item><title>T</title><content:encoded><![CDATA[x</content:encoded></item>\n",
        "<item><title>T</title>\n",
        "<!-- ",
        "&",
        "<",
    ],
)
def test_a_damaged_file_is_read_in_time_proportional_to_its_length(tmp_path: Path, part: str) -> None:
    def seconds(times: int) -> float:
        began = time.process_time()
        pieces(tmp_path, HEAD + "<item><title>x</title><description>" * (len(part) < 6) + part * times)
        return time.process_time() - began

    seconds(10)
    assert seconds(4_000) < 8 * max(seconds(1_000), 0.05)


def test_repair_keeps_the_number_of_lines() -> None:
    text = "a\n&\x0b\n<![CDATA[&\n\x00]]>\n<!-- & -->"
    assert repair(text)[0] == "a\n&amp; \n<![CDATA[&\n]]>\n<!-- & -->"
    assert decode(b"a\r\nb\rc")[0] == "a\nb\nc"


# -- dates -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "written",
    [
        "Wed, 09 Apr 2014 00:30:00 +0000", "Tue, 08 Apr 2014 20:30:00 -0400", "Tue, 08 Apr 2014 20:30:00 EDT",
        "2014-04-08T20:30:00-04:00", "2014-04-09T00:30:00Z", "2014-04-09T00:30:00.123Z", "2014-04-08 20:30:00",
        "8 April 2014", "April 8, 2014", "Apr. 8th, 2014", "04/08/2014", "4/8/14", "8.4.2014", "2014/04/08",
        "Tuesday, April 8, 2014 8:00 AM", "mar, 08 avr 2014 08:00:00 +0200", "Di, 08 Apr 2014 08:00:00 +0200",
        "8 de abril de 2014", "Tue, 8 Apr 14 08:00:00 GMT", "Tue, 08 Apr 2014 24:00:00 GMT",
    ],
)  # fmt: skip
def test_a_date_is_the_day_in_the_zone_of_the_newsletter(written: str) -> None:
    assert NEW_YORK.day_of(written) == date(2014, 4, 8)


@pytest.mark.parametrize(
    "written", ["", "not a date", "Tue, 29 Feb 2015 08:00:00 GMT", "0000-00-00 00:00:00", "13/13/2014"]
)
def test_what_is_no_date_is_none(written: str) -> None:
    assert NEW_YORK.day_of(written) is None
    assert NEW_YORK.day_of("Thu, 01 Jan 1970 00:00:00 +0000") is None


@pytest.mark.parametrize(
    "written", ["0001-01-01", "9999-12-31", "3000-01-01", "1969-12-30", "Fri, 31 Dec 9999 23:59:59 +0000"]
)
def test_a_day_outside_the_years_that_people_mean_is_none(written: str) -> None:
    """Pages would show it, feeds would send it, and a tip of the year 1 would be the first to run again."""
    assert NEW_YORK.day_of(written) is None


def test_the_language_decides_which_number_is_the_day_unless_only_one_can_be() -> None:
    assert NEW_YORK.day_of("12/29/2026") == date(2026, 12, 29)
    assert Dates(day_first=True).day_of("29/12/2026") == date(2026, 12, 29)
    assert Dates(day_first=True).day_of("4/9/2024") == date(2024, 9, 4)
    assert [is_day_first(language) for language in ("en", "en-US", "en-GB", "de")] == [False, False, True, True]


# -- tables ----------------------------------------------------------------------------------------


def rows(tmp_path: Path, text: str) -> tuple[list[str], list[int]]:
    found = pieces(tmp_path, text, "tips.csv")
    return [t for t, _ in bodies(found)], [piece.line for piece in found if isinstance(piece, Rejected)]


HEADER = "title,body,date\n"


@pytest.mark.parametrize(
    ("text", "titles", "lines"),
    [
        (HEADER + 'A,x,2024-01-01\nB,"open,2024-01-02\nC,y,2024-01-03\n', ["A", "C"], [3]),
        (HEADER + 'A,"open,2024-01-01\nB,"a, b",2024-01-02\nC,"c",2024-01-03\n', ["B", "C"], [2]),
        (HEADER + 'A,"open,2024-01-01\nB,x,2024-01-02\nC,close",2024-01-03\nD,y,2024-01-04\n', ["B", "D"], [2, 4]),
        (HEADER + 'A,"two\n\nlines, with a comma",2024-01-01\nB,y,2024-01-02\n', ["A", "B"], []),
        (HEADER + "A,no quotes, but a comma,2024-01-01\nB,y,\n", ["B"], [2]),
        ("sep=;\ntitle;body;date\nA;x;12/29/2026\n", ["A"], []),
        ("\n\n\ufefftitle,body\nA,x\n", ["A"], []),
        ("title,body\nA,It begins Read more\nB,x\n", ["A", "B"], []),
    ],
)
def test_a_bad_row_is_named_by_its_own_line_and_the_others_are_read(
    tmp_path: Path, text: str, titles: list[str], lines: list[int]
) -> None:
    assert rows(tmp_path, text) == (titles, lines)


def test_reading_a_table_leaves_the_cell_limit_of_other_readers_alone(tmp_path: Path) -> None:
    before = csv.field_size_limit()
    file = tmp_path / "tips.csv"
    file.write_text('title,body\nOne,"A, b"\nTwo,"open\n', encoding="utf-8")
    assert len(list(read([file]))) == 2
    assert csv.field_size_limit() == before
