"""Where templates/ and seeds/ are: in the installed package, or beside it in a checkout."""

from __future__ import annotations

from pathlib import Path


def data_dir() -> Path:
    """The directory that holds `templates` and `seeds`."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "_data"
    return installed if installed.is_dir() else package.parent
