"""`newsletter calendar …`: show the weeks ahead, override single slots, and measure how long the library lasts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from newsletter.cli.context import CliContext, CommandGroup, as_of, common_options
from newsletter.cli.issue_view import iso
from newsletter.domain.calendar import forecast as forecasts
from newsletter.domain.english import people, plural, sentence
from newsletter.domain.errors import UsageError
from newsletter.files import write_export

if TYPE_CHECKING:
    from newsletter.actions.issues.quarterly import NextQuarterlyIssue
    from newsletter.cli.output import Output
    from newsletter.domain.calendar.course import CourseSimulation
    from newsletter.domain.calendar.forecast import ForecastSlot, Runway
    from newsletter.domain.calendar.simulation import Simulation

MAX_WEEKS = 520  # weeks: ten years


@click.group(cls=CommandGroup, of_a_list=True, invoke_without_command=True, params=common_options())
@click.option(
    "--weeks", type=click.IntRange(1, MAX_WEEKS), default=52, show_default=True, help="The number of weeks to show."
)
@click.option(
    "--ics", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write an iCalendar file instead."
)
@click.option(
    "--with",
    "changes",
    multiple=True,
    metavar="CHANGE",
    help='Show what a change would do, without making it: "skip 2026-12-29", "pin KEY 2026-12-22", "unpin KEY", "retire KEY", or "unseen KEY".',
)
@as_of
@click.pass_context
def calendar(ctx: click.Context, *, weeks: int, ics: Path | None, changes: Sequence[str]) -> None:
    """Show what goes out in the coming weeks, and why."""
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
    changed = forecasts.changes(before, lines)
    if changes:
        document["changes"] = [
            {"date": new.date.isoformat(), "before": old.tip, "after": new.tip} for old, new in changed
        ]

    def draw(output: Output) -> None:
        if ics:
            output.line(f"{ics} written, with {plural(len(lines), 'date')}. Open it with a calendar program.")
        elif changes:
            _draw_changes(output, changed)
        else:
            waits, option = context.app.calendar.waiting(lines), context.app.rules.option
            _draw(output, lines, waits, context.app.calendar.runway(), option)
            _draw_spread(output, lines)
            _draw_quarter(output, quarter)

    context.report(document, draw)


def _line(line: ForecastSlot) -> dict[str, object]:
    course = {"spread": [{"tip": tip, "subscribers": number} for tip, number in line.shares]} if line.shares else {}
    return {
        "date": line.date.isoformat(), "tip": line.tip, "title": line.title or None, "reason": line.reason,
        "kind": line.kind.value, "unseen": line.unseen, "starter": line.starter, "at": iso(line.at), **course,
    }  # fmt: skip


def _draw(output: Output, lines: Sequence[ForecastSlot], waits: Mapping[date, str], left: Runway, option: str) -> None:
    rows = [_row(output, line, waits) for line in lines]
    output.table(["!goes out on", "tip", "why this one"], rows, empty="No dates.")
    output.line()
    if warning := left.warning():  # of the whole library, however few weeks are shown
        output.line(f"{sentence(warning)}.", "yellow")
    output.line(
        "Move a tip up: newsletter tips move KEY --first · Pin it to a date: newsletter tips pin KEY --on DATE · "
        f"Skip a week: newsletter calendar skip DATE{option} · Explain a date: newsletter tips why DATE{option}",
        "dim",
    )


def _draw_spread(output: Output, lines: Sequence[ForecastSlot]) -> None:
    """Of a course: how many subscribers get which tip of its next issue."""
    first = next((line for line in lines if line.shares), None)
    if first is None:
        return
    output.line()
    rows = [(f"{number:,}", tip) for tip, number in first.shares]
    output.table([f"subscribers on {output.day(first.date)}", "!get"], rows, empty="")


def _row(output: Output, line: ForecastSlot, waits: Mapping[date, str]) -> tuple[str, str, str]:
    if line.at:
        return output.when(line.at), _title(line), line.reason
    why = waits.get(line.date)
    return output.day(line.date), _title(line), f"{line.reason}; {why}" if why else line.reason


def _title(line: ForecastSlot) -> str:
    return f"{line.title} (starter tip)" if line.starter else line.title or "–"


def _quarter(coming: NextQuarterlyIssue) -> dict[str, object]:
    return {
        "quarter": str(coming.quarter), "due_at": coming.due_at.isoformat(), "tip": coming.tip and coming.tip.key,
        "audience": coming.audience, "asked": coming.asked,
    }  # fmt: skip


def _draw_quarter(output: Output, coming: NextQuarterlyIssue) -> None:
    """Add a line about the quarterly issue, when anyone asked for it."""
    if not coming.asked:
        return
    tip = coming.tip
    what = (
        f"“{tip.title}” ({tip.useful} found it useful), if nothing changes"
        if tip
        else "nothing, because no tip has run"
    )
    who = f"{coming.audience} of the {people(coming.asked)} who asked for the best tip every three months"
    output.line(f"Quarterly issue on {output.when(coming.due_at)}, to {who}: {what}.")


def _draw_changes(output: Output, changed: Sequence[tuple[ForecastSlot, ForecastSlot]]) -> None:
    rows = [(output.day(new.date), _title(old), _title(new), new.reason) for old, new in changed]
    output.table(["!goes out on", "now", "with the change", "why"], rows, empty="Nothing would change.")
    output.line("This was a dry run. Nothing was changed.", "dim")


def _write_ics(context: CliContext, path: Path, lines: Sequence[ForecastSlot]) -> None:
    host = urlsplit(context.settings.base_url).hostname or "localhost"
    if key := context.app.shown_key:
        host = f"{key}.{host}"  # the same day is another event in each list
    text = forecasts.ics(lines, name=context.app.settings.title, domain=host, stamp=context.clock())
    write_export(path, text.encode())


# -- overrides ---------------------------------------------------------------------------------------

day = click.argument("day", metavar="DATE")
reason_option = click.option("--reason", default="", metavar="TEXT", help="The reason; the calendar shows it.")


def _slot(context: CliContext, text: str) -> date:
    return context.app.calendar.parse_slot(text)


def _report_change(context: CliContext, slot: date, words: str) -> None:
    """Report what was changed, and what goes out around that date now. words: with {day} in place of the date."""
    near = context.app.calendar.neighbors(slot)
    waits = context.app.calendar.waiting(near)

    def draw(output: Output) -> None:
        output.line(words.replace("{day}", output.day(slot)))
        output.table(
            ["!goes out on", "tip", "why this one"],
            [_row(output, line, waits) for line in near],
            empty="",
        )

    context.report({"date": slot.isoformat(), "slots": [_line(line) for line in near]}, draw)


@calendar.command("skip")
@day
@reason_option
@as_of
@click.pass_obj
def skip(context: CliContext, *, day: str, reason: str) -> None:
    """Send no issue on that date; the tip planned for it goes out a week later."""
    slot = _slot(context, day)
    context.app.calendar.skip(slot, reason)
    _report_change(
        context,
        slot,
        f"No issue will be sent on {{day}}. To undo this, run: newsletter calendar unskip {slot}{context.app.rules.option}",
    )


@calendar.command("unskip")
@day
@as_of
@click.pass_obj
def unskip(context: CliContext, *, day: str) -> None:
    """Remove the override of that date: skip, hold, or approval."""
    slot = _slot(context, day)
    had_one = context.app.calendar.clear_override(slot)
    words = "The override of {day} was removed." if had_one else "There was no override of {day}."
    _report_change(context, slot, words)


@calendar.command("hold")
@day
@reason_option
@as_of
@click.pass_obj
def hold(context: CliContext, *, day: str, reason: str) -> None:
    """Hold the issue for that date until you approve it. If you approve it too late, it is not sent."""
    slot = _slot(context, day)
    context.app.calendar.hold(slot, reason)
    words = f"The issue for {{day}} is on hold. To approve it, run: newsletter calendar approve {slot}{context.app.rules.option}"
    _report_change(context, slot, words)


@calendar.command("approve")
@day
@as_of
@click.pass_obj
def approve(context: CliContext, *, day: str) -> None:
    """Approve what is planned for that date, even if it was skipped or on hold."""
    slot = _slot(context, day)
    key = context.app.calendar.approve(slot)
    _report_change(context, slot, f"{key} is approved for {{day}}.")


# -- how long the library lasts ----------------------------------------------------------------------


@calendar.command("runway")
@as_of
@click.pass_obj
def runway(context: CliContext) -> None:
    """Show how many weeks the fresh tips last, and what comes after them."""
    left = context.app.calendar.runway()
    document = {
        "fresh_weeks": left.fresh_weeks,
        "fresh_until": iso(left.fresh_until),
        "with_reruns": MAX_WEEKS if left.with_reruns is None else left.with_reruns,
        "runs_dry": left.with_reruns is not None,
        "warning": left.warning(),
    }

    def draw(output: Output) -> None:
        if context.app.calendar.is_course():
            output.line("A course does not run out: new subscribers begin with its first tip.")
            return
        until = f", until {output.day(left.fresh_until)}" if left.fresh_until else ""
        total = (
            "ten years or more"
            if left.with_reruns is None
            else f"{plural(left.with_reruns, 'week')}; then nothing is left"
        )
        output.facts([("fresh tips last", f"{plural(left.fresh_weeks, 'week')}{until}"), ("with reruns", total)])
        if warning := left.warning():
            output.line(f"{sentence(warning)}.", "yellow")

    context.report(document, draw)


@calendar.command("simulate")
@click.option(
    "--years", type=click.IntRange(1, 50), default=10, show_default=True, help="The number of years to simulate."
)
@click.option(
    "--readers",
    "subscribers",
    type=click.IntRange(0, 5_000),
    default=500,
    show_default=True,
    help="The number of subscribers.",
)
@click.option(
    "--churn",
    default="20%",
    show_default=True,
    metavar="PERCENT",
    help="The percentage of subscribers who unsubscribe in a year and are replaced.",
)
@click.option(
    "--seed", type=int, default=1, show_default=True, help="The random seed; the same seed gives the same result."
)
@as_of
@click.pass_obj
def simulate(context: CliContext, *, years: int, subscribers: int, churn: str, seed: int) -> None:
    """Simulate years of this calendar, and count empty weeks, gaps, and tips that subscribers receive twice.

    Substitutes for tips that run again only for subscribers who have not received them are not simulated.
    """
    share = _share(churn)
    course = context.app.calendar.simulate_course(years=years, subscribers=subscribers, churn=share, seed=seed)
    if course:
        _report_course(context, course, years)
        return
    played = context.app.calendar.simulate(years=years, subscribers=subscribers, churn=share, seed=seed)
    document = {
        "years": years, "slots": played.slots, "issues": played.issues, "skipped": played.skipped,
        "empty": [slot.isoformat() for slot in played.empty], "longest_gap_days": played.longest_gap.days,
        "reruns_begin": iso(played.reruns_begin),
        "kinds": {kind.value: count for kind, count in played.kinds.items()}, "readers": played.subscribers,
        "readers_with_repeats": played.subscribers_with_repeats, "repeats": played.repeats,
        "most_repeats": played.most_repeats,
        "soonest_repeat_days": played.soonest_repeat.days if played.soonest_repeat else None, "unseen": played.unseen,
    }  # fmt: skip
    unit = "week" if context.app.schedule.days.slots_per_week == 1 else "date"
    context.report(document, lambda output: _draw_simulation(output, played, years, unit))


def _report_course(context: CliContext, played: CourseSimulation, years: int) -> None:
    document = {"years": years, **asdict(played)}
    places = ", ".join(f"{number} at {tip}" for tip, number in played.places.items())
    facts = [
        ("issues", f"{played.emails:,} emails in {plural(played.slots, 'issue')}"),
        (
            "subscribers",
            f"{played.subscribers:,}: {played.finished:,} finished, {played.unsubscribed:,} unsubscribed before",
        ),
        (
            "busiest issue",
            f"{plural(played.busiest, 'subscriber')}, at most {plural(played.most_tips, 'tip')} in one issue",
        ),
        ("in it at the end", places or "nobody"),
    ]
    context.report(document, lambda output: output.facts(facts, title=f"{plural(years, 'year')} of this course"))


def _share(text: str) -> float:
    try:
        share = float(text.strip().removesuffix("%")) / 100
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise UsageError(f"{text!r} is not a percentage of subscribers", fix="Write it as 20%")
    return share


def _draw_simulation(output: Output, played: Simulation, years: int, unit: str) -> None:
    empty = f"{len(played.empty)}, the first on {output.day(played.empty[0])}" if played.empty else "none"
    kinds = ", ".join(f"{count} {kind}" for kind, count in played.kinds.items() if kind not in ("skipped", "none"))
    repeats = (
        f"{played.subscribers_with_repeats:,} of {played.subscribers:,} subscribers got repeats, up to {played.most_repeats} each"
        if played.repeats
        else "no subscriber gets a tip twice"
    )
    soonest = f"; the soonest after {plural(played.soonest_repeat.days, 'day')}" if played.soonest_repeat else ""
    facts = [
        ("issues", f"{played.issues:,} in {plural(played.slots, unit)}: {kinds}"),
        (f"empty {unit}s", empty),
        ("skipped by you", played.skipped),
        ("longest gap", plural(played.longest_gap.days, "day")),
        ("first rerun", output.day(played.reruns_begin) if played.reruns_begin else "none"),
        ("repeats", repeats + soonest),
    ]
    if played.unseen:
        what = f"{plural(played.unseen, 'issue')} only for subscribers who had not received the tip; substitutes are not simulated"
        facts.append(("not for everyone", what))
    output.facts(facts, title=f"{plural(years, 'year')} of this calendar")
    if played.empty:
        advice = f"To fill the empty {unit}s, add tips, or write fallback: true in the front matter of your best tips."
        output.line(advice, "yellow")
