"""The settings of one list: those of the installation, and over them what the list sets itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from newsletter.settings.reading import check
from newsletter.settings.table import TABLE, Settings


def with_own(settings: Settings, own: Mapping[str, str], origin: str) -> Settings:
    """The settings of a list. own: texts by field, as in .env. origin: where they are from, for `config show`.

    Raises SettingsError that names the setting and the fix.
    """
    rows = [row for row in TABLE if row.field in own]
    values: dict[str, Any] = {
        row.field: check(row, own[row.field], name=f"--{row.field.strip('_').replace('_', '-')}") for row in rows
    }
    texts = {**settings.texts, **{row.name: own[row.field] for row in rows}}
    origins = {**settings.origins, **{row.name: origin for row in rows}}
    return replace(settings, **values, texts=texts, origins=origins)
