"""`newsletter issues …`: what goes out next, and looking after what went out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from newsletter.cli.context import CliContext, CommandGroup, all_, as_of, dry_run, yes
from newsletter.cli.issue_view import (
    draw_issue,
    iso,
    issue_document,
    next_document,
    next_issue_text,
    subscriber_count,
    substitutes_document,
)
from newsletter.cli.progress import send_and_report
from newsletter.domain.delivery.delivery import State
from newsletter.domain.errors import NotFound, UsageError

if TYPE_CHECKING:
    from newsletter.cli.output import Output
    from newsletter.domain.delivery.issue import IssueFacts
    from newsletter.domain.subscribers.subscriber import DeliveryFacts

TRY_LATER = 75


@click.group(cls=CommandGroup)
def issues() -> None:
    """The editions: what goes out next, and what went out."""


tip_option = click.option("--tip", metavar="KEY", help="Another tip than the next.")


# -- before ----------------------------------------------------------------------------------------


@issues.command("next")
@as_of
@click.pass_obj
def next_(context: CliContext) -> None:
    """The slot, the tip and the size of the audience of what goes out next."""
    coming, shares = context.app.issues.next(), context.app.issues.next_shares()

    def draw(output: Output) -> None:
        tip = f"{coming.tip.title} ({coming.tip.key})" if coming.tip else "none"
        facts = [("slot", output.day(coming.slot)), ("due", output.when(coming.due_at)), ("tip", tip),
                 ("why", coming.reason), ("audience", coming.audience)]  # fmt: skip
        if shares:
            facts.append(("to whom", shares.words()))
        if coming.waits:
            facts.append(("but", f"{coming.waits}: newsletter calendar approve {coming.slot}"))
        output.facts(facts, title="Due now" if coming.due_at <= context.clock() else "Next")
        if coming.tip is None:
            output.line("Bring tips in: newsletter tips import PATH…", "dim")

    context.report({**next_document(coming), "shares": substitutes_document(shares)}, draw)


@issues.command("preview")
@tip_option
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE.eml", help="The whole letter.")
@click.option("--open", "open_", is_flag=True, help="Show HTML (light, dark, phone), text and checks in the browser.")
@as_of
@click.pass_obj
def preview(context: CliContext, *, tip: str | None, out: Path | None, open_: bool) -> None:
    """The letter as a reader would get it, with what is wrong with it; nothing is sent and nothing is written down."""
    from email import message_from_bytes
    from email.policy import default

    letter = context.app.issues.preview(tip)
    findings = context.app.issues.preflight(letter)
    page = context.app.issues.show(letter, findings) if open_ else None
    message = message_from_bytes(letter, policy=default)
    part = message.get_body(("plain",))
    text = "\n".join(str(part.get_content()).splitlines()) if part else ""
    if out:
        out.write_bytes(letter)
    headers = [(name, str(value)) for name, value in message.items()]
    document = {
        "subject": str(message["Subject"]),
        "headers": headers,
        "text": text,
        "bytes": len(letter),
        "out": str(out) if out else None,
        "page": str(page) if page else None,
        "checks": [{"id": f.id, "level": f.level, "message": f.message} for f in findings],
    }

    def draw(output: Output) -> None:
        from newsletter.cli.output import mark

        if out:
            output.line(f"{out} written, {len(letter):,} bytes. A mail program opens it.")
        if page:
            output.line(f"Open it in your browser: {page.as_uri()}")
        if not out and not page:
            output.facts(headers, title=str(message["Subject"]))
            output.line()
            output.line(text)
        output.table(["!", "!", " "], [(mark(f.level), f.id, f.message) for f in findings], empty="")

    context.report(document, draw)


@issues.command("test")
@click.option("--to", required=True, metavar="ADDRESS", help="Where the letter goes.")
@tip_option
@as_of
@dry_run
@click.pass_obj
def test(context: CliContext, *, to: str, tip: str | None, dry_run: bool) -> int:
    """Send the letter to one address, outside every count."""
    from newsletter.domain.delivery.outcome import Deferred, InDoubt, Rejected
    from newsletter.domain.subscribers.address import parse_address

    address = parse_address(to).text
    if dry_run:
        size = len(context.app.issues.preview(tip))
        document = {"to": address, "outcome": None, "bytes": size, "dry_run": True}
        context.report(document, lambda s: s.line(f"{size:,} bytes would go to {address}."))
        return 0
    outcome = context.app.issues.send_test(address, tip)
    words = {Rejected: "rejected", Deferred: "deferred", InDoubt: "in doubt"}.get(type(outcome), "sent")
    document = {"to": address, "outcome": words, "reply": str(outcome.reply), "dry_run": False}
    context.report(document, lambda output: output.line(f"{address}: {words}, {outcome.reply}"))
    return {"sent": 0, "rejected": 1}.get(words, TRY_LATER)


# -- sending ---------------------------------------------------------------------------------------


@issues.command("send")
@click.option("--now", is_flag=True, help="The coming slot's issue, early; that slot is then done.")
@click.option("--extra", is_flag=True, help="An issue outside the calendar, of the tip that --tip names.")
@click.option("--tip", metavar="KEY", help="The tip of an --extra issue.")
@as_of
@dry_run
@click.pass_obj
def send(context: CliContext, *, now: bool, extra: bool, tip: str | None, dry_run: bool) -> int:
    """What the daemon would do at this moment: send if a slot is due, else say when the next one is.

    Exit code 0 when every letter has its final state, 4 when some wait for later.
    """
    if extra != (tip is not None) or (extra and now):
        raise UsageError(
            "an issue outside the calendar needs its tip, and no slot", fix="Say --extra --tip KEY, or neither"
        )
    if dry_run:
        return _would_send(context, early=now, tip=tip)
    return send_and_report(
        context, lambda progress: context.app.issues.send(early=now, extra_tip=tip, progress=progress)
    )


def _would_send(context: CliContext, *, early: bool, tip: str | None) -> int:
    coming = context.app.issues.next()
    title = context.app.tips.title_today(tip) if tip else coming.tip.title if coming.tip else "no tip"
    would = bool(tip) or early or (coming.due_at <= context.clock() and not coming.waits)
    shares = None if tip else context.app.issues.next_shares()
    words = f"Would send “{title}” to {subscriber_count(shares.own if shares else coming.audience)}."
    words += f" {shares.words()}" if shares else ""
    document = {"issue": None, "dry_run": True, "would_send": would, "next": next_document(coming),
                "shares": substitutes_document(shares)}  # fmt: skip
    context.report(document, lambda output: output.line(words if would else next_issue_text(output, coming)))
    return 0


@issues.command("resume")
@click.argument("number", type=int, required=False)
@as_of
@click.pass_obj
def resume(context: CliContext, *, number: int | None) -> int:
    """Go on with an issue that was paused or interrupted: what can be sent now is sent."""
    return send_and_report(context, lambda progress: context.app.issues.resume(number, progress=progress))


# -- looking after ---------------------------------------------------------------------------------


@issues.command("list")
@click.pass_obj
def list_(context: CliContext) -> None:
    """Every issue, the newest first."""
    with context.app.store.read() as tx:
        found = tx.issues.each()

    def draw(output: Output) -> None:
        rows = [
            (i.number, output.day(i.slot) if i.slot else i.quarter or "extra", i.state.value, i.subject or i.tip_key, i.audience,
             i.counts.get("sent", 0), i.counts.get("deferred", 0) + i.counts.get("pending", 0))
            for i in found
        ]  # fmt: skip
        output.table(
            [">issue", "!slot", "!state", "subject", ">audience", ">sent", ">waiting"], rows,
            empty="No issue yet. What comes: newsletter issues next",
        )  # fmt: skip

    context.report({"issues": [issue_document(issue) for issue in found]}, draw)


@issues.command("status")
@click.argument("number", type=int, required=False)
@click.pass_obj
def status(context: CliContext, *, number: int | None) -> None:
    """One issue, the newest if none is named: how many letters are where."""
    _report(context, _issue(context, number))


def _issue(context: CliContext, number: int | None) -> IssueFacts:
    with context.app.store.read() as tx:
        if number is None and not tx.issues.last_number():
            raise NotFound("there is no issue yet", fix="What comes: newsletter issues next")
        return tx.issues.get(tx.issues.last_number() if number is None else number)


def _report(context: CliContext, issue: IssueFacts) -> None:
    context.report(issue_document(issue), lambda output: draw_issue(output, issue))


@issues.command("pause")
@click.argument("number", type=int)
@click.pass_obj
def pause(context: CliContext, *, number: int) -> None:
    """Stop sending an issue after the letters in flight; `resume` goes on."""
    _report(context, context.app.issues.pause(number))


@issues.command("cancel")
@click.argument("number", type=int)
@yes
@click.pass_obj
def cancel(context: CliContext, *, number: int, yes: bool) -> None:
    """Send nothing more of an issue, for good."""
    context.require_confirmation(f"Cancel issue {number}? Whoever has no letter yet gets none.", yes=yes)
    _report(context, context.app.issues.cancel(number))


@issues.command("retry-failed")
@click.argument("number", type=int)
@dry_run
@click.pass_obj
def retry_failed(context: CliContext, *, number: int, dry_run: bool) -> None:
    """Put letters that failed or are held back among those to be sent; `resume` or the daemon takes them."""
    _report(context, _issue(context, number) if dry_run else context.app.issues.retry_failed(number))


@issues.command("deliveries")
@click.argument("number", type=int)
@click.option("--state", type=click.Choice([state.value for state in State]), help="Only these.")
@all_
@click.pass_obj
def deliveries(context: CliContext, *, number: int, state: str | None, all_: bool) -> None:
    """Who got it, who did not, and what the next hop said."""
    with context.app.store.read() as tx:
        issue = tx.issues.get(number)
        found, several = tx.issues.deliveries(number, state), bool(issue.tips)

        def draw(output: Output) -> None:
            rows = (
                (
                    d.address,
                    *([d.tip] if several else []),
                    d.state,
                    d.attempts,
                    d.reason or d.reply,
                    d.next_attempt_at and output.when(d.next_attempt_at),
                )
                for d in found
            )
            heads = ["!address", *(["tip"] if several else []), "!state", ">attempts", "why", "!again"]
            of = issue.counts.get(state, 0) if state else sum(issue.counts.values())
            output.table(heads, rows, empty="No such delivery.", of=None if all_ else of)

        context.report({"issue": number, "deliveries": map(_delivery, found)}, draw)


def _delivery(found: DeliveryFacts) -> dict[str, object]:
    return {
        "address": found.address,
        "tip": found.tip,
        "state": found.state,
        "reason": found.reason,
        "attempts": found.attempts,
        "reply": found.reply,
        "next_attempt_at": iso(found.next_attempt_at),
    }
