"""`newsletter templates …`: the mails and pages as files, to be changed one by one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from newsletter.cli.context import Door, Noun
from newsletter.domain.errors import NotFound, Refused, UsageError

if TYPE_CHECKING:
    from newsletter.cli.output import Screen


@click.group(cls=Noun)
def templates() -> None:
    """The mails and pages: yours win, file by file."""


@templates.command("list")
@click.pass_obj
def list_(door: Door) -> None:
    """Every template, and which of them are your own."""
    from newsletter.rendering.template_check import shipped

    own = door.settings.templates
    found = [(name, "yours" if own and (own / name).is_file() else "ours") for name in shipped()]

    def draw(screen: Screen) -> None:
        screen.table(["!template", "whose"], found, empty="No template is here.")
        screen.line(
            f"Yours are in {own}." if own else "To have your own, set NEWSLETTER_TEMPLATES to a directory.", "dim"
        )

    document = {"directory": str(own) if own else None, "templates": [{"name": n, "whose": w} for n, w in found]}
    door.report(document, draw)


@templates.command("copy")
@click.argument("name")
@click.pass_obj
def copy(door: Door, *, name: str) -> None:
    """Copy one of ours (email/issue/body.html), or all of one folder (email/issue), to begin with."""
    from newsletter.rendering.data import data_dir
    from newsletter.rendering.template_check import shipped

    own = door.settings.templates
    if own is None:
        raise UsageError("NEWSLETTER_TEMPLATES is not set", fix="Set it to a directory for your own templates")
    wanted = [one for one in shipped() if one == name or one.startswith(f"{name.rstrip('/')}/")]
    if not wanted:
        raise NotFound(f"there is no template {name[:80]!r}", fix="See: newsletter templates list")
    there = [one for one in wanted if (own / one).exists()]
    if there:
        raise Refused(f"{own / there[0]} is there already", fix="Remove it first, or copy another")
    for one in wanted:
        target = own / one
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((data_dir() / "templates" / one).read_bytes())
    files = [str(Path(own) / one) for one in wanted]
    door.report({"copied": files}, lambda screen: screen.line("\n".join(files)))


@templates.command("check")
@click.pass_obj
def check(door: Door) -> None:
    """Read all of yours, and render the letter once; names file and line of what is broken."""
    own = door.settings.templates
    if own is None:
        raise UsageError("NEWSLETTER_TEMPLATES is not set", fix="Set it to a directory for your own templates")
    door.app.renderer  # noqa: B018 - made here, which proves them
    door.report({"ok": True, "directory": str(own)}, lambda screen: screen.line("Your templates are sound."))
