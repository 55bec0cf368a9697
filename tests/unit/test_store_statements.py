"""The SQL that writes to a table is in one module, so that an import, a sign-up and an erasure cannot disagree."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

STORE = Path(__file__).resolve().parents[2] / "newsletter/store"
_WRITES = re.compile(r"\b(?:INSERT (?:OR \w+ )?INTO|UPDATE|DELETE FROM) (?!SET\b)([a-z_]+)")
BY_ITSELF = "courses.py"  # at a freeze, a course moves whole lists with statements that are about several tables


def test_each_table_is_written_by_the_sql_of_one_module() -> None:
    modules: dict[str, set[str]] = defaultdict(set)
    for path in (path for path in STORE.glob("*.py") if path.name != BY_ITSELF):
        for table in _WRITES.findall(path.read_text(encoding="utf-8")):
            modules[table].add(path.stem)

    assert {"consent", "delivery", "notice", "subscriber", "suppression"} <= modules.keys()
    assert {table: found for table, found in modules.items() if len(found) > 1} == {}
