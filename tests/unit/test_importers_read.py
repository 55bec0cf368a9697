"""Tests of reading tips from files and directories, and of rejecting files that are not tips."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from newsletter.domain.errors import UsageError
from newsletter.domain.tips.tip import LeftOut, Rejected, Remark, TipText
from newsletter.importers import read
from newsletter.importers.limits import MAX_FILE

PAGE = "tag | Site\n\nBread – 8/12/14\n\nPosted on in\u00a0Baking Please leave a comment\n\n\nIt’s warm.\n"
TIP = "---\ntitle: Sweep\n---\nNow.\n"


def write(directory: Path, name: str, text: str) -> Path:
    path = directory / name
    path.write_text(text, encoding="utf-8")
    return path


def rejection(path: Path, format_: str = "auto") -> Rejected:
    (found,) = read([path], format_)
    assert isinstance(found, Rejected), found
    assert found.source == str(path)
    return found


def titles(*paths: Path, format_: str = "auto") -> list[str]:
    found = list(read(paths, format_))
    assert all(isinstance(piece, TipText) for piece in found), found
    return [piece.title for piece in found if isinstance(piece, TipText)]


def test_the_format_is_detected_by_content_and_not_by_name(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(PAGE, encoding="utf-8")
    (tmp_path / "b.txt").write_text("\ufeff" + TIP, encoding="utf-8")
    assert titles(tmp_path / "a.md", tmp_path / "b.txt") == ["Bread", "Sweep"]
    assert titles(tmp_path / "a.md", format_="archive-page") == ["Bread"]
    assert "there is no front matter" in rejection(tmp_path / "a.md", "markdown").reason
    assert "not an archive page" in rejection(tmp_path / "b.txt", "archive-page").reason


def test_a_directory_is_read_in_sorted_order_without_its_other_files(tmp_path: Path) -> None:
    for name in ("b.md", "a/z.md", "c/x.TXT"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(TIP.replace("Sweep", f"Tip {name[0]}"), encoding="utf-8")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\x00")
    assert titles(tmp_path) == ["Tip a", "Tip b", "Tip c"]


def test_an_empty_directory_and_an_empty_file_are_rejected(tmp_path: Path) -> None:
    assert rejection(tmp_path).reason == "there is no .md, .txt, .csv, or .xml file in this directory"
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbf \n")
    assert rejection(tmp_path / "a.txt").reason == "the file is empty"


def test_files_that_cannot_be_read_are_rejected_and_the_others_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(TIP, encoding="utf-8")
    os.mkfifo(tmp_path / "pipe.md")
    found = list(read([tmp_path / "missing.txt", tmp_path / "pipe.md", tmp_path / "a.md"]))
    assert found[:2] == [
        Rejected(str(tmp_path / "missing.txt"), 0, "cannot be read: No such file or directory"),
        Rejected(str(tmp_path / "pipe.md"), 0, "this is not a regular file"),
    ]
    assert isinstance(found[2], TipText)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_text_with_a_byte_order_mark_is_read(tmp_path: Path, encoding: str) -> None:
    mark = "\ufeff" if encoding.endswith(("le", "be")) else ""
    (tmp_path / "a.txt").write_text(mark + PAGE, encoding=encoding)
    (tmp_path / "b.md").write_text(mark + TIP, encoding=encoding)
    (tmp_path / "c.csv").write_text(mark + "title,body\nGreet,Say hello.\n", encoding=encoding)
    assert titles(tmp_path) == ["Bread", "Sweep", "Greet"]


def test_windows_1252_is_read_and_named(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(PAGE, encoding="cp1252")
    remark, tip = read([tmp_path / "a.txt"])
    reason = "the byte 0x96 is not valid UTF-8; the file was read as Windows-1252"
    assert remark == Remark(str(tmp_path / "a.txt"), 3, reason)
    assert isinstance(tip, TipText)
    assert (tip.title, tip.body) == ("Bread", "It’s warm.")


def test_numbers_in_file_names_are_sorted_by_their_value(tmp_path: Path) -> None:
    for number in (10, 2, 1):
        (tmp_path / f"tip {number}.md").write_text(TIP.replace("Sweep", f"Tip {number}"))
    assert titles(tmp_path) == ["Tip 1", "Tip 2", "Tip 10"]
    by_shell = sorted(tmp_path.glob("*.md"))
    assert titles(*by_shell) == ["Tip 1", "Tip 2", "Tip 10"]
    assert titles(*reversed(by_shell)) == ["Tip 2", "Tip 10", "Tip 1"], "an order of one's own is kept"


@pytest.mark.parametrize(
    ("start", "what"),
    [
        (b"\xef\xbb\xbf<!DOCTYPE html>\n<html><body>Hi", "saved web page"),
        (b'<?xml version="1.0"?>\n<!DOCTYPE html>\n<html xmlns="http://www.w3.org/1999/xhtml">', "saved web page"),
        (b"From: <Saved by Blink>\r\nMIME-Version: 1.0", "saved web page"),
        (b"PK\x03\x04....", "Word, Excel, or zip"),
        (b"%PDF-1.7", "PDF"),
        (b"\x1f\x8b\x08", "compressed"),
        (b"{\\rtf1", "word processor"),
    ],
)
def test_a_file_of_another_kind_is_rejected_by_what_it_is(tmp_path: Path, start: bytes, what: str) -> None:
    for name in ("a.txt", "a.xml", "a.csv", "a.html"):
        (tmp_path / name).write_bytes(start)
        assert what in rejection(tmp_path / name).reason


def test_a_file_that_is_not_a_tip_is_rejected_by_its_likely_format(tmp_path: Path) -> None:
    for name, reason in (("a.md", "there is no front matter"), ("a.txt", "not an archive page")):
        (tmp_path / name).write_text("Dear Ada,\n\nhello.\n", encoding="utf-8")
        assert reason in rejection(tmp_path / name).reason


def test_a_file_that_is_too_large_is_not_read_to_its_end(tmp_path: Path) -> None:
    with (tmp_path / "a.txt").open("wb") as file:
        file.truncate(MAX_FILE + 1)
    assert rejection(tmp_path / "a.txt").reason == f"the file is larger than {MAX_FILE} bytes; split it"


@pytest.mark.parametrize("format_", ["xlsx", "CSV", ""])
def test_an_unknown_format_is_a_usage_error_before_any_file_is_read(format_: str) -> None:
    with pytest.raises(UsageError, match="auto, archive-page, markdown"):
        read([Path("nowhere")], format_)


def test_every_starter_tip_can_be_imported() -> None:
    seeds = Path(__file__).parents[2] / "seeds"
    assert len(titles(seeds)) == len(list(seeds.glob("*.md")))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('[\n {"title": "Listen"}]', "a JSON file"),
        ("AUTHOR: sue\nTITLE: Listen\nSTATUS: Publish\n-----\nBODY:\nListen.\n", "Movable Type or TypePad"),
        ("From sue@tips.example Tue Apr  9 08:00:00 2024\nFrom: sue@tips.example\n", "a mailbox"),
        ("From: sue@tips.example\nSubject: Listen\n\nListen.\n", "this is an email"),
        ("<p>Listen.</p>", "a saved web page"),
        ("<?xml version='1.0'?><urlset><url><loc>https://tips.example/a</loc></url></urlset>", "no tip in this file"),
    ],
)
def test_a_text_that_holds_no_tips_is_named(tmp_path: Path, text: str, what: str) -> None:
    (found,) = read([write(tmp_path, "given.txt", text)])
    assert isinstance(found, Rejected)
    assert what in found.reason


@pytest.mark.parametrize("said", ["draft: true", "published: false", "status: Draft", "visibility: members"])
def test_a_draft_of_a_blog_is_left_out(tmp_path: Path, said: str) -> None:
    (found,) = read([write(tmp_path, "post.md", f"---\ntitle: Listen\n{said}\n---\nNot ready.\n")])
    assert found == LeftOut(str(tmp_path / "post.md"), 1, "Listen", "a draft")


def test_keys_of_a_blog_are_named_and_its_dates_are_read(tmp_path: Path) -> None:
    front = "title: Listen\nlayout: post\ndraft: false\ndate: 2019-05-06 10:00:00 +0200"
    remark, tip = read([write(tmp_path, "post.md", f"---\n{front}\n---\nListen first.\n")])
    assert isinstance(remark, Remark)
    assert remark.text == "keys that were not used: layout, draft"
    assert isinstance(tip, TipText)
    assert str(tip.published_on) == "2019-05-06"


def test_files_of_a_directory_that_are_not_read_are_named(tmp_path: Path) -> None:
    drafts = tmp_path / "_drafts"
    drafts.mkdir()
    write(drafts, "later.md", "---\ntitle: Later\n---\nNot ready.\n")
    write(tmp_path, "notes.docx", "x")
    write(tmp_path, "photo.jpg", "x")
    found = list(read([tmp_path]))
    assert [type(piece) for piece in found] == [LeftOut, Remark]
    assert [piece.source for piece in found] == [str(drafts / "later.md"), str(tmp_path / "notes.docx")]
