"""`newsletter subscribers …` and `newsletter suppressions …`: who gets letters, and who never does."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from newsletter.cli import subscriber_files as reader_files
from newsletter.cli.context import CliContext, CommandGroup, all_, dry_run, yes
from newsletter.cli.issue_view import iso
from newsletter.cli.subscriber_files import STATUSES, confirmed_option, consent_proof, source_option
from newsletter.domain.errors import NewsletterError, NotFound
from newsletter.domain.subscribers.address import parse_address
from newsletter.domain.subscribers.subscription import Status
from newsletter.ports.subscribers import get_subscriber

if TYPE_CHECKING:
    from newsletter.cli.output import Output
    from newsletter.domain.subscribers.subscriber import Subscriber, Suppression


@click.group(cls=CommandGroup)
def subscribers() -> None:
    """The readers and their consent."""


def _subscriber_json(reader: Subscriber) -> dict[str, object]:
    return {
        "address": reader.address,
        "name": reader.name,
        "status": reader.display_status,
        "source": reader.source,
        "signup_at": iso(reader.signup_at),
        "confirmed_at": iso(reader.confirmed_at),
    }


def _find_subscriber(context: CliContext, address: str) -> Subscriber:
    with context.app.store.read() as tx:
        return get_subscriber(tx.subscribers, parse_address(address))


# -- reading ---------------------------------------------------------------------------------------


@subscribers.command("list")
@click.option("--status", type=click.Choice(STATUSES), help="Only these.")
@all_
@click.pass_obj
def list_(context: CliContext, *, status: str | None, all_: bool) -> None:
    """The readers, or those of one status, in the order they came."""
    with context.app.store.read() as tx:
        found = tx.subscribers.each(status)

        def draw(output: Output) -> None:
            rows = ((r.address, r.name, r.display_status, output.when(r.confirmed_at or r.signup_at)) for r in found)
            counts = tx.subscribers.count()
            output.table(
                ["!address", "name", "!status", "!since"], rows,
                empty="Nobody is here. Add somebody: newsletter subscribers add ADDRESS",
                of=None if all_ else counts.get(status, 0) if status else sum(counts.values()),
            )  # fmt: skip

        context.report({"subscribers": map(_subscriber_json, found)}, draw)


@subscribers.command("show")
@click.argument("address")
@click.pass_obj
def show(context: CliContext, *, address: str) -> None:
    """One reader: consent and letters."""
    reader = _find_subscriber(context, address)
    with context.app.store.read() as tx:
        consents, deliveries = tx.subscribers.consents(reader.id), tx.subscribers.deliveries(reader.id)
    document = {
        **_subscriber_json(reader),
        "pace": reader.pace.value,
        "paused_until": iso(reader.paused_until),
        "left_at": iso(reader.left_at),
        "quarterly_at": iso(reader.quarterly_at),
        "consent": [{**asdict(consent), "at": iso(consent.at)} for consent in consents],
        "deliveries": [
            {
                "issue": d.issue,
                "slot": iso(d.slot),
                "tip": d.tip,
                "state": d.state,
                "reason": d.reason,
            }
            for d in deliveries
        ],
    }

    def draw(output: Output) -> None:
        facts = [("name", reader.name), ("status", reader.display_status), ("signed up", output.when(reader.signup_at)),
                 ("confirmed", output.when(reader.confirmed_at)), ("left", output.when(reader.left_at)),
                 ("paused until", output.when(reader.paused_until)), ("pace", reader.pace.value)]  # fmt: skip
        output.facts(facts, title=reader.address)
        rows = [(output.when(c.at), c.what, c.proof, c.origin) for c in consents]
        output.table(["!when", "!consent", "proof", "origin"], rows, empty="No consent is on record.")
        delivery_rows = [(d.issue, output.day(d.slot), d.tip, d.state, d.reason or d.reply) for d in deliveries]
        output.table([">issue", "!slot", "tip", "!letter", "why"], delivery_rows, empty="No letter yet.")

    context.report(document, draw)


# -- coming in and going ---------------------------------------------------------------------------


@subscribers.command("add")
@click.argument("address")
@click.option("--name", default="", help="How letters may greet them.")
@confirmed_option
@source_option
@dry_run
@click.pass_obj
def add(context: CliContext, *, address: str, name: str, confirmed: bool, source: str | None, dry_run: bool) -> None:
    """Add one reader, who is asked by mail to confirm, unless they have agreed already."""
    proof = consent_proof(source, confirmed=confirmed)
    if dry_run:
        words = "would be added as confirmed" if confirmed else "would be asked by mail to confirm"
        wanted = parse_address(address).text
        context.report({"address": wanted, "dry_run": True}, lambda output: output.line(f"{wanted} {words}."))
        return
    added = context.app.subscribers.add(address, name, confirmed_source=proof)
    asked = added.changed and added.status is Status.PENDING
    note = _send_now(context) if asked else "is here already" if not added.changed else "is added"
    document = {"address": added.address, "status": added.status.value, "changed": added.changed}
    context.report(document, lambda output: output.line(f"{added.address} ({added.status.value}) {note}."))


def _send_now(context: CliContext) -> str:
    """Send the confirmation mail if nobody else is at it; what became of it in words."""
    try:
        if context.app.store.holder() is None and context.app.transactional.send():
            return "has been asked to confirm"
    except NewsletterError as error:
        context.print_note(f"newsletter: the confirmation mail waits: {error}")
    return "will be asked to confirm as soon as the daemon sends"


subscribers.add_command(reader_files.import_)
subscribers.add_command(reader_files.export)


@subscribers.command("erase")
@click.argument("address")
@yes
@click.pass_obj
def erase(context: CliContext, *, address: str, yes: bool) -> None:
    """Remove a person for good; a keyed hash stays, so that no import brings them back."""
    reader = _find_subscriber(context, address)
    context.require_confirmation(f"Erase {reader.address} and all that is known of them?", yes=yes)
    erased = context.app.subscribers.erase(reader.address)
    context.report({"address": erased, "erased": True}, lambda output: output.line(f"{erased} is erased."))


@subscribers.command("pause")
@click.argument("address")
@click.option("--weeks", type=click.IntRange(1, 52), required=True, help="For how long.")
@click.pass_obj
def pause(context: CliContext, *, address: str, weeks: int) -> None:
    """No letter for some weeks; then they come again by themselves."""
    reader = _find_subscriber(context, address)
    until = context.app.subscribers.pause(reader.address, weeks)
    after = _find_subscriber(context, address)
    document = {**_subscriber_json(after), "paused_until": iso(until)}
    context.report(document, lambda output: output.line(f"{after.address} is paused until {output.when(until)}."))


@subscribers.command("stats")
@click.pass_obj
def stats(context: CliContext) -> None:
    """How many readers there are, why people leave, and which tips lose them."""
    with context.app.store.read() as tx:
        counts, reasons = dict(tx.subscribers.count()), tx.unsubscribes.by_reason()
        tips, words = tx.unsubscribes.by_tip(10), tx.unsubscribes.words(10)
        quarterly = tx.subscribers.quarterly(context.clock())
    document = {
        "subscribers": counts,
        "quarterly": quarterly,
        "left_because": {loss.reason or "not_said": loss.number for loss in reasons},
        "left_by_tip": [{"issue": loss.issue, "tip": loss.tip, "left": loss.number} for loss in tips],
        "words": [{"at": iso(at), "reason": reason, "words": said} for at, reason, said in words],
    }

    def draw(output: Output) -> None:
        output.facts([(name, counts.get(name, 0)) for name in STATUSES], title="Readers")
        if quarterly:
            output.line(f"{quarterly} of those who left want one best tip every three months.")
        rows = [(loss.reason or "not said", loss.number) for loss in reasons]
        output.table(["!left because", ">readers"], rows, empty="Nobody has left.")
        lost = [(loss.tip, loss.issue, loss.number) for loss in tips]
        output.table(["tip", ">issue", ">left"], lost, empty="No letter has lost a reader.")
        for at, reason, said in words:
            output.line(f"{output.when(at)}: {said} ({reason or 'no reason'})")

    context.report(document, draw)


@subscribers.command("unsubscribe")
@click.argument("address")
@click.option("--yes", "-y", is_flag=True, hidden=True, expose_value=False)  # scripts may say it; nothing is asked
@click.pass_obj
def unsubscribe(context: CliContext, *, address: str) -> None:
    """End a subscription on the reader's behalf, without asking back: leaving is easy by every door."""
    reader = _find_subscriber(context, address)
    context.app.subscribers.unsubscribe(reader.address)
    after = _find_subscriber(context, address)
    context.report(
        _subscriber_json(after),
        lambda output: output.line(f"{after.address} is unsubscribed and gets no more letters."),
    )


