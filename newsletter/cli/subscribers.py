"""`newsletter subscribers …` and `newsletter suppressions …`: who gets letters, and who never does."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from newsletter.cli import subscriber_files as reader_files
from newsletter.cli.context import Door, Noun, all_, dry_run, yes
from newsletter.cli.issue_view import iso
from newsletter.cli.subscriber_files import STATUSES, confirmed_option, proof_of, source_option
from newsletter.domain.errors import NewsletterError, NotFound
from newsletter.domain.subscribers.address import parse_address
from newsletter.domain.subscribers.subscription import Status
from newsletter.ports.subscribers import reader_at

if TYPE_CHECKING:
    from newsletter.cli.output import Screen
    from newsletter.domain.subscribers.subscriber import Reader, Suppression


@click.group(cls=Noun)
def subscribers() -> None:
    """The readers and their consent."""


def _reader(reader: Reader) -> dict[str, object]:
    return {
        "address": reader.address,
        "name": reader.name,
        "status": reader.shown_status,
        "source": reader.source,
        "signup_at": iso(reader.signup_at),
        "confirmed_at": iso(reader.confirmed_at),
    }


def _known(door: Door, address: str) -> Reader:
    with door.app.store.read() as tx:
        return reader_at(tx.subscribers, parse_address(address))


# -- reading ---------------------------------------------------------------------------------------


@subscribers.command("list")
@click.option("--status", type=click.Choice(STATUSES), help="Only these.")
@all_
@click.pass_obj
def list_(door: Door, *, status: str | None, all_: bool) -> None:
    """The readers, or those of one status, in the order they came."""
    with door.app.store.read() as tx:
        found = tx.subscribers.each(status)

        def draw(screen: Screen) -> None:
            rows = ((r.address, r.name, r.shown_status, screen.when(r.confirmed_at or r.signup_at)) for r in found)
            counts = tx.subscribers.count()
            screen.table(
                ["!address", "name", "!status", "!since"], rows,
                empty="Nobody is here. Add somebody: newsletter subscribers add ADDRESS",
                of=None if all_ else counts.get(status, 0) if status else sum(counts.values()),
            )  # fmt: skip

        door.report({"subscribers": map(_reader, found)}, draw)


@subscribers.command("show")
@click.argument("address")
@click.pass_obj
def show(door: Door, *, address: str) -> None:
    """One reader: consent and letters."""
    reader = _known(door, address)
    with door.app.store.read() as tx:
        consents, deliveries = tx.subscribers.consents(reader.id), tx.subscribers.deliveries(reader.id)
    document = {
        **_reader(reader),
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

    def draw(screen: Screen) -> None:
        facts = [("name", reader.name), ("status", reader.shown_status), ("signed up", screen.when(reader.signup_at)),
                 ("confirmed", screen.when(reader.confirmed_at)), ("left", screen.when(reader.left_at)),
                 ("paused until", screen.when(reader.paused_until)), ("pace", reader.pace.value)]  # fmt: skip
        screen.facts(facts, title=reader.address)
        rows = [(screen.when(c.at), c.what, c.proof, c.origin) for c in consents]
        screen.table(["!when", "!consent", "proof", "origin"], rows, empty="No consent is on record.")
        letters = [(d.issue, screen.day(d.slot), d.tip, d.state, d.reason or d.reply) for d in deliveries]
        screen.table([">issue", "!slot", "tip", "!letter", "why"], letters, empty="No letter yet.")

    door.report(document, draw)


# -- coming in and going ---------------------------------------------------------------------------


@subscribers.command("add")
@click.argument("address")
@click.option("--name", default="", help="How letters may greet them.")
@confirmed_option
@source_option
@dry_run
@click.pass_obj
def add(door: Door, *, address: str, name: str, confirmed: bool, source: str | None, dry_run: bool) -> None:
    """Add one reader, who is asked by mail to confirm, unless they have agreed already."""
    proof = proof_of(source, confirmed=confirmed)
    if dry_run:
        words = "would be added as confirmed" if confirmed else "would be asked by mail to confirm"
        wanted = parse_address(address).text
        door.report({"address": wanted, "dry_run": True}, lambda screen: screen.line(f"{wanted} {words}."))
        return
    added = door.app.add_subscriber(address, name, confirmed_source=proof)
    asked = added.changed and added.status is Status.PENDING
    note = _mail_now(door) if asked else "is here already" if not added.changed else "is added"
    document = {"address": added.address, "status": added.status.value, "changed": added.changed}
    door.report(document, lambda screen: screen.line(f"{added.address} ({added.status.value}) {note}."))


def _mail_now(door: Door) -> str:
    """Send the confirmation mail if nobody else is at it; what became of it in words."""
    try:
        if door.app.store.holder() is None and door.app.flush_notices():
            return "has been asked to confirm"
    except NewsletterError as error:
        door.say(f"newsletter: the confirmation mail waits: {error}")
    return "will be asked to confirm as soon as the daemon sends"


subscribers.add_command(reader_files.import_)
subscribers.add_command(reader_files.export)


@subscribers.command("erase")
@click.argument("address")
@yes
@click.pass_obj
def erase(door: Door, *, address: str, yes: bool) -> None:
    """Remove a person for good; a keyed hash stays, so that no import brings them back."""
    reader = _known(door, address)
    door.agree(f"Erase {reader.address} and all that is known of them?", yes=yes)
    erased = door.app.erase(reader.address)
    door.report({"address": erased, "erased": True}, lambda screen: screen.line(f"{erased} is erased."))


@subscribers.command("pause")
@click.argument("address")
@click.option("--weeks", type=click.IntRange(1, 52), required=True, help="For how long.")
@click.pass_obj
def pause(door: Door, *, address: str, weeks: int) -> None:
    """No letter for some weeks; then they come again by themselves."""
    reader = _known(door, address)
    until = door.app.pause_subscriber(reader.address, weeks)
    after = _known(door, address)
    document = {**_reader(after), "paused_until": iso(until)}
    door.report(document, lambda screen: screen.line(f"{after.address} is paused until {screen.when(until)}."))


@subscribers.command("stats")
@click.pass_obj
def stats(door: Door) -> None:
    """How many readers there are, why people leave, and which tips lose them."""
    with door.app.store.read() as tx:
        counts, reasons = dict(tx.subscribers.count()), tx.farewells.by_reason()
        tips, words = tx.farewells.by_tip(10), tx.farewells.words(10)
        quarterly = tx.subscribers.quarterly(door.clock())
    document = {
        "subscribers": counts,
        "quarterly": quarterly,
        "left_because": {loss.reason or "not_said": loss.number for loss in reasons},
        "left_by_tip": [{"issue": loss.issue, "tip": loss.tip, "left": loss.number} for loss in tips],
        "words": [{"at": iso(at), "reason": reason, "words": said} for at, reason, said in words],
    }

    def draw(screen: Screen) -> None:
        screen.facts([(name, counts.get(name, 0)) for name in STATUSES], title="Readers")
        if quarterly:
            screen.line(f"{quarterly} of those who left want one best tip every three months.")
        rows = [(loss.reason or "not said", loss.number) for loss in reasons]
        screen.table(["!left because", ">readers"], rows, empty="Nobody has left.")
        lost = [(loss.tip, loss.issue, loss.number) for loss in tips]
        screen.table(["tip", ">issue", ">left"], lost, empty="No letter has lost a reader.")
        for at, reason, said in words:
            screen.line(f"{screen.when(at)}: {said} ({reason or 'no reason'})")

    door.report(document, draw)


@subscribers.command("unsubscribe")
@click.argument("address")
@click.option("--yes", "-y", is_flag=True, hidden=True, expose_value=False)  # scripts may say it; nothing is asked
@click.pass_obj
def unsubscribe(door: Door, *, address: str) -> None:
    """End a subscription on the reader's behalf, without asking back: leaving is easy by every door."""
    reader = _known(door, address)
    door.app.unsubscribe(reader.address)
    after = _known(door, address)
    door.report(
        _reader(after), lambda screen: screen.line(f"{after.address} is unsubscribed and gets no more letters.")
    )


