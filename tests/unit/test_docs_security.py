"""The threat model: each attack names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
PAGE = (CHECKOUT / "docs/security.md").read_text(encoding="utf-8")
_ROW = re.compile(r"^\| (?!Attack|Trouble)([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
_TEST = re.compile(r"^ *(?:async )?def (test_\w+)", re.MULTILINE)


def test_every_attack_names_tests_and_each_of_them_exists() -> None:
    existing = {name for path in (CHECKOUT / "tests").rglob("test_*.py") for name in _TEST.findall(path.read_text())}
    rows = _ROW.findall(PAGE)
    named = {attack: re.findall(r"`(test_\w+)`", tests) for attack, _, tests in rows}

    assert len(rows) > 30
    assert [attack for attack, tests in named.items() if not tests] == []
    assert {test for tests in named.values() for test in tests} - existing == set()
