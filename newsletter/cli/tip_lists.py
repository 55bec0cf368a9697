"""What the commands of tips say when there are several lists; and `newsletter tips assign`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from newsletter.cli.context import CliContext, Subcommand, dry_run
from newsletter.domain.english import plural
from newsletter.domain.errors import UsageError

if TYPE_CHECKING:
    from newsletter.actions.tips.assign import Assigned
    from newsletter.actions.tips.import_report import Report
    from newsletter.cli.output import Output

NAMED = 50  # keys or categories in one line

map_option = click.option(
    "--map", "maps", multiple=True, metavar="CATEGORY=LIST", hidden=True,
    help='Put the posts of a category into a list, as in --map "Business Advice=advice"; repeat it for several.',
)  # fmt: skip


def lines_of(report: Report) -> Iterator[str]:
    """What an import says about `--map`: categories without posts, and tips that stay in another list."""
    if report.unused_maps:
        names = ", ".join(report.categories[:NAMED])
        there_are = f"the categories are {names}" if names else "no post has a category"
        yield from (f"--map: no post has the category {name!r}; {there_are}." for name in report.unused_maps)
    keys: dict[tuple[str, str], list[str]] = defaultdict(list)
    for one in report.staying:
        keys[one.list, one.mapped_to].append(one.key)
    for (now, wanted), found in keys.items():
        which = f"{plural(len(found), 'tip')} {'is' if len(found) == 1 else 'are'} in the list {now} already"
        these = " ".join(found) if len(found) <= NAMED else "KEY… (--json has all keys)"
        it = "it" if len(found) == 1 else "them"
        yield f"{which}. To move {it}, run: newsletter tips assign {these} --list {wanted}"


@click.command(cls=Subcommand, hidden=True)
@click.argument("keys", metavar="KEY…", nargs=-1, required=True)
@dry_run
@click.pass_obj
def assign(context: CliContext, *, keys: Sequence[str], dry_run: bool) -> None:
    """Move tips to the end of the queue of another list. Their web addresses stay."""
    if not context.list_key:
        raise UsageError(
            "which list do you want to move the tips to?", fix="Pass --list KEY. See: newsletter lists list"
        )
    tips = context.app.tips
    done = tips.assign(*map(tips.key_of, keys), dry_run=dry_run)
    document = {
        "tips": [{"key": tip.key, "title": tip.title, "list": tip.after, "was_in": tip.before} for tip in done.tips],
        "split_series": [
            {"series": one.series, "list": one.list, "tips": list(one.others)} for one in done.split
        ],
        "dry_run": dry_run,
    }  # fmt: skip
    context.report(document, lambda output: _draw(output, done, dry_run=dry_run))


def _draw(output: Output, done: Assigned, *, dry_run: bool) -> None:
    now = "would be" if dry_run else "is now"
    for tip in done.tips:
        if tip.before == tip.after:
            output.line(f"“{tip.title}” is in the list {tip.after} already.", "dim")
        else:
            output.line(
                f"“{tip.title}” {now} in the list {tip.after}; it {'is' if dry_run else 'was'} in {tip.before}."
            )
    for one in done.split:
        others = " ".join(one.others[:NAMED])
        output.line(
            f"Parts of the series “{one.series}” are still in the list {one.list}. To move them as well, run: "
            f"newsletter tips assign {others} --list {done.tips[0].after}",
            "yellow",
        )