# -- suppressions ----------------------------------------------------------------------------------


@click.group(cls=Noun)
def suppressions() -> None:
    """Addresses never to mail, whatever their consent says."""


@suppressions.command("list")
@all_
@click.pass_obj
def suppressions_list(door: Door, *, all_: bool) -> None:
    """The suppressed addresses and why, the newest first."""
    with door.app.store.read() as tx:
        found = tx.suppressions.each()

        def draw(screen: Screen) -> None:
            rows = ((s.address_key, s.reason, s.source, screen.when(s.at)) for s in found)
            screen.table(
                ["!address", "!reason", "source", "!since"], rows, empty="No address is suppressed.",
                of=None if all_ else tx.suppressions.count(),
            )  # fmt: skip

        door.report({"suppressions": map(_suppression, found)}, draw)


def _suppression(found: Suppression) -> dict[str, object]:
    return {"address": found.address_key, "reason": found.reason, "source": found.source, "at": iso(found.at)}


@suppressions.command("add")
@click.argument("address")
@click.option("--reason", metavar="TEXT", default="manual", show_default=True, help="Why; it stands in the list.")
@click.pass_obj
def suppressions_add(door: Door, *, address: str, reason: str) -> None:
    """Never mail this address again."""
    wanted = parse_address(address)
    changed = door.app.suppress(wanted.text, reason)
    words = "is suppressed" if changed else "was suppressed already"
    door.report({"address": wanted.text, "changed": changed}, lambda screen: screen.line(f"{wanted.text} {words}."))


@suppressions.command("remove")
@click.argument("address")
@yes
@click.pass_obj
def suppressions_remove(door: Door, *, address: str, yes: bool) -> None:
    """Allow letters to this address again."""
    wanted = parse_address(address)
    door.agree(f"Allow letters to {wanted.text} again?", yes=yes)
    if not door.app.unsuppress(wanted.text):
        raise NotFound(f"{wanted.text} is not suppressed", fix="See: newsletter suppressions list")
    words = f"{wanted.text} is no longer suppressed."
    door.report({"address": wanted.text, "changed": True}, lambda screen: screen.line(words))
