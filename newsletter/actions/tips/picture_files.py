"""Find the file that a picture link of a tip means, although the link was written on another machine."""

from __future__ import annotations

from pathlib import Path
from unicodedata import normalize
from urllib.parse import unquote


def file_beside(folder: Path, url: str) -> Path:
    """The file in a folder that a relative link means; it may not exist, and it may be outside of the folder.

    Editors encode spaces (%20), Windows writes backslashes and ignores case, and macOS takes letters with accents apart.
    Raises OSError.
    """
    if (folder / url).is_file():
        return folder / url
    parts = [part for part in unquote(url).replace("\\", "/").replace("\0", "").split("/") if part not in ("", ".")]
    if ".." in parts:
        return folder.joinpath(*parts)
    path = folder
    for part in parts:
        path = path / part if (path / part).exists() else _alike(path, part)
    return path


def _alike(folder: Path, name: str) -> Path:
    """The only entry with this name but for case and composed letters."""
    entries = folder.iterdir() if folder.is_dir() else ()
    same = [entry for entry in entries if _folded(entry.name) == _folded(name)]
    return same[0] if len(same) == 1 else folder / name


def _folded(name: str) -> str:
    return normalize("NFC", name).casefold()
