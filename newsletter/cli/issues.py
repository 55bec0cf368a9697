"""`newsletter issues …`: preview, send, and control the weekly editions."""

from __future__ import annotations

from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import TYPE_CHECKING

import click

from newsletter.cli.context import CliContext, CommandGroup, all_, as_of, dry_run, yes
from newsletter.cli.issue_view import (
    FAILED,
    iso,
    issue_document,
    next_document,
    next_issue_text,
    queued_again,
    subscriber_count,
    substitutes_document,
)
from newsletter.cli.progress import report_issue, send_and_report
from newsletter.cli.which_list import issue_id
from newsletter.domain.delivery.delivery import State
from newsletter.domain.delivery.issue import how_to_fix
from newsletter.domain.delivery.outcome import Deferred, InDoubt, Rejected, Sent
from newsletter.domain.errors import UsageError
from newsletter.domain.lists import issue_name
from newsletter.domain.subscribers.address import parse_address
from newsletter.files import write_export

if TYPE_CHECKING:
    from collections.abc import Sequence

    from newsletter.actions.issues.errors import Finding
    from newsletter.actions.issues.preview import TestResult
    from newsletter.cli.output import Output
    from newsletter.domain.subscribers.subscriber import DeliveryFacts

TRY_LATER = 75
_RETRIED = (State.FAILED.value, State.HELD.value, State.REJECTED.value)


@click.group(cls=CommandGroup, of_a_list=True)
def issues() -> None:
    """Preview, send, and control issues, the weekly editions."""


tip_option = click.option("--tip", metavar="KEY", help="Use this tip instead of the next one.")


# -- before ----------------------------------------------------------------------------------------


@issues.command("next")
@as_of
@click.pass_obj
def next_(context: CliContext) -> None:
    """Show the next issue: its slot, its tip, and the size of its audience."""
    coming, shares = context.app.issues.next(), context.app.issues.next_shares()
    extra = context.app.calendar.next_extra()

    def draw(output: Output) -> None:
        tip = f"{coming.tip.title} ({coming.tip.key})" if coming.tip else "none"
        facts = [("slot", output.day(coming.slot)), ("due", output.when(coming.due_at)), ("tip", tip),
                 ("why", coming.reason), ("audience", coming.audience)]  # fmt: skip
        if shares:
            facts.append(("sent to", shares.words()))
        if coming.waits:
            facts.append(
                ("waiting", f"{coming.waits}: newsletter calendar approve {coming.slot}{context.app.rules.option}")
            )
        if extra and extra.at:
            facts.append(("before that", f"an extra issue, {output.when(extra.at)}: {extra.title} ({extra.tip})"))
        output.facts(facts, title="Due now" if coming.due_at <= context.clock() else "Next")
        if coming.tip is None:
            output.line(f"Import tips: newsletter tips import PATH…{context.app.rules.option}", "dim")

    context.report({**next_document(coming), "shares": substitutes_document(shares)}, draw)


@issues.command("preview")
@tip_option
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE.eml", help="Write the email to this file."
)
@click.option("--open", "open_", is_flag=True, help="Show HTML (light, dark, phone), text, and checks in the browser.")
@as_of
@click.pass_obj
def preview(context: CliContext, *, tip: str | None, out: Path | None, open_: bool) -> None:
    """Show the next issue as a subscriber will receive it, and check it. Nothing is sent or stored."""
    tip = context.tip_key(tip) if tip else None
    raw = context.app.preview.message(tip)
    findings = context.app.preview.check(raw)
    page = context.app.preview.open_page(raw) if open_ else None
    message = message_from_bytes(raw, policy=default)
    text, headers = _text_of(message), [(name, str(value)) for name, value in message.items()]
    if out:
        write_export(out, raw)
    document = {
        "subject": str(message["Subject"]),
        "headers": headers,
        "text": text,
        "bytes": len(raw),
        "out": str(out) if out else None,
        "page": str(page) if page else None,
        "checks": [{"id": f.id, "level": f.level, "message": f.message} for f in findings],
    }

    def draw(output: Output) -> None:
        if out:
            output.line(f"{out} written, {len(raw):,} bytes. Open it in an email program.")
        if page:
            output.line(f"Open it in your browser: {page.as_uri()}")
        if not out and not page:
            output.facts(headers, title=str(message["Subject"]))
            output.line()
            output.line(text)
        _draw_checks(output, findings)

    context.report(document, draw)


def _text_of(message: EmailMessage) -> str:
    part = message.get_body(("plain",))
    return "\n".join(str(part.get_content()).splitlines()) if part else ""


def _draw_checks(output: Output, findings: Sequence[Finding]) -> None:
    from newsletter.cli.output import mark  # noqa: PLC0415 - imports rich

    output.table(["!", "!", " "], [(mark(f.level), f.id, f.message) for f in findings], empty="")


