"""A fuzzing session: `make fuzz`, or FUZZ_MINUTES=5 FUZZ_TARGETS="date web" make fuzz.

Each round gives every target a few hundred inputs that no round before had. A failure is made as short as possible and
printed as a test case; the session then ends with exit code 1.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
import traceback
from dataclasses import dataclass
from types import FrameType
from typing import Any

import hypothesis
from hypothesis import given, settings

from tests.fuzz.targets import TARGETS, Target

MINUTES = 60.0
INPUTS = 150  # of a target in a round
LIMIT = 10.0  # seconds of this process for one input, a thousand times what it takes


class TooSlow(BaseException):
    """An input that takes far more time than its length allows. No Exception, so that it is not tried again and again."""


@dataclass
class Found:
    """The shortest input for which a check failed, and how."""

    target: Target
    arguments: tuple[Any, ...]
    error: BaseException


def run_target(target: Target, seed: int, inputs: int) -> Found | None:
    """Give a target random inputs; the failure, if one is found."""
    last: list[tuple[Any, ...]] = []

    def check(arguments: tuple[Any, ...]) -> None:
        signal.setitimer(signal.ITIMER_VIRTUAL, LIMIT)
        try:
            target.check(*arguments)
        except BaseException:
            last[:] = [arguments]
            raise
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)

    limits = settings(
        max_examples=inputs,
        deadline=None,
        database=None,
        print_blob=False,
        report_multiple_bugs=False,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    try:
        hypothesis.seed(seed)(limits(given(target.inputs)(check)))()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is reported
        return Found(target, last[0], error) if last else Found(target, (), error)
    return None


def as_test(found: Found) -> str:
    """The failure as a test case that can be put into tests/fuzz/test_found.py."""
    module, name = found.target.check.__module__, found.target.check.__name__
    arguments = "".join(f"        {argument!r},\n" for argument in found.arguments)
    return (
        f"from {module} import {name}\n\n\n"
        f"def test_{found.target.name}_that_was_found() -> None:\n"
        f"    # {type(found.error).__name__}: {str(found.error).splitlines()[0][:100] if str(found.error) else ''}\n"
        f"    {name}(\n{arguments}    )\n"
    )


def _too_slow(_number: int, _frame: FrameType | None) -> None:
    raise TooSlow(f"one input took more than {LIMIT:.0f} s")


def main() -> int:
    """0 if nothing was found, 1 with a test case on stdout otherwise. Progress goes to stderr."""
    minutes = float(os.environ.get("FUZZ_MINUTES", MINUTES))
    wanted = os.environ.get("FUZZ_TARGETS", "").split()
    unknown = set(wanted) - {target.name for target in TARGETS}
    if unknown:
        names = ", ".join(target.name for target in TARGETS)
        print(f"there is no target {', '.join(sorted(unknown))}; the targets are {names}", file=sys.stderr)  # noqa: T201
        return 2
    targets = [target for target in TARGETS if not wanted or target.name in wanted]
    seed = int(os.environ.get("FUZZ_SEED", random.randrange(2**32)))  # noqa: S311 - not for secrets
    signal.signal(signal.SIGVTALRM, _too_slow)
    begun, inputs = time.monotonic(), 0
    while (passed := time.monotonic() - begun) < 60 * minutes:
        for target in targets:
            if time.monotonic() - begun >= 60 * minutes:
                break
            found = run_target(target, seed, INPUTS)
            if found:
                print(as_test(found))  # noqa: T201
                traceback.print_exception(found.error, limit=-6, file=sys.stderr)
                print(f"\n{target.name} failed after {inputs:,} inputs; FUZZ_SEED={seed}", file=sys.stderr)  # noqa: T201
                return 1
            inputs += INPUTS
        print(f"{passed / 60:5.1f} of {minutes:g} minutes, {inputs:,} inputs, seed {seed}", file=sys.stderr)  # noqa: T201
        seed += 1
    print(f"clean: {inputs:,} inputs in {minutes:g} minutes", file=sys.stderr)  # noqa: T201
    return 0
