"""Files and directories to tips: what a file is, and what happens with files that are none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from newsletter.domain.errors import UsageError
from newsletter.domain.tips.tip import Rejected, TipText
from newsletter.importers import read
from newsletter.importers.limits import MAX_FILE

PAGE = "tag | Site\n\nBread – 8/12/14\n\nPosted on in\u00a0Baking Please leave a comment\n\n\nIt’s warm.\n"
TIP = "---\ntitle: Sweep\n---\nNow.\n"


def refusal(path: Path, format_: str = "auto") -> Rejected:
    (found,) = read([path], format_)
    assert isinstance(found, Rejected), found
    assert found.source == str(path)
    return found


def titles(*paths: Path, format_: str = "auto") -> list[str]:
    found = list(read(paths, format_))
    assert all(isinstance(piece, TipText) for piece in found), found
    return [piece.title for piece in found if isinstance(piece, TipText)]


def test_what_a_file_is_shows_in_its_content_and_not_in_its_name(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(PAGE, encoding="utf-8")
    (tmp_path / "b.txt").write_text("\ufeff" + TIP, encoding="utf-8")
    assert titles(tmp_path / "a.md", tmp_path / "b.txt") == ["Bread", "Sweep"]
    assert titles(tmp_path / "a.md", format_="archive-page") == ["Bread"]
    assert "no front matter" in refusal(tmp_path / "a.md", "markdown").reason
    assert "no archive page" in refusal(tmp_path / "b.txt", "archive-page").reason


def test_a_directory_is_walked_in_sorted_order_and_other_files_are_not_looked_at(tmp_path: Path) -> None:
    for name in ("b.md", "a/z.md", "c/x.TXT"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(TIP.replace("Sweep", f"Tip {name[0]}"), encoding="utf-8")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\x00")
    assert titles(tmp_path) == ["Tip a", "Tip b", "Tip c"]


def test_an_empty_directory_and_an_empty_file_are_named(tmp_path: Path) -> None:
    assert refusal(tmp_path).reason == "no .md or .txt file in this directory"
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbf \n")
    assert refusal(tmp_path / "a.txt").reason == "the file is empty"


def test_files_that_cannot_be_read_are_named_and_the_others_come(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(TIP, encoding="utf-8")
    os.mkfifo(tmp_path / "pipe.md")
    found = list(read([tmp_path / "missing.txt", tmp_path / "pipe.md", tmp_path / "a.md"]))
    assert found[:2] == [
        Rejected(str(tmp_path / "missing.txt"), 0, "cannot be read: No such file or directory"),
        Rejected(str(tmp_path / "pipe.md"), 0, "not a file"),
    ]
    assert isinstance(found[2], TipText)


@pytest.mark.parametrize(("encoding", "octet", "line"), [("cp1252", "0x96", 3), ("utf-16", "0xff", 1)])
def test_another_encoding_is_named_with_its_line(tmp_path: Path, encoding: str, octet: str, line: int) -> None:
    (tmp_path / "a.txt").write_text(PAGE, encoding=encoding)
    assert refusal(tmp_path / "a.txt") == Rejected(
        str(tmp_path / "a.txt"), line, f"octet {octet} is not UTF-8; save the file as UTF-8"
    )


def test_a_file_that_is_no_tip_is_refused_by_its_likely_format(tmp_path: Path) -> None:
    for name, reason in (("a.md", "no front matter"), ("a.txt", "no archive page")):
        (tmp_path / name).write_text("Dear reader,\n\nhello.\n", encoding="utf-8")
        assert reason in refusal(tmp_path / name).reason


def test_a_file_too_large_is_not_read_to_its_end(tmp_path: Path) -> None:
    with (tmp_path / "a.txt").open("wb") as file:
        file.truncate(MAX_FILE + 1)
    assert refusal(tmp_path / "a.txt").reason == f"larger than {MAX_FILE} octets; split it"


@pytest.mark.parametrize("format_", ["xlsx", "CSV", ""])
def test_an_unknown_format_is_a_wrong_command_before_any_file_is_read(format_: str) -> None:
    with pytest.raises(UsageError, match="auto, archive-page, markdown"):
        read([Path("nowhere")], format_)


def test_every_starter_tip_can_be_imported() -> None:
    seeds = Path(__file__).parents[2] / "seeds"
    assert len(titles(seeds)) == len(list(seeds.glob("*.md")))
