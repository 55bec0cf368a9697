"""What an import of subscribers says when it is interrupted."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from newsletter.cli.subscriber_files import ImportProgress


def stop_import(progress: ImportProgress, lines: list[str], share: float, stops: type[BaseException]) -> None:
    with progress:
        if lines:
            assert list(progress.watch_lines(lines)) == lines
        if share:
            progress.written(share)
        raise stops


@pytest.mark.parametrize(
    ("lines", "share", "stops", "dry_run", "told"),
    [
        ([], 0.0, KeyboardInterrupt, "", ["no subscribers are written yet"]),
        (["email"], 0.0, KeyboardInterrupt, "", ["some subscribers may be written"]),
        (["email"], 0.0, KeyboardInterrupt, "dry run", ["no subscribers are written yet"]),
        (["email"], 0.5, KeyboardInterrupt, "", ["at least 50% of the subscribers are written"]),
        (["email"], 0.5, OSError, "", ["at least 50% of the subscribers are written"]),
        (["email"], 0.0, OSError, "", []),
    ],
)
def test_an_import_of_subscribers_that_stops_says_what_is_written(
    tmp_path: Path, lines: list[str], share: float, stops: type[BaseException], dry_run: str, told: list[str]
) -> None:
    file = tmp_path / "list.csv"
    file.write_text("email\n")
    notes: list[str] = []
    context: Any = SimpleNamespace(print_note=notes.append)
    with pytest.raises(stops):
        stop_import(ImportProgress(context, file, dry_run=bool(dry_run)), lines, share, stops)
    assert notes == [f"newsletter: {text}; run the same command again to finish" for text in told]
