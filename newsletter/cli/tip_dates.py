"""The commands of `newsletter tips …` that depend on the date: pin, unpin, rerun, why, and lint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from newsletter.cli.context import CliContext, Subcommand, as_of
from newsletter.cli.issue_view import iso, substitutes_document
from newsletter.cli.progress import progress
from newsletter.cli.which_list import tips_by_list
from newsletter.domain.english import ended, plural

if TYPE_CHECKING:
    from newsletter.actions.calendar.why import WhyDate
    from newsletter.actions.tips.lint import LintResult
    from newsletter.actions.tips.why import WhyTip
    from newsletter.cli.output import Output

HAS_ERRORS = 1
MARKS = {"fault": "error", "warning": "warning", "note": "hint"}
key_argument = click.argument("key")


@click.command(cls=Subcommand)
@key_argument
@click.option(
    "--on",
    required=True,
    metavar="DATE",
    help='The date of the issue, such as "December 22", or a date and a time, such as "thu 10:00", for an extra issue.',
)
@as_of
@click.pass_obj
def pin(context: CliContext, *, key: str, on: str) -> None:
    """Pin a tip to a date; it is sent on that date before every other tip. With a time, it is sent in an extra issue."""
    key = context.tip_key(key)
    slot, at = context.app.calendar.parse_pin(on)
    title = context.app.tips.pin(key, slot, at)
    document = {"key": key, "title": title, "pinned_to": slot.isoformat(), "at": iso(at)}

    def draw(output: Output) -> None:
        if at is None:
            output.line(f"“{title}” goes out on {output.day(slot)}.")
        else:
            output.line(f"“{title}” goes out on {output.when(at)}, in an extra issue.")

    context.report(document, draw)


@click.command(cls=Subcommand)
@key_argument
@as_of
@click.pass_obj
def unpin(context: CliContext, *, key: str) -> None:
    """Unpin a tip, so that it returns to its place in the queue."""
    key = context.tip_key(key)
    title, was_pinned = context.app.tips.unpin(key)
    line = context.app.tips.why(key).line
    when = line.date.isoformat() if line else None

    def draw(output: Output) -> None:
        then = f"; it goes out on {output.day(line.date)}" if line else ""
        output.line(f"“{title}” {'is no longer pinned' if was_pinned else 'was not pinned'}{then}.")

    context.report({"key": key, "title": title, "pinned_to": None, "date": when}, draw)


@click.command(cls=Subcommand)
@key_argument
@click.argument("rule", required=False)
@click.option(
    "--unseen/--everybody",
    default=None,
    help="Send reruns only to subscribers who have not received the tip, or to everybody.",
)
@as_of
@click.pass_obj
def rerun(context: CliContext, *, key: str, rule: str | None, unseen: bool | None) -> None:
    """Set when a tip may run again, such as "never" or "after 2 years, at most 3 runs". Without RULE, show the rule."""
    key = context.tip_key(key)
    words = context.app.tips.rerun(key, rule, unseen=unseen)
    line = context.app.tips.why(key).line
    own = words or "as NEWSLETTER_RERUN_AFTER and NEWSLETTER_RERUN_TO say"
    document = {"key": key, "rerun": words, "date": line.date.isoformat() if line else None}

    def draw(output: Output) -> None:
        facts = [("runs again", own), ("goes out on", output.day(line.date) if line else "not within ten years")]
        output.facts([*facts, *([("why then", line.reason)] if line else [])], title=key)

    context.report(document, draw)


# -- why -------------------------------------------------------------------------------------------


@click.command(cls=Subcommand)
@click.argument("what", metavar="KEY|DATE")
@click.option("--on", metavar="DATE", help="Explain why a tip is not sent on this date (default: the next issue).")
@as_of
@click.pass_obj
def why(context: CliContext, *, what: str, on: str | None) -> None:
    """Explain when a tip goes out, or which tip goes out on a date, and why."""
    key = context.app.tips.find_key(what)
    if key:
        context.tip_key(key)
    calendar, tips = context.app.calendar, context.app.tips
    if key is None and calendar.is_date(what):
        if extra := calendar.extra_on(what):
            _report_tip(context, tips.why(extra), asked=False)
            return
        _report_date(context, calendar.why(calendar.parse_slot(what)))
    else:
        _report_tip(context, tips.why(key or what, calendar.parse_slot(on) if on else None), asked=bool(on))


def _report_date(context: CliContext, found: WhyDate) -> None:
    line = found.line
    document = {
        "date": line.date.isoformat(), "tip": line.tip, "title": line.title or None, "reason": line.reason,
        "because": found.because, "shares": substitutes_document(found.shares),
    }  # fmt: skip

    def draw(output: Output) -> None:
        tip = f"“{line.title}” ({line.tip})" if line.tip else "nothing"
        facts = [("goes out", tip), ("why", line.reason), ("", found.because)]
        if found.shares:
            facts.append(("sent to", found.shares.words()))
        output.facts(facts, title=output.day(line.date))

    context.report(document, draw)


def _report_tip(context: CliContext, found: WhyTip, *, asked: bool) -> None:
    line = found.line
    document = {
        "key": found.key, "title": found.title, "date": line.date.isoformat() if line else None,
        "reason": line.reason if line else None, "asked_for": found.next_slot.isoformat(), "why_not": found.why_not,
        "runs": [day.isoformat() for day in found.runs],
    }  # fmt: skip

    def draw(output: Output) -> None:
        when = "not within ten years"
        if line:
            when = output.when(line.at) if line.at else output.day(line.date)
        facts = [("goes out on", when), *([("why then", line.reason)] if line else [])]
        if found.why_not and (asked or not line or line.date != found.next_slot):
            facts.append((f"why not on {output.day(found.next_slot)}", found.why_not))
        facts.append(("ran before", ", ".join(output.day(day) for day in found.runs) or "never"))
        output.facts(facts, title=found.title)

    context.report(document, draw)


# -- lint ------------------------------------------------------------------------------------------


@click.command(cls=Subcommand)
@click.argument("keys", nargs=-1, metavar="[KEY…]")
@click.option("--links", is_flag=True, help="Also check whether every link still works.")
@as_of
@click.pass_obj
def lint(context: CliContext, *, keys: Sequence[str], links: bool) -> int:
    """Find text that will sound dated in two years or may hurt delivery. Exit code 1: a tip must not be sent as is."""
    groups = tips_by_list(context, keys) if keys else [(context.app, [])]
    linted = [one for app, of_list in groups for one in app.tips.lint(of_list)]
    if links:
        with progress("checking links") as show:
            dead = {tip.key: tip.findings for app, of_list in groups for tip in app.tips.lint_links(of_list, show)}
        linted = [replace(tip, findings=(*tip.findings, *dead.get(tip.key, ()))) for tip in linted]
    document = {
        "tips": [
            {"key": tip.key, "title": tip.title, "findings": [
                {"part": f.part, "line": f.line, "excerpt": f.excerpt, "rule": f.rule, "level": f.level.value,
                 "reason": f.reason, "suggestion": f.suggestion}
                for f in tip.findings
            ]}
            for tip in linted
        ]
    }  # fmt: skip
    context.report(document, lambda output: _draw_findings(output, linted))
    return HAS_ERRORS if any(f.level.value == "fault" for tip in linted for f in tip.findings) else 0


def _draw_findings(output: Output, linted: Sequence[LintResult]) -> None:
    from newsletter.cli.output import mark  # noqa: PLC0415 - imports rich

    for tip in (tip for tip in linted if tip.findings):
        output.line(f"{tip.title} ({tip.key})", "bold")
        rows = [
            (mark(MARKS[f.level.value]), f"{f.part} {f.line}", f"{f.excerpt}\n{f.reason}. {ended(f.suggestion)}")
            for f in tip.findings
        ]
        output.table(["!", "!", " "], rows, empty="")
        output.line()
    good = sum(not tip.findings for tip in linted)
    output.line(f"{good} of {plural(len(linted), 'tip')} {'has' if good == 1 else 'have'} nothing to fix.", "dim")