@issues.command("test")
@click.option(
    "--to", "addresses", required=True, multiple=True, metavar="ADDRESS", help="Send it to this address; repeatable."
)
@tip_option
@as_of
@dry_run
@click.pass_obj
def test(context: CliContext, *, addresses: tuple[str, ...], tip: str | None, dry_run: bool) -> int:
    """Send the next issue as a test: what a subscriber would get, marked [Test]. It is not recorded, and its links do nothing."""
    wanted = tuple(dict.fromkeys(parse_address(address).text for address in addresses))
    tip = context.tip_key(tip) if tip else None
    if dry_run:
        size = len(context.app.preview.message(tip))
        document: dict[str, object] = {"to": wanted[0], "outcome": None, "bytes": size, "dry_run": True}
        document["tests"] = [{"to": address, "outcome": None} for address in wanted]
        to = ", ".join(wanted)
        context.report(document, lambda output: output.line(f"{size:,} bytes would be sent to {to}."))
        return 0
    tests = [_test_document(result) for result in context.app.preview.send_tests(wanted, tip)]

    def draw(output: Output) -> None:
        for one in tests:
            output.line(f"{one['to']}: {one['outcome']}, {one['reply']}")

    context.report({**tests[0], "dry_run": False, "tests": tests}, draw)
    outcomes = {one["outcome"] for one in tests}
    return 0 if outcomes == {"sent"} else 1 if "rejected" in outcomes else TRY_LATER


def _test_document(result: TestResult) -> dict[str, str]:
    words = {Sent: "sent", Rejected: "rejected", Deferred: "deferred", InDoubt: "in doubt"}
    outcome = result.outcome
    if outcome is None:
        return {"to": result.address, "outcome": "not sent", "reply": result.trouble}
    return {"to": result.address, "outcome": words[type(outcome)], "reply": str(outcome.reply)}


# -- sending ---------------------------------------------------------------------------------------


@issues.command("send")
@click.option("--now", is_flag=True, help="Send the next slot's issue early; it counts as that slot's issue.")
@click.option("--extra", is_flag=True, help="Send an issue outside the calendar; requires --tip.")
@click.option("--tip", metavar="KEY", help="The tip of an --extra issue.")
@click.option("--on", metavar="DATE", help='Send the --extra issue later, at a date and time such as "thu 10:00".')
@click.option("--anyway", is_flag=True, help="Send the issue even if its tip has errors.")
@as_of
@dry_run
@click.pass_obj
def send(
    context: CliContext, *, now: bool, extra: bool, tip: str | None, on: str | None, anyway: bool, dry_run: bool
) -> int:
    """Do what the daemon would do now: send the issue if a slot is due; otherwise, show when the next one is.

    A tip with errors is passed over, and the next one is sent; if it is the only one, the issue is held. The exit code is 0 if every delivery is final, 4 if some are still open, and 1
    if the issue is held.
    """
    if extra != (tip is not None) or (extra and now) or (on and not extra):
        raise UsageError(
            "--extra and --tip go together, and --now is for the next slot", fix="Pass --extra --tip KEY, or --now"
        )
    tip = context.tip_key(tip) if tip else None
    if tip and on:
        return _send_later(context, tip, on, dry_run=dry_run)
    if dry_run:
        return _would_send(context, early=now, tip=tip, anyway=anyway)
    return send_and_report(
        context, lambda progress: context.app.issues.send(early=now, extra_tip=tip, anyway=anyway, progress=progress)
    )


def _send_later(context: CliContext, tip: str, on: str, *, dry_run: bool) -> int:
    slot, at = context.app.calendar.parse_pin(on)
    title = context.app.tips.get(tip).card.title if dry_run else context.app.tips.pin(tip, slot, at)
    would = "would go out" if dry_run else "goes out"
    document = {"issue": None, "tip": tip, "dry_run": dry_run, "pinned_to": slot.isoformat(), "at": iso(at)}
    context.report(
        document, lambda output: output.line(f"“{title}” {would} on {output.when(at) if at else output.day(slot)}.")
    )
    return 0


def _would_send(context: CliContext, *, early: bool, tip: str | None, anyway: bool) -> int:
    context.app.issues.refuse_on_hold()
    coming = context.app.issues.next()
    rehearsal = None if anyway else context.app.issues.rehearse(tip)
    errors, passed_over = (rehearsal.errors, rehearsal.passed_over) if rehearsal else ((), {})
    key = tip or (rehearsal.choice.tip if rehearsal else coming.tip.key if coming.tip else None) or ""
    title = context.app.tips.title_today(key) if key else "no tip"
    is_due = bool(tip) or early or (coming.due_at <= context.clock() and (not coming.waits or anyway))
    would = is_due and not errors
    shares = None if tip else context.app.issues.next_shares()
    words = f"Would send “{title}” to {subscriber_count(shares.own if shares else coming.audience)}."
    words += f" {shares.words()}" if shares else ""
    document = {"issue": None, "dry_run": True, "would_send": would, "next": next_document(coming),
                "shares": substitutes_document(shares), "errors": list(errors), "tip": key or None, "passed_over": passed_over}  # fmt: skip
    extra = context.app.calendar.next_extra()

    def draw(output: Output) -> None:
        output.lines(f"{passed} is passed over: {why}." for passed, why in passed_over.items())
        if not errors:
            output.line(words if would else next_issue_text(output, coming, extra))
            return
        output.line(f"“{title}” would not be sent, because it has errors:", "red")
        for error in errors:
            output.line(f"✗ {error}.", "red")
        output.line(f"{how_to_fix(key, rehearsal.hold if rehearsal else '', context.app.rules.option)}.")

    context.report(document, draw)
    return FAILED if is_due and errors else 0


