"""The short form of `make fuzz`: a few inputs for every target, the same each time in CI."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from tests.fuzz.session import Found, as_test, run_target
from tests.fuzz.targets import TARGETS, Target

INPUTS = 25


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_no_input_breaks_a_reader(target: Target) -> None:
    checked = settings(
        max_examples=INPUTS, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
    )
    checked(given(target.inputs)(lambda arguments: target.check(*arguments)))()


def _breaks_at_a_bell(text: str) -> None:
    if "\x1b" in text:
        raise ValueError(text)


def test_a_failure_is_made_short_and_printed_as_a_test_case() -> None:
    target = Target("date", next(one for one in TARGETS if one.name == "date").inputs, _breaks_at_a_bell)
    found = run_target(target, seed=1, inputs=2_000)

    assert isinstance(found, Found)
    assert found.arguments == ("\x1b[31m",)
    source = as_test(found)
    compile(source, "found", "exec")
    assert "_breaks_at_a_bell(\n        '\\x1b[31m',\n    )" in source