# -- suppressions ----------------------------------------------------------------------------------


@click.group(cls=CommandGroup)
def suppressions() -> None:
    """Addresses never to mail, whatever their consent says."""


@suppressions.command("list")
@all_
@click.pass_obj
def suppressions_list(context: CliContext, *, all_: bool) -> None:
    """The suppressed addresses and why, the newest first."""
    with context.app.store.read() as tx:
        found = tx.suppressions.each()

        def draw(output: Output) -> None:
            rows = ((s.address_key, s.reason, s.source, output.when(s.at)) for s in found)
            output.table(
                ["!address", "!reason", "source", "!since"], rows, empty="No address is suppressed.",
                of=None if all_ else tx.suppressions.count(),
            )  # fmt: skip

        context.report({"suppressions": map(_suppression, found)}, draw)


def _suppression(found: Suppression) -> dict[str, object]:
    return {"address": found.address_key, "reason": found.reason, "source": found.source, "at": iso(found.at)}


@suppressions.command("add")
@click.argument("address")
@click.option("--reason", metavar="TEXT", default="manual", show_default=True, help="Why; it stands in the list.")
@click.pass_obj
def suppressions_add(context: CliContext, *, address: str, reason: str) -> None:
    """Never mail this address again."""
    wanted = parse_address(address)
    changed = context.app.suppressions.add(wanted.text, reason)
    words = "is suppressed" if changed else "was suppressed already"
    context.report({"address": wanted.text, "changed": changed}, lambda output: output.line(f"{wanted.text} {words}."))


@suppressions.command("remove")
@click.argument("address")
@yes
@click.pass_obj
def suppressions_remove(context: CliContext, *, address: str, yes: bool) -> None:
    """Allow letters to this address again."""
    wanted = parse_address(address)
    context.require_confirmation(f"Allow letters to {wanted.text} again?", yes=yes)
    if not context.app.suppressions.remove(wanted.text):
        raise NotFound(f"{wanted.text} is not suppressed", fix="See: newsletter suppressions list")
    words = f"{wanted.text} is no longer suppressed."
    context.report({"address": wanted.text, "changed": True}, lambda output: output.line(words))
