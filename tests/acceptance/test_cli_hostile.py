"""No input reaches "unexpected": each is named with what is wrong, and nothing changes half-way."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

import pytest

from newsletter.cli import main

BOMB = "".join(
    f"{name}: &{name} [{', '.join([before] * 9)}]\n"
    for before, name in zip("x*a*b*c*d*e*f"[::2], "abcdefg", strict=True)
)
FRONT_MATTER = {
    "keys that are numbers": "1: a\ntitle: T",
    "a list": "- a\n- b",
    "nested": "title:\n  a: b",
    "a date as the title": "title: 2024-01-01",
    "no such date": "title: T\ndate: 2024-13-45",
    "a list of dates": "title: T\ndate: [1, 2]",
    "a date before the calendar": "title: T\ndate: 0001-01-01T00:00:00+14:00",
    "a date that is a number": "title: T\ndate: 99999999999999999999",
    "aliases of aliases": "title: &a [*a]",
    "tags in themselves": "title: T\ntags: &a [*a]",
    "a merge": "<<: 3\ntitle: T",
    "a tab": "title:\tT\n\ttags: x",
    "an object of Python": "title: !!python/object/apply:os.system [ls]",
    "binary": "title: !!binary aGVsbG8=",
    "no number": "title: T\nseries: S\npart: .nan",
    "without an end": "title: T\nseries: S\npart: .inf",
    "half a character": 'title: "a \\ud800"',
    "half a tag": 'title: T\ntags: ["\\udfff"]',
    "a bell": 'title: "a \\x07"',
    "a deep list": "title: T\ntags: " + "[" * 900 + "]" * 900,
    "10,000 characters": "title: " + "x" * 10_000,
    "6,000 digits": "title: " + "9" * 6_000,
    "a key as a path": "title: T\nkey: ../../etc",
    "a season": "title: T\nseason: wibble",
    "months": "title: T\nmonths: [13, 0]",
    "a rule": "title: T\nrerun: after 99999999999999 years",
    "a question": "? [a, b]\n: c\ntitle: T",
    "a directive": "%YAML 9.9\ntitle: T",
    "no end": "title: T\nbody",
}
OTHER_FILES = {
    "short.csv": "title,body,date\nA\nB,\n",
    "long.csv": "title,body\nA,b,c,d,e\n",
    "empty.csv": "",
    "heads.csv": ",,\na,b,c\n",
    "dates.csv": "title,body,date\nA,b,0001-01-01\nB,b,99999999999999999999\nC,b,nan\nD,b,1e400\n",
    "parts.csv": "title,body,series,part\nA,b,S,²\nB,b,S,99999999999999999999\nC,b,S,\n",
    "half.csv": "title,body\nA \ud800,b\n",
    "dates.xml": "<rss><channel><item><title>T</title><pubDate>Fri, 31 Dec 9999 23:59:59 -1200</pubDate>"
    "<link>http://[</link><description>x &#xD800; &#99999999999;</description></item></channel></rss>",
    "deep.xml": "<rss><channel>" + "<a>" * 20_000,
    "coding.xml": "<?xml version='1.0' encoding='idna'?><rss/>",
    "base.xml": "<feed xmlns='http://www.w3.org/2005/Atom' xml:base='http://['><entry><title>q</title>"
    "<link href='x'/><content type='base64'>###</content></entry></feed>",
    "json.json": '[{"title": NaN}]',
    "page.txt": "A Title - 99/99/99\n\nPosted on 0/0/0000 in X Please leave a comment\n\ntext",
}
SUBSCRIBERS = {
    "short": "email,name,status,confirmed_at\na@b.example\n",
    "dates": "email,confirmed_at\na@b.example,0001-01-01T00:00:00+14:00\nb@b.example,1e308\nc@b.example,²\n",
    "addresses": "email\n@\na@\na@b..c\na@xn--.example\na@[IPv6:::1]\n\ud800@b.example\na@\u2100.example\n",
    "nothing": "",
    "5,000 columns": ",".join(f"c{number}" for number in range(5_000)) + "\n",
}
VALUES = ("", "-1", "0", "9" * 26, "nan", "²", "\ud800", "9999-12-31", "2024-02-30", "../../x", "a" * 3_000, "http://[")
COMMANDS = (
    ("issues", "status", "V"),
    ("issues", "deliveries", "V"),
    ("issues", "retry-failed", "V"),
    ("issues", "preview", "--tip", "V"),
    ("issues", "test", "--to", "V"),
    ("issues", "send", "--dry-run", "--as-of", "V"),
    ("tips", "show", "V"),
    ("tips", "retire", "V", "--yes"),
    ("tips", "pin", "t", "--on", "V"),
    ("tips", "rerun", "t", "V"),
    ("tips", "why", "V"),
    ("calendar", "skip", "V"),
    ("calendar", "--weeks", "V"),
    ("calendar", "simulate", "--years", "V"),
    ("subscribers", "add", "V"),
    ("subscribers", "show", "V"),
    ("subscribers", "pause", "V", "--weeks", "V"),
    ("suppressions", "remove", "V"),
    ("suppressions", "remove", "--issue", "V"),
    ("db", "verify", "V"),
)
SETTINGS = (
    "SCHEDULE",
    "TIMEZONE",
    "LATE_WINDOW",
    "BASE_URL",
    "SENDER_URL",
    "LISTEN",
    "FROM",
    "OWNER",
    "RERUN_AFTER",
    "FIRST_ISSUE",
)


@pytest.fixture
def newsletter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty newsletter with one tip, in the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NEWSLETTER_SENDER_URL", f"maildir://{tmp_path}/mail")
    assert main(["init", "--yes"]) == 0
    Path("t.md").write_text("---\ntitle: T\n---\nA text of some words.\n")
    assert main(["tips", "import", "t.md"]) == 0
    return tmp_path


def rows(table: str) -> int:
    with sqlite3.connect("data/newsletter.db") as db:
        return int(db.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608 - a constant


def is_named(capsys: pytest.CaptureFixture[str], arguments: Sequence[str]) -> int:
    """Run a command; its exit code. Its answer must not be "unexpected"."""
    code = main(list(arguments))
    said = "".join(capsys.readouterr())
    assert "unexpected" not in said, (arguments, said)
    assert "Traceback" not in said, arguments
    return code


def test_no_file_of_a_tip_is_unexpected_and_none_of_them_comes_in_half(
    newsletter: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, front in {**FRONT_MATTER, "a bomb": BOMB + "title: T"}.items():
        path = newsletter / "bad.md"
        path.write_bytes(
            f"---\n{front}\n{'' if name == 'no end' else '---'}\nA text.\n".encode("utf-8", "surrogatepass")
        )
        before = rows("tip")
        code = is_named(capsys, ["tips", "import", str(path)])
        assert code == 1 or name == "a directive", name
        assert rows("tip") == before or code == 0, name
    for name, text in OTHER_FILES.items():
        path = newsletter / name
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        is_named(capsys, ["tips", "import", str(path), "--dry-run"])


def test_no_file_of_subscribers_is_unexpected(newsletter: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = newsletter / "s.csv"
    for text in SUBSCRIBERS.values():
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        is_named(capsys, ["subscribers", "import", str(path), "--confirmed", "--source", "x", "--dry-run"])
    assert rows("subscriber") == 0


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_value_on_the_command_line_is_unexpected(
    newsletter: Path, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    assert newsletter.is_dir()
    for value in VALUES:
        is_named(capsys, [value if part == "V" else part for part in command])


def test_no_value_of_a_setting_is_unexpected(
    newsletter: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert newsletter.is_dir()
    for name in SETTINGS:
        for value in (
            "-1",
            "nan",
            "9" * 26,
            "²",
            "[",
            "http://[",
            "http://a:99999999",
            "smtp://%ff@h",
            "a" * 3_000,
            ",",
        ):
            with monkeypatch.context() as setting:
                setting.setenv(f"NEWSLETTER_{name}", value)
                is_named(capsys, ["config", "show"])
