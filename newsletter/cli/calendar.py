"""`newsletter calendar …`: the weeks ahead, what the owner wants of them, and how long the library lasts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from newsletter.cli.context import CliContext, CommandGroup, as_of, common_options
from newsletter.cli.issue_view import iso
from newsletter.domain.english import plural, sentence
from newsletter.domain.errors import UsageError

if TYPE_CHECKING:
    from newsletter.actions.issues.quarterly import NextQuarterlyIssue
    from newsletter.cli.output import Output
    from newsletter.domain.calendar.forecast import ForecastSlot, Runway
    from newsletter.domain.calendar.simulation import Simulation

MAX_WEEKS = 520  # weeks: ten years


@click.group(cls=CommandGroup, invoke_without_command=True, params=common_options())
@click.option("--weeks", type=click.IntRange(1, MAX_WEEKS), default=52, show_default=True, help="How far.")
@click.option(
    "--ics", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write it for a calendar program."
)
@click.option(
    "--with",
    "changes",
    multiple=True,
    metavar="CHANGE",
    help='Only see what would change: "skip 2026-12-29", "pin KEY 2026-12-22", "unpin KEY", "retire KEY", "unseen KEY".',
)
@as_of
@click.pass_context
def calendar(ctx: click.Context, *, weeks: int, ics: Path | None, changes: Sequence[str]) -> None:
    """What goes out in the coming weeks, and why: what the daemon will do, if nothing is changed."""
    context: CliContext = ctx.obj
    if ctx.invoked_subcommand:
        return
    lines = context.app.calendar.forecast(weeks, changes)
    before = context.app.calendar.forecast(weeks) if changes else lines
    if ics:
        _write_ics(context, ics, lines)
    document: dict[str, object] = {"slots": [_line(line) for line in lines]}
    quarter = context.app.issues.next_quarterly()
    if quarter.asked:
        document["quarter"] = _quarter(quarter)
    if changes:
        document["changes"] = [
            {"date": new.date.isoformat(), "before": old.tip, "after": new.tip} for old, new in _changed(before, lines)
        ]

    def draw(output: Output) -> None:
        if ics:
            output.line(f"{ics} written, {len(lines)} dates. A calendar program opens it.")
        elif changes:
            _draw_changes(output, _changed(before, lines))
        else:
            _draw(output, lines, context.app.calendar.runway())
            _draw_quarter(output, quarter)

    context.report(document, draw)


def _line(line: ForecastSlot) -> dict[str, object]:
    return {
        "date": line.date.isoformat(), "tip": line.tip, "title": line.title or None, "reason": line.reason,
        "kind": line.kind.value, "unseen": line.unseen,
    }  # fmt: skip


def _draw(output: Output, lines: Sequence[ForecastSlot], left: Runway) -> None:
    rows = [(output.day(line.date), line.title or "–", line.reason) for line in lines]
    output.table(["!goes out on", "tip", "why this one"], rows, empty="No slot.")
    output.line()
    if warning := left.warning():  # of the whole library, however few weeks are shown
        output.line(f"{sentence(warning)}.", "yellow")
    output.line(
        "Another order: newsletter tips move KEY --first · A date for a tip: newsletter tips pin KEY --on DATE · "
        "A week off: newsletter calendar skip DATE · Why: newsletter tips why DATE",
        "dim",
    )


def _quarter(coming: NextQuarterlyIssue) -> dict[str, object]:
    return {
        "quarter": str(coming.quarter), "due_at": coming.due_at.isoformat(), "tip": coming.tip and coming.tip.key,
        "audience": coming.audience, "asked": coming.asked,
    }  # fmt: skip


def _draw_quarter(output: Output, coming: NextQuarterlyIssue) -> None:
    """The line about those who left and want one tip every three months, when there are any."""
    if not coming.asked:
        return
    tip = coming.tip
    what = f"“{tip.title}” ({tip.useful} found it useful), if nothing changes" if tip else "nothing: no tip has run"
    who = f"{coming.audience} of the {coming.asked} who left and asked for one best tip every three months"
    output.line(f"{output.when(coming.due_at)}, to {who}: {what}.")


def _changed(before: Sequence[ForecastSlot], after: Sequence[ForecastSlot]) -> list[tuple[ForecastSlot, ForecastSlot]]:
    from newsletter.domain.calendar.forecast import changes

    return changes(before, after)


def _draw_changes(output: Output, changed: Sequence[tuple[ForecastSlot, ForecastSlot]]) -> None:
    rows = [(output.day(new.date), old.title or "–", new.title or "–", new.reason) for old, new in changed]
    output.table(["!goes out on", "now", "then", "why"], rows, empty="Nothing would change.")
    output.line("This is only what would be; nothing was changed.", "dim")


def _write_ics(context: CliContext, path: Path, lines: Sequence[ForecastSlot]) -> None:
    from newsletter.domain.calendar.forecast import ics

    host = urlsplit(context.settings.base_url).hostname or "localhost"
    text = ics(lines, name=context.settings.title, domain=host, stamp=context.clock())
    path.write_text(text, encoding="utf-8", newline="")


# -- the owner's word --------------------------------------------------------------------------------

day = click.argument("day", metavar="DATE")
reason_option = click.option("--reason", default="", metavar="TEXT", help="Why; it stands in the calendar.")


def _slot(context: CliContext, text: str) -> date:
    return context.app.calendar.parse_slot(text)


def _report_change(context: CliContext, slot: date, words: str) -> None:
    """Report what was said, and what goes out around that date now."""
    weeks = min(max((slot - context.clock().date()).days // 7 + 3, 1), MAX_WEEKS)
    near = [line for line in context.app.calendar.forecast(weeks) if abs((line.date - slot).days) <= 7]

    def draw(output: Output) -> None:
        output.line(words)
        output.table(
            ["!goes out on", "tip", "why this one"],
            [(output.day(line.date), line.title or "–", line.reason) for line in near],
            empty="",
        )

    context.report({"date": slot.isoformat(), "slots": [_line(line) for line in near]}, draw)


@calendar.command("skip")
@day
@reason_option
@as_of
@click.pass_obj
def skip(context: CliContext, *, day: str, reason: str) -> None:
    """No issue on that date; the tip that would have gone comes a week later."""
    slot = _slot(context, day)
    context.app.calendar.skip(slot, reason)
    _report_change(
        context, slot, f"No issue goes out on {slot}. To change your mind: newsletter calendar unskip {slot}"
    )


@calendar.command("unskip")
@day
@as_of
@click.pass_obj
def unskip(context: CliContext, *, day: str) -> None:
    """Take back what was said of that date: skipped, held back or approved."""
    slot = _slot(context, day)
    said = context.app.calendar.unskip(slot)
    _report_change(context, slot, f"{slot} is like any other date again." if said else f"Nothing was said of {slot}.")


@calendar.command("hold")
@day
@reason_option
@as_of
@click.pass_obj
def hold(context: CliContext, *, day: str, reason: str) -> None:
    """Hold the issue of that date back until it is approved; too late, and it is missed."""
    slot = _slot(context, day)
    context.app.calendar.hold(slot, reason)
    _report_change(context, slot, f"The issue of {slot} is held back until you say: newsletter calendar approve {slot}")


@calendar.command("approve")
@day
@as_of
@click.pass_obj
def approve(context: CliContext, *, day: str) -> None:
    """What is planned for that date may go, also if it was held back or skipped."""
    slot = _slot(context, day)
    key = context.app.calendar.approve(slot)
    _report_change(context, slot, f"{key} may go out on {slot}.")


# -- how long it lasts -------------------------------------------------------------------------------


@calendar.command("runway")
@as_of
@click.pass_obj
def runway(context: CliContext) -> None:
    """For how many weeks there are tips that never ran, and what comes after them."""
    left = context.app.calendar.runway()
    document = {
        "fresh_weeks": left.fresh_weeks,
        "fresh_until": iso(left.fresh_until),
        "with_reruns": MAX_WEEKS if left.with_reruns is None else left.with_reruns,
        "runs_dry": left.with_reruns is not None,
        "warning": left.warning(),
    }

    def draw(output: Output) -> None:
        until = f", until {output.day(left.fresh_until)}" if left.fresh_until else ""
        dry = "ten years and more" if left.with_reruns is None else f"{left.with_reruns} weeks, then nothing is left"
        output.facts([("fresh tips for", f"{left.fresh_weeks} weeks{until}"), ("with tips that run again for", dry)])
        if warning := left.warning():
            output.line(f"{sentence(warning)}.", "yellow")

    context.report(document, draw)


@calendar.command("simulate")
@click.option("--years", type=click.IntRange(1, 50), default=10, show_default=True, help="How many are played.")
@click.option(
    "--readers", type=click.IntRange(0, 5_000), default=500, show_default=True, help="How many there always are."
)
@click.option(
    "--churn",
    default="20%",
    show_default=True,
    metavar="PERCENT",
    help="How many of them leave in a year; others come.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Another number draws other lots.")
@as_of
@click.pass_obj
def simulate(context: CliContext, *, years: int, readers: int, churn: str, seed: int) -> None:
    """Play years of this calendar in a moment: empty weeks, gaps, and what a reader gets twice.

    Where a tip runs again only for readers who have not had it, what the others get in its place is not played.
    """
    share = _share(churn)
    played = context.app.calendar.simulate(years=years, readers=readers, churn=share, seed=seed)
    document = {
        "years": years, "slots": played.slots, "issues": played.issues, "skipped": played.skipped,
        "empty": [slot.isoformat() for slot in played.empty], "longest_gap_days": played.longest_gap.days,
        "reruns_begin": iso(played.reruns_begin),
        "kinds": {kind.value: count for kind, count in played.kinds.items()}, "readers": played.readers,
        "readers_with_repeats": played.readers_with_repeats, "repeats": played.repeats,
        "most_repeats": played.most_repeats,
        "soonest_repeat_days": played.soonest_repeat.days if played.soonest_repeat else None, "unseen": played.unseen,
    }  # fmt: skip
    context.report(document, lambda output: _draw_simulation(output, played, years))


def _share(text: str) -> float:
    try:
        share = float(text.strip().removesuffix("%")) / 100
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise UsageError(f"{text!r} is not a share of readers", fix="Write it as 20%")
    return share


def _draw_simulation(output: Output, played: Simulation, years: int) -> None:
    empty = f"{len(played.empty)}, the first on {output.day(played.empty[0])}" if played.empty else "none"
    kinds = ", ".join(f"{count} {kind}" for kind, count in played.kinds.items() if kind not in ("skipped", "none"))
    repeats = (
        f"{played.readers_with_repeats:,} of {played.readers:,} readers got a tip again, {played.most_repeats} at most"
        if played.repeats
        else "nobody gets a tip twice"
    )
    soonest = f"; after {played.soonest_repeat.days} days at the soonest" if played.soonest_repeat else ""
    facts = [
        ("issues", f"{played.issues:,} in {played.slots:,} weeks: {kinds}"),
        ("empty weeks", empty),
        ("skipped by you", played.skipped),
        ("longest gap", f"{played.longest_gap.days} days"),
        ("first re-run", output.day(played.reruns_begin) if played.reruns_begin else "none"),
        ("repeats", repeats + soonest),
    ]
    if played.unseen:
        what = f"{plural(played.unseen, 'issue')}, for who has not had the tip; what the others get is not played"
        facts.append(("not for all", what))
    output.facts(facts, title=f"{plural(years, 'year')} of this calendar")
    if played.empty:
        advice = "To leave no week empty: more tips, or fallback: true in the front matter of your best ones."
        output.line(advice, "yellow")
