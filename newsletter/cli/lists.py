"""`newsletter lists`: several newsletters for the same subscribers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from newsletter.cli.context import CliContext, CommandGroup, all_
from newsletter.domain.english import plural
from newsletter.domain.errors import UsageError
from newsletter.domain.lists import FIRST_LIST, MailingList, Order

if TYPE_CHECKING:
    from newsletter.actions.lists import ListStatus
    from newsletter.cli.output import Output

_OWN = {
    "title": "The name of the list.",
    "from": "The From address of its emails.",
    "reply-to": "The address for replies.",
    "color": "The color of links and buttons, such as #17664f.",
    "logo": "An image file for the top of its emails.",
    "schedule": "When its issues go out, such as 'thu 09:00' or 'every 2 weeks thu 09:00 from 2026-12-03'.",
    "timezone": "The time zone of the schedule.",
    "late-window": "How late an issue may still start, such as 24h.",
    "approval": "silence or required.",
    "first-issue": "The number of its first issue.",
}
"""The options of a list's own settings; without one, the installation's setting counts."""


@click.group(cls=CommandGroup)
def lists() -> None:
    """Run several newsletters for the same subscribers, each with its own tips and days.

    Commands about tips, issues, the calendar, and subscribers take --list KEY; without it, they are about the first list.
    Put tips into a list with `tips import FILE --list KEY`, the posts of a category with `tips import FILE --map
    CATEGORY=KEY`, and tips that are in the library with `tips assign TIP… --list KEY`.
    """


def _options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that `add` and `edit` share."""
    options = [click.option(f"--{name}", f"own_{name.replace('-', '_')}", help=text) for name, text in _OWN.items()]
    options += [
        click.option("--description", help="A sentence about the list, for the sign-up form."),
        click.option(
            "--order",
            type=click.Choice([order.value for order in Order]),
            help="together: one tip for everybody; course: each subscriber from the first tip to the last.",
        ),
        click.option("--then", help="The list that subscribers join after the last tip of a course; '' for none."),
        click.option(
            "--again-after", help="Begin the course again after this time, such as '18 months'; '' for never."
        ),
        click.option("--onboarding", help="The course that new subscribers of this list get first; '' for none."),
        click.option("--public/--private", default=None, help="Show it on the pages and in the sign-up form, or not."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@lists.command("list")
@all_
@click.pass_obj
def list_(context: CliContext, *, all_: bool) -> None:
    """List the lists."""
    found = context.app.lists.each(retired=all_)
    rows = [
        (one.list.key, one.settings["title"], _order(one.list), one.settings["schedule"], one.subscribers, one.tips)
        for one in found
    ]
    columns = ["!key", "title", "order", "schedule", "subscribers", "tips to send"]
    context.report(
        {"lists": [_document(one) for one in found]},
        lambda output: output.table(columns, rows, empty="There are no lists."),
    )


@lists.command("show")
@click.argument("key")
@click.pass_obj
def show(context: CliContext, *, key: str) -> None:
    """Show one list, its own settings, and its subscribers."""
    _report(context, context.app.lists.get(key))


@lists.command("add")
@click.argument("key")
@_options
@click.pass_obj
def add(context: CliContext, /, *, key: str, **given: Any) -> None:
    """Add a list. KEY is short and appears in addresses, such as advice."""
    own, values = _given(given)
    order = Order(values.pop("order", Order.TOGETHER))
    new = MailingList(0, key, 0, own={name: text for name, text in own.items() if text}, order=order, **values)
    found = context.app.lists.add(new)
    context.print_note(
        f"The list {found.list.key} was added. Next: newsletter tips import FILE --list {found.list.key}"
    )
    _report(context, found)


@lists.command("edit")
@click.argument("key")
@_options
@click.pass_obj
def edit(context: CliContext, /, *, key: str, **given: Any) -> None:
    """Change a list; an empty text ('') takes the installation's setting again."""
    own, values = _given(given)
    if not own and not values:
        raise UsageError("nothing to change was given", fix="See: newsletter lists edit --help")
    if "order" in values:
        values["order"] = Order(values["order"])
    _report(context, context.app.lists.edit(key, own=own, **values))


@lists.command("retire")
@click.argument("key")
@click.option("--undo", is_flag=True, help="Take it back.")
@click.pass_obj
def retire(context: CliContext, *, key: str, undo: bool) -> None:
    """End a list: no more issues and sign-ups. Its tips and subscribers are kept."""
    _report(context, context.app.lists.retire(key, undo=undo))


def _given(options: dict[str, Any]) -> tuple[dict[str, str], dict[str, Any]]:
    """The list's own settings and its other fields, as far as they were given."""
    own = {name.removeprefix("own_"): text for name, text in options.items() if name.startswith("own_")}
    if "from" in own:
        own["from_"] = own.pop("from")
    others = {name: value for name, value in options.items() if not name.startswith("own_")}
    return (
        {name: text.strip() for name, text in own.items() if text is not None},
        {name: value for name, value in others.items() if value is not None},
    )


def _order(found: MailingList) -> str:
    end = f", then {found.then}" if found.then else f", again after {found.again_after}" if found.again_after else ""
    return f"{found.order.value}{end}"


def _document(one: ListStatus) -> dict[str, object]:
    found = one.list
    return {
        "key": found.key,
        "title": one.settings["title"],
        "schedule": one.settings["schedule"],
        "order": found.order.value,
        "then": found.then or None,
        "again_after": found.again_after or None,
        "onboarding": found.onboarding or None,
        "public": found.public,
        "retired": found.retired_at is not None,
        "subscribers": one.subscribers,
        "tips": one.tips,
    }


def _course(one: ListStatus) -> dict[str, object]:
    if one.standing is None:
        return {}
    places = [{"tip": tip or None, "subscribers": number} for tip, number in one.places.items()]
    return {"course": {**asdict(one.standing), "places": places}}


def _on_the_pages(one: ListStatus) -> str:
    if one.list.public and one.series_for:
        return f"only as the welcome series of {', '.join(one.series_for)}"
    return "yes" if one.list.public else "no"


def _report(context: CliContext, one: ListStatus) -> None:
    found = one.list
    document = {
        "list": {
            **_document(one),
            "description": found.description,
            "own": {name.strip("_"): text for name, text in found.own.items()},
            "statuses": dict(one.statuses),
            **({"welcome_series": asdict(one.series)} if one.series else {}),
            **_course(one),
        }
    }

    def draw(output: Output) -> None:
        own = "none; all are in .env" if found.id == FIRST_LIST else ", ".join(name.strip("_") for name in found.own)
        counts = ", ".join(f"{number} {status}" for status, number in sorted(one.statuses.items()))
        output.facts(
            [
                ("title", one.settings["title"]),
                ("description", found.description or "none"),
                ("from", one.settings["from_"]),
                ("schedule", f"{one.settings['schedule']} ({one.settings['timezone']})"),
                ("order", _order(found)),
                ("onboarding", f"{found.onboarding}: {one.series.words()}" if one.series else "none"),
                ("on the pages", _on_the_pages(one)),
                ("subscribers", f"{counts or 'none'}; {one.subscribers} get the next issue"),
                ("tips to send", plural(one.tips, "tip")),
                *([("in the course", one.standing.words())] if one.standing else []),
                ("settings of its own", own),
                *([("retired", output.when(found.retired_at))] if found.retired_at else []),
            ],
            title=found.key,
        )
        if one.places:
            rows = [(f"{number:,}", tip or "nothing yet") for tip, number in one.places.items()]
            output.table(["subscribers", "!have received last"], rows, empty="")

    context.report(document, draw)
