"""Find the directories `templates` and `seeds`, in an installed package or in a checkout."""

from __future__ import annotations

from pathlib import Path


def data_dir() -> Path:
    """The directory that holds `templates` and `seeds`."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "_data"
    return installed if installed.is_dir() else package.parent
