"""The verbs of `newsletter tips …` that look at the calendar or at age: pin, unpin, lint, why; `tips` takes them in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from newsletter.cli.context import Door, Verb, as_of
from newsletter.cli.issue_view import shares_document
from newsletter.cli.progress import progress

if TYPE_CHECKING:
    from newsletter.actions.calendar.explain import Linted, WhyDate, WhyTip
    from newsletter.cli.output import Screen

FAULTY = 1
MARKS = {"fault": "error", "warning": "warning", "note": "hint"}
key_argument = click.argument("key")


@click.command(cls=Verb)
@key_argument
@click.option("--on", required=True, metavar="DATE", help="The day, as in 2026-12-22.")
@as_of
@click.pass_obj
def pin(door: Door, *, key: str, on: str) -> None:
    """Give a tip its date, whatever else would be its turn."""
    slot = door.app.parse_slot(on)
    title = door.app.pin_tip(key, slot)
    document = {"key": key, "title": title, "pinned_to": slot.isoformat()}
    door.report(document, lambda screen: screen.line(f"“{title}” goes out on {screen.day(slot)}."))


@click.command(cls=Verb)
@key_argument
@as_of
@click.pass_obj
def unpin(door: Door, *, key: str) -> None:
    """Take the date away; the tip is back in the order of the queue."""
    title = door.app.unpin_tip(key)
    line = door.app.why_tip(key).line
    when = line.date.isoformat() if line else None

    def draw(screen: Screen) -> None:
        then = f"; it goes out on {screen.day(line.date)}" if line else ""
        screen.line(f"“{title}” has no date of its own any more{then}.")

    door.report({"key": key, "title": title, "pinned_to": None, "date": when}, draw)


@click.command(cls=Verb)
@key_argument
@click.argument("rule", required=False)
@click.option("--unseen/--everybody", default=None, help="Again only for readers who have not had it; or for all.")
@as_of
@click.pass_obj
def rerun(door: Door, *, key: str, rule: str | None, unseen: bool | None) -> None:
    """When a tip may run again, and for whom: "never", "after 2 years, at most 3 runs", --unseen. Alone: shows it."""
    words = door.app.rerun_tip(key, rule, unseen=unseen)
    line = door.app.why_tip(key).line
    own = words or "like every other tip: NEWSLETTER_RERUN_AFTER and NEWSLETTER_RERUN_TO say"
    document = {"key": key, "rerun": words, "date": line.date.isoformat() if line else None}

    def draw(screen: Screen) -> None:
        facts = [("runs again", own), ("goes out on", screen.day(line.date) if line else "not within ten years")]
        screen.facts([*facts, *([("why then", line.reason)] if line else [])], title=key)

    door.report(document, draw)


# -- why -------------------------------------------------------------------------------------------


@click.command(cls=Verb)
@click.argument("what", metavar="KEY|DATE")
@click.option("--on", metavar="DATE", help="Of a tip: why not on that date? Else the next is meant.")
@as_of
@click.pass_obj
def why(door: Door, *, what: str, on: str | None) -> None:
    """Why this tip goes out when it does, or why that date has the tip it has."""
    if re.fullmatch(r"\d{4}-\d\d?-\d\d?", what):
        _report_date(door, door.app.why_date(door.app.parse_slot(what)))
    else:
        _report_tip(door, door.app.why_tip(what, door.app.parse_slot(on) if on else None), asked=bool(on))


def _report_date(door: Door, found: WhyDate) -> None:
    line = found.line
    document = {
        "date": line.date.isoformat(), "tip": line.tip, "title": line.title or None, "reason": line.reason,
        "because": found.because, "shares": shares_document(found.shares),
    }  # fmt: skip

    def draw(screen: Screen) -> None:
        tip = f"“{line.title}” ({line.tip})" if line.tip else "nothing"
        facts = [("goes out", tip), ("why", line.reason), ("", found.because)]
        if found.shares:
            facts.append(("to whom", found.shares.words()))
        screen.facts(facts, title=screen.day(line.date))

    door.report(document, draw)


def _report_tip(door: Door, found: WhyTip, *, asked: bool) -> None:
    line = found.line
    document = {
        "key": found.key, "title": found.title, "date": line.date.isoformat() if line else None,
        "reason": line.reason if line else None, "asked_for": found.next_slot.isoformat(), "why_not": found.why_not,
        "runs": [day.isoformat() for day in found.runs],
    }  # fmt: skip

    def draw(screen: Screen) -> None:
        when = screen.day(line.date) if line else "not within ten years"
        facts = [("goes out on", when), *([("why then", line.reason)] if line else [])]
        if found.why_not and (asked or not line or line.date != found.next_slot):
            facts.append((f"why not on {screen.day(found.next_slot)}", found.why_not))
        facts.append(("ran before", ", ".join(screen.day(day) for day in found.runs) or "never"))
        screen.facts(facts, title=found.title)

    door.report(document, draw)


# -- lint ------------------------------------------------------------------------------------------


@click.command(cls=Verb)
@click.argument("keys", nargs=-1, metavar="[KEY…]")
@click.option("--links", is_flag=True, help="Also ask every link on the web whether it is still there.")
@as_of
@click.pass_obj
def lint(door: Door, *, keys: Sequence[str], links: bool) -> int:
    """What in a tip will read wrong in two years, or will not mail well. Exit code 1 for what must not go out as it is."""
    linted = door.app.lint_tips(keys)
    if links:
        with progress("asking") as show:
            dead = {tip.key: tip.findings for tip in door.app.lint_links(keys, show)}
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
    door.report(document, lambda screen: _draw_findings(screen, linted))
    return FAULTY if any(f.level.value == "fault" for tip in linted for f in tip.findings) else 0


def _draw_findings(screen: Screen, linted: Sequence[Linted]) -> None:
    from newsletter.cli.output import mark

    for tip in (tip for tip in linted if tip.findings):
        screen.line(f"{tip.title} ({tip.key})", "bold")
        rows = [
            (mark(MARKS[f.level.value]), f"{f.part} {f.line}", f"{f.excerpt}\n{f.reason}. {f.suggestion}.")
            for f in tip.findings
        ]
        screen.table(["!", "!", " "], rows, empty="")
        screen.line()
    good = sum(not tip.findings for tip in linted)
    screen.line(f"{good} of {len(linted)} tips have nothing to mend.", "dim")
