"""A long list that is read row by row, with its total."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """The rows of an open transaction, never all in memory. total: counts them, which costs a query of its own."""

    rows: Iterator[T]
    total: Callable[[], int]
