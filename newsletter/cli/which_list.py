"""Which list a command is about when its argument tells: the id of an issue, or several tips, whose keys all lists share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from newsletter.domain.errors import UsageError
from newsletter.domain.lists import issue_by_number, list_of_issue, list_option

if TYPE_CHECKING:
    from newsletter.app import App
    from newsletter.cli.context import CliContext


def issue_id(context: CliContext, number: int) -> int:
    """The id of an issue by its number in the list of this run, or by its id, whose list it is about from then on.

    Raises UsageError if that is not the list that `--list` names.
    """
    issue = issue_by_number(context.app.list_id, number)
    if issue > 0 and list_of_issue(issue) != context.app.list_id:
        found = context.app.of_issue(issue)
        _refuse_other(context, found, f"issue {number}")
        context.app = found
    return issue


def tips_by_list(context: CliContext, names: Sequence[str]) -> list[tuple[App, list[str]]]:
    """The keys of several tips, each list's together. Raises UsageError for one in another list than `--list` names."""
    groups: dict[int, tuple[App, list[str]]] = {}
    for key in map(context.app.tips.key_of, names):
        app = context.app.of_tip(key)
        _refuse_other(context, app, f"the tip {key}")
        groups.setdefault(app.list_id, (app, []))[1].append(key)
    return list(groups.values())


def tip_keys(context: CliContext, names: Sequence[str]) -> list[str]:
    """The keys of several tips, of one list or of several. Raises UsageError as `tips_by_list`."""
    return [key for _, keys in tips_by_list(context, names) for key in keys]


def _refuse_other(context: CliContext, found: App, what: str) -> None:
    if context.list_key and found.list_id != context.app.list_id:
        raise UsageError(
            f"{what} is in the list {found.list_key}, not in {context.app.list_key}",
            fix=f"Pass{list_option(found.list_key)}, or leave --list out",
        )
