"""Tables and lines for people: wrapped on a terminal, whole where they are piped."""

from __future__ import annotations

import re

import pytest

from newsletter.cli.output import Output

TITLE = "A title that is much longer than any column of a terminal with eighty characters could ever be"


def test_nothing_that_is_piped_is_wrapped(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output("UTC")
    output.table(["!key", "title", "?why"], [("one", TITLE, "first " * 30), ("two", "Short", "")], empty="")
    output.facts([("title", f"{TITLE} {TITLE}")])
    output.line(f"{TITLE} {TITLE}")
    shown = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in shown] == ["key", "one", "two", "title", "A"]
    assert TITLE in shown[1]
    assert shown[3:] == [f"title  {TITLE} {TITLE}", f"{TITLE} {TITLE}"]
    assert all(line == line.rstrip() for line in shown)


def test_a_narrow_terminal_wraps_and_leaves_columns_out(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "60")
    Output("UTC").table(["!key", "title", "?why"], [("one", TITLE, "because")], empty="")
    shown = capsys.readouterr().out
    assert "because" not in shown
    assert max(len(re.sub(r"\x1b\[\d+m", "", line)) for line in shown.splitlines()) <= 60
