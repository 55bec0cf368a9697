"""`newsletter subscribers …`: manage subscribers and their consent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from newsletter.cli.context import CliContext, CommandGroup, all_, dry_run, yes
from newsletter.cli.subscriber_files import (
    STATUSES,
    confirmed_option,
    consent_proof,
    export,
    import_,
    source_option,
    status_option,
)
from newsletter.domain.english import people
from newsletter.domain.errors import NewsletterError
from newsletter.domain.lists import shown_number
from newsletter.domain.subscribers.address import parse_address
from newsletter.domain.subscribers.subscription import ON_THE_LIST, Status

if TYPE_CHECKING:
    from newsletter.actions.subscribers.manage import Stats, SubscriberRecord
    from newsletter.cli.output import Output
    from newsletter.domain.subscribers.subscriber import Subscriber, Subscription


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
    record = context.app.subscribers.record(address, of_any=not context.list_key)
    subscriber = record.subscriber
    document = {
        **_subscriber_json(context, subscriber),
        "list": record.list,
        "subscriptions": [_subscription_json(context, key, one) for key, one in record.subscriptions.items()],
        "pace": subscriber.pace.value,
        "paused_until": context.iso(subscriber.paused_until),
        "left_at": context.iso(subscriber.left_at),
        "quarterly_at": context.iso(subscriber.quarterly_at),
        "consent": [
            {
                "at": context.iso(one.at),
                "what": one.what,
                "proof": one.proof,
                "origin": one.origin,
                "list": record.lists[one.list_id],
            }
            for one in record.consents
        ],
        "deliveries": [
            {
                "issue": shown_number(one.issue),
                "list": record.list_of(one.issue),
                "slot": context.iso(one.slot),
                "tip": one.tip,
                "state": one.state,
                "reason": one.reason,
                "reply": one.reply,
            }
            for one in record.deliveries
        ],
    }
    if len(record.lists) > 1:
        document["one_a_day"] = subscriber.one_a_day
    context.report(document, lambda output: _draw_record(output, record))


def _subscription_json(context: CliContext, key: str, one: Subscription) -> dict[str, object]:
    return {
        "list": key,
        "status": one.status.value,
        "frequency": one.pace.value,
        "source": one.source,
        "signup_at": context.iso(one.signup_at),
        "confirmed_at": context.iso(one.confirmed_at),
        "left_at": context.iso(one.left_at),
        "paused_until": context.iso(one.paused_until),
        **({"last_tip": one.last_tip} if one.last_tip else {}),
    }


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
    if len(record.lists) == 1:
        output.facts(facts, title=subscriber.address)
    else:
        output.facts(
            [facts[0], ("at most one email a day", "yes" if subscriber.one_a_day else "no")], title=subscriber.address
        )
        is_in_course = any(one.last_tip for one in record.subscriptions.values())
        course = ["last tip of the course"] if is_in_course else []
        rows = [
            (key, one.status.value, one.pace.value, when(one.confirmed_at or one.signup_at), when(one.paused_until),
             *(one.last_tip for _ in course))
            for key, one in record.subscriptions.items()
        ]  # fmt: skip
        head = ["!list", "!status", "frequency", "!since", "paused until", *course]
        output.table(head, rows, empty="No subscription.")
        if subscriber.suppressed:
            output.line("The address is suppressed, so nothing is sent to it.", "yellow")
    several = ["list"] if len(record.lists) > 1 else []
    log = [
        (when(one.at), one.what, one.proof, one.origin, *(record.lists[one.list_id] for _ in several))
        for one in record.consents
    ]
    output.table(["!when", "!consent", "proof", "origin", *several], log, empty="No consent is on record.")
    emails = [
        (shown_number(one.issue), output.day(one.slot), one.tip, one.state, one.why,
         *(record.list_of(one.issue) for _ in several))
        for one in record.deliveries
    ]  # fmt: skip
    output.table([">issue", "!slot", "tip", "!email", "why", *several], emails, empty="No email has been sent yet.")


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
@click.option("--list", "lists", multiple=True, metavar="KEY", hidden=True, help="Which list; can be repeated.")
@dry_run
@click.pass_obj
def add(
    context: CliContext,
    *,
    address: str,
    name: str,
    confirmed: bool,
    source: str | None,
    lists: tuple[str, ...],
    dry_run: bool,
) -> None:
    """Add one subscriber. Without --confirmed, they get a confirmation email first."""
    context.is_about_a_list, context.list_key = True, next(iter(lists), "")
    proof = consent_proof(source, confirmed=confirmed)
    if dry_run:
        outcome = "would be added as confirmed" if confirmed else "would be asked by email to confirm"
        wanted = parse_address(address).text
        context.report({"address": wanted, "dry_run": True}, lambda output: output.line(f"{wanted} {outcome}."))
        return
    added = context.app.subscribers.add(address, name, confirmed_source=proof, lists=lists)
    asked = added.changed and added.status is Status.PENDING
    note = _send_now(context) if asked else "was added" if added.changed else "is already on the list"
    document: dict[str, object] = {"address": added.address, "status": added.status.value, "changed": added.changed}
    if len(lists) > 1:
        document["lists"] = list(lists)
    where = f" Lists: {', '.join(lists)}." if lists else ""
    context.report(document, lambda output: output.line(f"{added.address} ({added.status.value}) {note}.{where}"))


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
    until = context.app.subscribers.pause(address, weeks, everywhere=not context.list_key)
    record = context.app.subscribers.record(address, of_any=not context.list_key)
    after = record.subscriber
    document = {**_subscriber_json(context, after), "paused_until": context.iso(until), "list": record.list}
    where = _where(record, [key for key, one in record.subscriptions.items() if one.paused_until == until])
    context.report(
        document, lambda output: output.line(f"{after.address} is paused{where} until {output.when(until)}.")
    )


@subscribers.command("unsubscribe")
@click.argument("address")
@click.option("--yes", "-y", is_flag=True, hidden=True, expose_value=False)  # accepted for scripts; nothing is asked
@click.pass_obj
def unsubscribe(context: CliContext, *, address: str) -> None:
    """Unsubscribe one address, without asking for confirmation and without sending an email."""
    ended = context.app.subscribers.unsubscribe(address, everywhere=not context.list_key)
    record = context.app.subscribers.record(address, of_any=not context.list_key)
    after = record.subscriber
    document = {**_subscriber_json(context, after), "list": record.list}
    if len(record.lists) > 1:
        document["lists"] = ended
    left = [key for key, one in record.subscriptions.items() if one.status in ON_THE_LIST]
    more = f"still gets: {', '.join(left)}" if left else "gets no more emails"
    where = _where(record, ended)
    context.report(document, lambda output: output.line(f"{after.address} is unsubscribed{where} and {more}."))


def _where(record: SubscriberRecord, keys: Sequence[str]) -> str:
    """The lists that a change was about; nothing while there is only one list."""
    return f" ({', '.join(keys)})" if len(record.lists) > 1 and keys else ""
