"""Lists: several newsletters in one installation, for the same subscribers."""

from __future__ import annotations

FIRST_LIST = 1
"""The list that takes everything from the settings. An owner of one newsletter has no other."""
ISSUES_PER_LIST = 10_000_000
"""An issue's id is this times (list id - 1), plus its number in its list, so the first list's ids are its numbers."""


def issue_id(list_id: int, number: int) -> int:
    """The id of an issue by its number in its list. Missed issues have ids below zero, in no list's range."""
    return (list_id - FIRST_LIST) * ISSUES_PER_LIST + number


def list_of_issue(issue: int) -> int:
    """The list of an issue by its id, which must be positive."""
    return (issue - 1) // ISSUES_PER_LIST + FIRST_LIST


def shown_number(issue: int) -> int:
    """The number of an issue in its list; ids below zero stay as they are."""
    return issue if issue <= 0 else (issue - 1) % ISSUES_PER_LIST + 1
