"""`newsletter subscribers …` and `newsletter suppressions …`: manage subscribers and suppressed addresses."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from newsletter.cli.context import CliContext, CommandGroup, all_, dry_run, list_of_argument, yes
from newsletter.cli.subscriber_files import (
    STATUSES,
    confirmed_option,
    consent_proof,
    export,
    import_,
    source_option,
    status_option,
)
from newsletter.cli.which_list import issue_id
from newsletter.domain.english import people, plural
from newsletter.domain.errors import NewsletterError, NotFound, UsageError
from newsletter.domain.lists import issue_argument, issue_name, shown_number
from newsletter.domain.subscribers.address import parse_address
from newsletter.domain.subscribers.subscription import Status

if TYPE_CHECKING:
    from newsletter.actions.subscribers.manage import Stats, SubscriberRecord
    from newsletter.cli.output import Output
    from newsletter.domain.subscribers.subscriber import Subscriber, Suppression


@click.group(cls=CommandGroup, of_a_list=True)
def subscribers() -> None:
    """Manage subscribers and their consent."""


def _subscriber_json(context: CliContext, subscriber: Subscriber) -> dict[str, object]:
    return {
        "address": subscriber.address,
        "name": subscriber.name,
        "status": subscriber.display_status,
        "source": subscriber.source,
        "signup_at": context.iso(subscriber.signup_at),
        "confirmed_at": context.iso(subscriber.confirmed_at),
    }


# -- look ------------------------------------------------------------------------------------------


@subscribers.command("list")
@status_option
@all_
@click.pass_obj
def list_(context: CliContext, *, status: str | None, all_: bool) -> None:
    """List subscribers in the order they signed up."""
    with context.app.subscribers.listing(status) as listing:

        def draw(output: Output) -> None:
            rows = (
                (one.address, one.name, one.display_status, output.when(one.confirmed_at or one.signup_at))
                for one in listing.rows
            )
            output.table(
                ["!address", "name", "!status", "!since"], rows,
                empty="There are no subscribers yet. Add one with: newsletter subscribers add ADDRESS",
                of=None if all_ else listing.total(),
            )  # fmt: skip

        context.report({"subscribers": (_subscriber_json(context, one) for one in listing.rows)}, draw)


@subscribers.command("show")
@click.argument("address")
@click.pass_obj
def show(context: CliContext, *, address: str) -> None:
    """Show one subscriber, the consent log, and all issues sent to them."""
    record = context.app.subscribers.record(address)
    subscriber = record.subscriber
    document = {
        **_subscriber_json(context, subscriber),
        "pace": subscriber.pace.value,
        "paused_until": context.iso(subscriber.paused_until),
        "left_at": context.iso(subscriber.left_at),
        "quarterly_at": context.iso(subscriber.quarterly_at),
        "consent": [
            {"at": context.iso(one.at), "what": one.what, "proof": one.proof, "origin": one.origin}
            for one in record.consents
        ],
        "deliveries": [
            {
                "issue": shown_number(one.issue),
                "slot": context.iso(one.slot),
                "tip": one.tip,
                "state": one.state,
                "reason": one.reason,
                "reply": one.reply,
            }
            for one in record.deliveries
        ],
    }
    context.report(document, lambda output: _draw_record(output, record))


def _draw_record(output: Output, record: SubscriberRecord) -> None:
    subscriber, when = record.subscriber, output.when
    facts = [
        ("name", subscriber.name),
        ("status", subscriber.display_status),
        ("signed up", when(subscriber.signup_at)),
        ("confirmed", when(subscriber.confirmed_at)),
        ("unsubscribed", when(subscriber.left_at)),
        ("paused until", when(subscriber.paused_until)),
        ("frequency", subscriber.pace.value),
    ]
    output.facts(facts, title=subscriber.address)
    rows = [(when(consent.at), consent.what, consent.proof, consent.origin) for consent in record.consents]
    output.table(["!when", "!consent", "proof", "origin"], rows, empty="No consent is on record.")
    emails = [(shown_number(one.issue), output.day(one.slot), one.tip, one.state, one.why) for one in record.deliveries]
    output.table([">issue", "!slot", "tip", "!email", "why"], emails, empty="No email has been sent yet.")


@subscribers.command("stats")
@click.pass_obj
def stats(context: CliContext) -> None:
    """Count subscribers by status, and unsubscribes by reason and by tip."""
    found = context.app.subscribers.stats()
    document = {
        "subscribers": found.counts,
        "quarterly": found.quarterly,
        **{
            name: asdict(standing)
            for name, standing in (("course", found.course), ("welcome_series", found.series))
            if standing
        },
        "left_because": {one.reason or "not_said": one.number for one in found.by_reason},
        "left_by_tip": [
            {"issue": shown_number(one.issue or 0), "tip": one.tip, "left": one.number} for one in found.by_tip
        ],
        "words": [{"at": context.iso(at), "reason": reason, "words": words} for at, reason, words in found.comments],
    }
    context.report(document, lambda output: _draw_stats(output, found))


def _draw_stats(output: Output, found: Stats) -> None:
    output.facts([(name, found.counts.get(name, 0)) for name in STATUSES], title="Subscribers")
    for what, standing in (("course", found.course), ("welcome series", found.series)):
        if standing:
            output.line(f"In the {what}: {standing.words()}.")
    if found.quarterly:
        output.line(f"{people(found.quarterly)} who unsubscribed asked for the best tip every three months.")
    reasons = [(one.reason or "not said", one.number) for one in found.by_reason]
    output.table(["!unsubscribed because", ">subscribers"], reasons, empty="Nobody has unsubscribed.")
    tips = [(one.tip, shown_number(one.issue or 0), one.number) for one in found.by_tip]
    output.table(["tip", ">issue", ">unsubscribed"], tips, empty="Nobody has unsubscribed from an issue.")
    for at, reason, words in found.comments:
        output.line(f"{output.when(at)}: {words} ({reason or 'no reason'})")


# -- change ----------------------------------------------------------------------------------------


@subscribers.command("add")
@click.argument("address")
@click.option("--name", default="", help="The name for the greeting in emails.")
@confirmed_option
@source_option
@dry_run
@click.pass_obj
def add(context: CliContext, *, address: str, name: str, confirmed: bool, source: str | None, dry_run: bool) -> None:
    """Add one subscriber. Without --confirmed, they get a confirmation email first."""
    proof = consent_proof(source, confirmed=confirmed)
    if dry_run:
        outcome = "would be added as confirmed" if confirmed else "would be asked by email to confirm"
        wanted = parse_address(address).text
        context.report({"address": wanted, "dry_run": True}, lambda output: output.line(f"{wanted} {outcome}."))
        return
    added = context.app.subscribers.add(address, name, confirmed_source=proof)
    asked = added.changed and added.status is Status.PENDING
    note = _send_now(context) if asked else "was added" if added.changed else "is already on the list"
    document = {"address": added.address, "status": added.status.value, "changed": added.changed}
    context.report(document, lambda output: output.line(f"{added.address} ({added.status.value}) {note}."))


def _send_now(context: CliContext) -> str:
    """Send the confirmation email unless another process is sending; what happened, in words."""
    try:
        if not context.app.transactional.is_sender_running() and context.app.transactional.send():
            return "has been asked to confirm"
    except NewsletterError as error:
        context.print_note(f"newsletter: the confirmation email was not sent yet: {error}")
    return "will be asked to confirm by email when the daemon runs"


subscribers.add_command(import_)
subscribers.add_command(export)


@subscribers.command("erase")
@click.argument("address")
@yes
@click.pass_obj
def erase(context: CliContext, *, address: str, yes: bool) -> None:
    """Erase all data of one subscriber for good. Only a keyed hash is kept, so that no import adds them again."""
    subscriber = context.app.subscribers.get(address)
    context.require_confirmation(f"Erase {subscriber.address} and all data about them?", yes=yes)
    erased = context.app.subscribers.erase(subscriber.address)
    context.report({"address": erased, "erased": True}, lambda output: output.line(f"{erased} was erased."))


@subscribers.command("pause")
@click.argument("address")
@click.option("--weeks", type=click.IntRange(1, 52), required=True, help="The length of the pause.")
@click.pass_obj
def pause(context: CliContext, *, address: str, weeks: int) -> None:
    """Pause the emails to one subscriber for some weeks. They resume automatically."""
    until = context.app.subscribers.pause(address, weeks)
    after = context.app.subscribers.get(address)
    document = {**_subscriber_json(context, after), "paused_until": context.iso(until)}
    context.report(document, lambda output: output.line(f"{after.address} is paused until {output.when(until)}."))


@subscribers.command("unsubscribe")
@click.argument("address")
@click.option("--yes", "-y", is_flag=True, hidden=True, expose_value=False)  # accepted for scripts; nothing is asked
@click.pass_obj
def unsubscribe(context: CliContext, *, address: str) -> None:
    """Unsubscribe one address, without asking for confirmation and without sending an email."""
    context.app.subscribers.unsubscribe(address)
    after = context.app.subscribers.get(address)
    context.report(
        _subscriber_json(context, after),
        lambda output: output.line(f"{after.address} is unsubscribed and gets no more emails."),
    )


# -- suppressions ----------------------------------------------------------------------------------


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