@issues.command("resume")
@click.argument("number", type=int, required=False)
@as_of
@click.pass_obj
def resume(context: CliContext, *, number: int | None) -> int:
    """Continue a paused or interrupted issue: send what can be sent now."""
    issue = None if number is None else issue_id(context, number)
    return send_and_report(context, lambda progress: context.app.issues.resume(issue, progress=progress))


# -- look and control ------------------------------------------------------------------------------


@issues.command("list")
@click.pass_obj
def list_(context: CliContext) -> None:
    """List every issue, newest first."""
    found = context.app.issues.list()

    def draw(output: Output) -> None:
        rows = [
            (i.shown if i.is_numbered else "–", output.day(i.slot) if i.slot else i.quarter or f"{output.day(i.day)} (extra)", i.state.value, i.subject or i.tip_key, i.audience,
             i.counts.get("sent", 0), i.counts.get("deferred", 0) + i.counts.get("pending", 0))
            for i in found
        ]  # fmt: skip
        output.table(
            [">issue", "!slot", "!state", "subject", ">audience", ">sent", ">waiting"], rows,
            empty=f"There is no issue yet. See what comes next: newsletter issues next{context.app.rules.option}",
        )  # fmt: skip

    documents = [{**issue_document(issue), "list": context.app.list_key} for issue in found]
    context.report({"issues": documents}, draw)


@issues.command("status")
@click.argument("number", type=int, required=False)
@click.pass_obj
def status(context: CliContext, *, number: int | None) -> None:
    """Show one issue and the number of deliveries in each state (default: the newest issue)."""
    report_issue(context, context.app.issues.get(None if number is None else issue_id(context, number)))


@issues.command("pause")
@click.argument("number", type=int)
@click.pass_obj
def pause(context: CliContext, *, number: int) -> None:
    """Pause an issue once the emails in flight are finished; `issues resume` continues it."""
    issue = issue_id(context, number)
    report_issue(context, context.app.issues.pause(issue))


@issues.command("cancel")
@click.argument("number", type=int)
@yes
@click.pass_obj
def cancel(context: CliContext, *, number: int, yes: bool) -> None:
    """Cancel an issue for good."""
    issue = issue_id(context, number)
    name = issue_name(issue, context.app.shown_key)
    context.require_confirmation(f"Cancel {name}? Subscribers who have not received it yet will not get it.", yes=yes)
    report_issue(context, context.app.issues.cancel(issue))


@issues.command("retry-failed")
@click.argument("number", type=int)
@click.option("--held", is_flag=True, help="Also send held emails again that may have arrived twice already.")
@dry_run
@click.pass_obj
def retry_failed(context: CliContext, *, number: int, held: bool, dry_run: bool) -> None:
    """Requeue what was not sent, but nothing to a suppressed address; `issues resume` or the daemon sends it.

    An email whose reply was lost twice is held, and stays so unless --held is passed: its subscriber may have two copies.
    """
    id_ = issue_id(context, number)
    issues_ = context.app.issues
    before = issues_.get(id_)
    after = issues_.retry_failed(id_, held=held, dry_run=dry_run)
    unsent = [sum(issue.counts.get(state, 0) for state in _RETRIED) for issue in (before, after)]
    queued = max(0, unsent[0] - unsent[1])  # the daemon may be sending
    report_issue(context, before if dry_run else after, notes=[queued_again(after, queued, dry_run=dry_run)])


@issues.command("deliveries")
@click.argument("number", type=int)
@click.option(
    "--state", type=click.Choice([state.value for state in State]), help="List only deliveries in this state."
)
@all_
@click.pass_obj
def deliveries(context: CliContext, *, number: int, state: str | None, all_: bool) -> None:
    """List the deliveries of an issue, with their states and the server's replies."""
    id_ = issue_id(context, number)
    with context.app.issues.deliveries(id_, state) as (issue, found):  # written row by row, never held in memory
        has_several = bool(issue.tips)

        def draw(output: Output) -> None:
            rows = (
                (
                    d.address,
                    *([d.tip] if has_several else []),
                    d.state,
                    d.attempts,
                    d.why,
                    d.next_attempt_at and output.when(d.next_attempt_at),
                )
                for d in found
            )
            heads = ["!address", *(["tip"] if has_several else []), "!state", ">attempts", "why", "!next attempt"]
            of = issue.counts.get(state, 0) if state else sum(issue.counts.values())
            output.table(heads, rows, empty="There are no such deliveries.", of=None if all_ else of)

        context.report({"issue": issue.shown, "deliveries": map(_delivery, found)}, draw)


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
