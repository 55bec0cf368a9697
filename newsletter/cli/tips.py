"""`newsletter tips …`: import, list, edit, and order the tips of the library."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from newsletter.cli import tip_dates, tip_lists
from newsletter.cli.context import CliContext, CommandGroup, dry_run, yes
from newsletter.cli.issue_view import iso
from newsletter.cli.progress import progress, tell_if_interrupted
from newsletter.cli.which_list import tip_keys
from newsletter.domain.calendar.why_not import standing
from newsletter.domain.english import plural
from newsletter.domain.errors import NewsletterError, UsageError
from newsletter.domain.tips.tip import ConflictChoice, TipState
from newsletter.files import write_export

if TYPE_CHECKING:
    from newsletter.actions.tips.import_report import Report
    from newsletter.cli.output import Output
    from newsletter.domain.tips.tip import TipCard

FORMATS = ["auto", "markdown", "archive-page", "csv", "wxr", "feed"]
COUNTED = ("added", "updated", "unchanged", "teasers")
SHOWN_FILES = 3  # names in a question
SHOWN = 50  # lines of one kind in a report


@click.group(cls=CommandGroup, of_a_list=True)
def tips() -> None:
    """Manage the library of tips and the order in which they are sent."""


for subcommand in (tip_dates.pin, tip_dates.unpin, tip_dates.rerun, tip_dates.lint, tip_dates.why, tip_lists.assign):
    tips.add_command(subcommand)


def _card(card: TipCard) -> dict[str, object]:
    return {
        "key": card.key,
        "title": card.title,
        "published_on": iso(card.published_on),
        "state": card.state.value,
        "complete": card.complete,
        "categories": list(card.categories),
        "tags": list(card.tags),
        "last_sent_on": iso(card.last_sent_on),
        "starter": card.starter,
        "problem": card.problem or None,
    }


def _state(card: TipCard) -> str:
    more = [
        word
        for word, is_true in (("teaser", not card.complete), ("starter", card.starter), ("passed over", card.problem))
        if is_true
    ]
    return ", ".join([card.state.value, *more])


# -- read ------------------------------------------------------------------------------------------


@tips.command("list")
@click.option("--state", type=click.Choice([state.value for state in TipState]), help="List only tips in this state.")
@click.pass_obj
def list_(context: CliContext, *, state: str | None) -> None:
    """List every tip, beginning with the queue in its order."""
    cards = context.app.tips.cards(TipState(state) if state else None)

    def draw(output: Output) -> None:
        output.table(
            ["!key", "?title", "!state", "!ran on", "categories"],
            [
                (card.key, card.title, _state(card), card.last_sent_on or card.published_on, card.categories)
                for card in cards
            ],
            empty=f"No tips are in this state: {state}."
            if state
            else f"There are no tips yet. Run: newsletter tips import PATH…{context.app.rules.option}",
        )

    context.report({"tips": [{**_card(card), "list": context.app.list_key} for card in cards]}, draw)


@tips.command("show")
@click.argument("key")
@click.pass_obj
def show(context: CliContext, *, key: str) -> None:
    """Show one tip and its text."""
    key = context.tip_key(key)
    tip, votes = context.app.tips.get(key), context.app.tips.votes(key)
    card, text = tip.card, tip.text
    reason = standing(card)

    def draw(output: Output) -> None:
        facts = [
            ("key", card.key), ("state", f"{_state(card)}: {reason or 'in the queue'}"),
            ("published", output.day(card.published_on)), ("last sent", output.day(card.last_sent_on)),
            ("categories", card.categories), ("tags", card.tags), ("takeaway", text.takeaway),
            ("useful", f"{votes.useful} yes, {votes.not_useful} no"),
            ("source", f"{text.source}:{text.line}" if text.line else text.source),
        ]  # fmt: skip
        output.facts(facts, title=card.title)
        output.line()
        output.line(text.body or text.teaser)

    more = {
        "useful": votes.useful,
        "not_useful": votes.not_useful,
        "body": text.body,
        "teaser": text.teaser,
        "takeaway": text.takeaway,
        "source": text.source,
    }
    context.report({**_card(card), **more, "why_not": reason}, draw)


# -- import and edit -----------------------------------------------------------------------------------


paths = click.argument("paths", nargs=-1, required=True, metavar="PATH…", type=click.Path(path_type=Path, exists=True))


@tips.command("import")
@paths
@click.option(
    "--format",
    "format_",
    type=click.Choice(FORMATS),
    default="auto",
    show_default=True,
    help="The format of the files.",
)
@click.option(
    "--category",
    "categories",
    multiple=True,
    metavar="NAME",
    help="Import only tips in this category; repeat it for several.",
)
@click.option("--queue", is_flag=True, help="Add tips to the queue even if they were published before.")
@click.option(
    "--take",
    type=click.Choice([take.value for take in ConflictChoice]),
    help="Which version to keep if both you and the file changed a tip.",
)
@click.option("--pictures", is_flag=True, help="Load the pictures of posts from the site of the blog.")
@tip_lists.map_option
@dry_run
@click.pass_obj
def import_(
    context: CliContext,
    *,
    paths: Sequence[Path],
    format_: str,
    categories: Sequence[str],
    queue: bool,
    take: str | None,
    pictures: bool,
    maps: Sequence[str],
    dry_run: bool,
) -> int:
    """Import tips from files or directories. Importing twice changes nothing, and your edits are kept."""
    choice = ConflictChoice(take) if take else None
    with progress("importing") as show, tell_if_interrupted(show) as note:
        report = context.app.tips.import_files(
            paths,
            progress=note,
            format_=format_,
            queue=queue,
            dry_run=dry_run,
            take=choice,
            categories=categories,
            maps=maps,
            list_key=context.list_key,
            pictures=pictures,
        )
    return _report_import(context, report, dry_run=dry_run)


@tips.command("add")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@dry_run
@click.pass_obj
def add(context: CliContext, *, file: Path, dry_run: bool) -> int:
    """Add one tip, a Markdown file with front matter, to the end of the queue."""
    report = context.app.tips.import_files([file], format_="markdown", queue=True, dry_run=dry_run)
    return _report_import(context, report, dry_run=dry_run)


@tips.command("edit")
@click.argument("key")
@click.pass_obj
def edit(context: CliContext, *, key: str) -> int:
    """Edit a tip in your editor ($VISUAL or $EDITOR). A new key renames the tip; its old web address redirects."""
    key = context.tip_key(key)
    before = context.app.tips.as_file(key)
    written = click.edit(before, extension=".md", require_save=True)
    if written is None or written == before:
        context.report({"key": key, "changed": False}, lambda output: output.line("Nothing was changed."))
        return 0
    try:
        report = context.app.tips.edit(key, written)
    except NewsletterError:
        kept = Path(f"{key}.rejected.md")
        write_export(kept, written.encode())
        context.print_note(
            f"Your text was saved as {kept}. Fix it, then run: newsletter tips import {kept}{context.app.rules.option}"
        )
        raise
    return _report_import(context, report, dry_run=False)


@tips.command("export")
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@dry_run
@yes
@click.pass_obj
def export(context: CliContext, *, directory: Path, dry_run: bool, yes: bool) -> None:
    """Write every tip to a Markdown file, with its state, its place in the queue, its pin, and the days it was sent.

    Edit the files anywhere; `tips import DIR` imports what changed. In a new newsletter, it restores the whole library.
    """
    would_be = context.app.tips.export(directory, dry_run=True)
    if would_be.replaced and not dry_run:
        shown = ", ".join(would_be.replaced[:SHOWN_FILES]) + (", …" if len(would_be.replaced) > SHOWN_FILES else "")
        files = plural(len(would_be.replaced), "file")
        context.require_confirmation(f"{directory} has {files} with another text: {shown}. Overwrite?", yes=yes)
    done = context.app.tips.export(directory, dry_run=dry_run)
    would = "would be " if dry_run else ""

    def draw(output: Output) -> None:
        output.line(f"{done.written} files {would}written to {directory}, {done.unchanged} were up to date.")

    context.report(
        {
            "written": done.written,
            "unchanged": done.unchanged,
            "files": list(done.files),
            "replaced": list(done.replaced),
            "dry_run": dry_run,
        },
        draw,
    )


def _report_import(context: CliContext, report: Report, *, dry_run: bool) -> int:
    """Report an import; exit code 1 if anything was rejected."""
    counts = {name: int(getattr(report, name)) for name in COUNTED}

    def draw(output: Output) -> None:
        facts: list[tuple[str, object]] = [*counts.items(), ("rejected", len(report.rejected))]
        if report.pictures or report.pictures_left_out:
            facts.append(("pictures", f"{report.pictures} taken in, {report.pictures_left_out} not"))
        reasons = Counter(piece.reason.partition(":")[0] for piece in report.left_out)
        if reasons:
            words = ", ".join(f"{times} {reason}" for reason, times in reasons.most_common())
            facts.append(("left out", f"{len(report.left_out)}: {words}"))
        if report.lists:
            facts.append(("lists", ", ".join(f"{number} in {key}" for key, number in report.lists.items())))
        output.facts(facts, title="Nothing written" if dry_run else "Tips")
        for rejected in report.rejected:
            output.line(f"{rejected.source}:{rejected.line}: {rejected.reason}", "yellow")
        for line in tip_lists.lines_of(report):
            output.line(line, "yellow")
        for one in report.problems:
            output.line(f"{one.key} is passed over until it is fixed: {one.problem}", "yellow")
        _list(output, [f"{piece.source}:{piece.line}: {piece.text}" for piece in report.remarks])
        _list(output, [f"left out: {piece.title!r} is {piece.reason}" for piece in report.left_out])
        if report.other_category and not any(counts.values()):
            output.line("No tip has this category; the lines above name the categories that there are.", "yellow")

    context.report({**report.as_json(), "dry_run": dry_run}, draw)
    return 1 if report.rejected else 0


def _list(output: Output, lines: Sequence[str]) -> None:
    for line in lines[:SHOWN]:
        output.line(line, "dim")
    if len(lines) > SHOWN:
        output.line(f"… and {len(lines) - SHOWN} more; --json lists all of them", "dim")


# -- order ------------------------------------------------------------------------------


@tips.command("retire")
@click.argument("keys", metavar="[KEY…]", nargs=-1)
@click.option("--starter", is_flag=True, help="Retire every starter tip.")
@yes
@click.pass_obj
def retire(context: CliContext, *, keys: Sequence[str], starter: bool, yes: bool) -> None:
    """Retire tips, so that they are never sent again; `tips unretire` takes it back."""
    if bool(keys) == starter:
        raise UsageError("which tips do you want to retire?", fix="Pass their keys, or --starter for the starter tips")
    chosen = [card.key for card in context.app.tips.starters()] if starter else tip_keys(context, keys)
    if chosen:
        what = chosen[0] if len(chosen) == 1 else plural(len(chosen), "tip")
        context.require_confirmation(f"Retire {what}? To take it back, run newsletter tips unretire", yes=yes)
    _report_state(context, context.app.tips.retire(*chosen), "retired")
    for issue in context.app.tips.in_progress(*chosen):
        context.print_note(
            f"newsletter: {issue.name}, which is {issue.state}, has the tip {issue.tip_key} already. "
            f"To end it, run: newsletter issues cancel {issue.argument}"
        )


@tips.command("unretire")
@click.argument("keys", metavar="KEY…", nargs=-1, required=True)
@click.pass_obj
def unretire(context: CliContext, *, keys: Sequence[str]) -> None:
    """Take the retirement of tips back: they return to the queue or the archive."""
    _report_state(context, context.app.tips.unretire(*tip_keys(context, keys)), "no longer retired")


def _report_state(context: CliContext, cards: Sequence[TipCard], words: str) -> None:
    def draw(output: Output) -> None:
        output.lines(f"{card.title} is {words} ({_state(card)})." for card in cards[:SHOWN])
        if len(cards) != 1:
            output.line(f"{plural(len(cards), 'tip')} in all.")

    # A single tip has its own keys at the top, as before there could be several.
    document = _card(cards[0]) if len(cards) == 1 else {}
    context.report({**document, "tips": [_card(card) for card in cards]}, draw)


@tips.command("move")
@click.argument("key")
@click.option("--first", is_flag=True, help="Move it to the front of the queue.")
@click.option("--before", metavar="KEY", help="Move it right before that tip.")
@click.option("--last", is_flag=True, help="Move it to the end of the queue.")
@click.pass_obj
def move(context: CliContext, *, key: str, first: bool, before: str | None, last: bool) -> None:
    """Move a tip to another place in the queue."""
    if first + last + (before is not None) != 1:
        raise UsageError("a tip can move to only one place", fix="Pass only one of --first, --before KEY, or --last")
    key = context.tip_key(key)
    before = context.app.tips.key_of(before) if before else None
    card = context.app.tips.move(key, before=before, first=first)
    place = "is now first" if first else f"is now before {before}" if before else "is now last"
    place += "; your own tips are still sent before starter tips" if card.starter and not last else ""
    context.report(_card(card), lambda output: output.line(f"{card.title} {place}."))
