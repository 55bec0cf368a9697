"""`newsletter suppressions …`: manage suppressed addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from newsletter.cli.context import CliContext, CommandGroup, all_, dry_run, list_of_argument, yes
from newsletter.cli.which_list import issue_id
from newsletter.domain.english import people, plural
from newsletter.domain.errors import NotFound, UsageError
from newsletter.domain.lists import issue_argument, issue_name, shown_number
from newsletter.domain.subscribers.address import parse_address

if TYPE_CHECKING:
    from newsletter.cli.output import Output
    from newsletter.domain.subscribers.subscriber import Suppression


@click.group(cls=CommandGroup)
def suppressions() -> None:
    """Manage the addresses that must never get email, even if they are subscribed."""


@suppressions.command("list")
@all_
@click.pass_obj
def suppressions_list(context: CliContext, *, all_: bool) -> None:
    """List suppressed addresses and the reasons, newest first."""
    with context.app.suppressions.listing() as listing:

        def draw(output: Output) -> None:
            rows = ((one.address_key, one.reason, one.source, output.when(one.at)) for one in listing.rows)
            output.table(
                ["!address", "!reason", "source", "!since"], rows, empty="No address is suppressed.",
                of=None if all_ else listing.total(),
            )  # fmt: skip

        context.report({"suppressions": (_suppression_json(context, one) for one in listing.rows)}, draw)


def _suppression_json(context: CliContext, found: Suppression) -> dict[str, object]:
    return {"address": found.address_key, "reason": found.reason, "source": found.source, "at": context.iso(found.at)}


issue_option = click.option("--issue", type=int, help="All addresses that this issue found not to exist.")


@suppressions.command("add")
@click.argument("address", required=False)
@issue_option
@list_of_argument
@click.option("--reason", metavar="TEXT", default="manual", show_default=True, help="The reason; the list shows it.")
@dry_run
@yes
@click.pass_obj
def suppressions_add(
    context: CliContext, *, address: str | None, issue: int | None, reason: str, dry_run: bool, yes: bool
) -> None:
    """Never send email to this address again, or to the addresses that an issue was told do not exist.

    An issue suppresses such addresses itself, unless its mail server may have been in trouble.
    """
    wanted = _one_address(address, issue)
    if issue is not None:
        id_ = issue_id(context, issue)
        found = len(context.app.suppressions.doubtful(id_))
        if found and not dry_run:
            context.require_confirmation(f"Never send email to {people(found)} again?", yes=yes)
            found = context.app.suppressions.add_doubtful(id_)
        outcome = "would be suppressed" if dry_run else "is suppressed" if found == 1 else "are suppressed"
        document = {"issue": shown_number(id_), "list": context.app.list_key, "added": found, "dry_run": dry_run}
        context.report(document, lambda output: output.line(f"{plural(found, 'address')} {outcome}."))
        return
    changed = not dry_run and context.app.suppressions.add(wanted, reason)
    outcome = "would be suppressed" if dry_run else "is suppressed" if changed else "was suppressed already"
    context.report({"address": wanted, "changed": changed}, lambda output: output.line(f"{wanted} {outcome}."))


@suppressions.command("remove")
@click.argument("address", required=False)
@issue_option
@list_of_argument
@dry_run
@yes
@click.pass_obj
def suppressions_remove(
    context: CliContext, *, address: str | None, issue: int | None, dry_run: bool, yes: bool
) -> None:
    """Allow emails to this address again, or to all addresses that an issue has suppressed."""
    wanted = _one_address(address, issue)
    if issue is not None:
        _remove_of_issue(context, issue, dry_run=dry_run, yes=yes)
        return
    if not dry_run:
        context.require_confirmation(f"Allow emails to {wanted} again?", yes=yes)
    is_there = context.app.suppressions.is_suppressed(wanted) if dry_run else context.app.suppressions.remove(wanted)
    if not is_there:
        raise NotFound(f"{wanted} is not suppressed", fix="See: newsletter suppressions list")
    outcome = "would no longer be suppressed" if dry_run else "is no longer suppressed"
    context.report({"address": wanted, "changed": not dry_run}, lambda output: output.line(f"{wanted} {outcome}."))


def _one_address(address: str | None, issue: int | None) -> str:
    """The address, or "" if an issue is meant. Raises UsageError."""
    if (address is None) == (issue is None):
        raise UsageError("this needs an address or an issue", fix="Write ADDRESS, or --issue NUMBER")
    return parse_address(address).text if address else ""


def _remove_of_issue(context: CliContext, issue: int, *, dry_run: bool, yes: bool) -> None:
    id_ = issue_id(context, issue)
    found = context.app.suppressions.of_issue(id_)
    if found and not dry_run:
        context.require_confirmation(f"Allow emails to {people(len(found))} again?", yes=yes)
        context.app.suppressions.remove_of_issue(id_)
    name, argument = issue_name(id_, context.app.shown_key), issue_argument(id_, context.app.shown_key)
    document = {
        "issue": shown_number(id_),
        "list": context.app.list_key,
        "removed": len(found),
        "addresses": [one.address_key for one in found],
        "dry_run": dry_run,
    }

    def draw(output: Output) -> None:
        verb = "would no longer be" if dry_run else "is no longer" if len(found) == 1 else "are no longer"
        output.line(f"{plural(len(found), 'address')} {verb} suppressed.")
        if found and not dry_run:
            output.line(f"To send {name} to them, run newsletter issues retry-failed {argument}.")

    context.report(document, draw)
