"""Limits for templates of the owner: a loop without an end, or a text without an end, is an error with file and line.

Jinja's sandbox keeps a template away from the program, but not from its time and memory. Here, all loops of one render
share a number of rounds, what it writes has a size, and operators that make long texts are bounded.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from typing import Any

from jinja2 import nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

MAX_ROUNDS = 200_000  # of all loops in one render; our own templates need a few dozen
MAX_OUTPUT = 2_000_000  # characters; Gmail clips an email at 102,000 bytes
MAX_VALUE = 1_000_000  # characters or items that an operator or a filter may make
MAX_DIGITS = 1_000  # of the result of a power
MAX_WIDTH = 1_000  # of columns and indentation
_ROUNDS, _TEXT = "_counted", "_short"
_WIDE_METHODS = ("center", "expandtabs", "ljust", "rjust", "zfill")
_WIDE_FIELD = re.compile(r"\{[^{}]*\d{4}|\{[^{}]*\{")
_WIDE_FORMAT = re.compile(r"%[^%a-zA-Z]*(?:\d{4}|\*)")


class LimitError(Exception):
    """A template that does more than a template needs to."""


class LimitedEnvironment(ImmutableSandboxedEnvironment):
    """Jinja's sandbox with limits; `start` must be called before each render."""

    intercepted_binops = frozenset(["+", "*", "**", "%"])

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._used = threading.local()
        self.filters |= {_ROUNDS: self._counted, _TEXT: _short}
        for name, check in _CHECKS.items():
            self.filters[name] = _checked(self.filters[name], check)
        self.globals.pop("lipsum", None)

    def start(self) -> None:
        """A new render begins in this thread."""
        self._used.rounds = 0

    def _generate(self, source: nodes.Template, *args: Any, **options: Any) -> str:
        return super()._generate(_Limits().visit(source), *args, **options)

    def _counted(self, values: Iterable[Any]) -> Iterator[Any]:
        for value in values:
            self._used.rounds = getattr(self._used, "rounds", 0) + 1
            if self._used.rounds > MAX_ROUNDS:
                raise LimitError(f"its loops have more than {MAX_ROUNDS:,} rounds")
            yield value

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Refuse the methods of strings that make a text of any width."""
        return not (isinstance(obj, str) and attr in _WIDE_METHODS) and super().is_safe_attribute(obj, attr, value)

    def wrap_str_format(self, value: Any) -> Any:
        """Refuse '{:999999999}'.format(1)."""
        wrapped = super().wrap_str_format(value)
        if wrapped is not None and _WIDE_FIELD.search(value.__self__):
            raise LimitError(f"a width above {MAX_WIDTH:,}")
        return wrapped

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Refuse what would fill the memory, such as 'x' * 10**9 and 9**9**9."""
        if operator == "*":
            many, times = (left, right) if isinstance(right, int) else (right, left)
            if isinstance(times, int) and isinstance(many, (str, list, tuple)):
                _must_be_short(len(many) * times)
        elif operator == "+" and isinstance(left, (str, list, tuple)) and isinstance(right, type(left)):
            _must_be_short(len(left) + len(right))
        elif operator == "**" and abs(right) * len(str(left)) > MAX_DIGITS:
            raise LimitError(f"it computes a number with more than {MAX_DIGITS:,} digits")
        elif operator == "%" and isinstance(left, str):
            _check_format(left)
        return super().call_binop(context, operator, left, right)


class _Limits(NodeTransformer):
    """Lets every loop count its rounds, and every `~` measure its result."""

    def visit_For(self, node: nodes.For) -> nodes.For:  # noqa: N802 - its name
        self.generic_visit(node)
        node.iter = nodes.Filter(node.iter, _ROUNDS, [], [], None, None, lineno=node.lineno)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Filter:  # noqa: N802 - its name
        self.generic_visit(node)
        return nodes.Filter(node, _TEXT, [], [], None, None, lineno=node.lineno)


def _must_be_short(size: int) -> None:
    if size > MAX_VALUE:
        raise LimitError(f"it makes a value with more than {MAX_VALUE:,} parts")


def _short(text: Any) -> Any:
    _must_be_short(len(text))
    return text


def _check_width(_value: Any, width: Any = 1, *_more: Any) -> None:
    if isinstance(width, int) and width > MAX_WIDTH:
        raise LimitError(f"a width above {MAX_WIDTH:,}")


def _check_format(pattern: Any, *_values: Any) -> None:
    if _WIDE_FORMAT.search(str(pattern)):
        raise LimitError(f"a width above {MAX_WIDTH:,}")


def _check_replace(text: Any, old: Any = "", new: Any = "", *_more: Any) -> None:
    _must_be_short(len(str(text)) + str(text).count(str(old)) * len(str(new)))


_CHECKS: dict[str, Callable[..., None]] = {
    "batch": _check_width,
    "center": _check_width,
    "format": _check_format,
    "indent": _check_width,
    "replace": _check_replace,
}


def _checked(function: Any, check: Callable[..., None]) -> Any:
    is_special = _passes(function)

    @wraps(function)
    def checked(*args: Any, **options: Any) -> Any:
        named = [value for name, value in options.items() if name in ("width", "linecount", "old", "new")]
        check(*(args[1:] if is_special else args), *named)
        return function(*args, **options)

    return checked


def _passes(function: Any) -> bool:
    """Does Jinja pass its context or environment to this filter as the first argument?"""
    return hasattr(function, "jinja_pass_arg")


def joined(pieces: Iterable[str]) -> str:
    """The output of a render, unless it is too long. Raises LimitError."""
    written, size = [], 0
    for piece in pieces:
        size += len(piece)
        if size > MAX_OUTPUT:
            raise LimitError(f"it writes more than {MAX_OUTPUT:,} characters")
        written.append(piece)
    return "".join(written)
