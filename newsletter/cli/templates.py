"""`newsletter templates …`: the mails and pages as files, to be changed one by one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from newsletter.cli.context import CliContext, CommandGroup
from newsletter.domain.errors import NotFound, Refused, UsageError

if TYPE_CHECKING:
    from newsletter.cli.output import Output


@click.group(cls=CommandGroup)
def templates() -> None:
    """The mails and pages: yours win, file by file."""


@templates.command("list")
@click.pass_obj
def list_(context: CliContext) -> None:
    """Every template, and which of them are your own."""
    from newsletter.rendering.template_check import builtin_templates

    own = context.settings.templates
    found = [(name, "yours" if own and (own / name).is_file() else "ours") for name in builtin_templates()]

    def draw(output: Output) -> None:
        output.table(["!template", "whose"], found, empty="No template is here.")
        output.line(
            f"Yours are in {own}." if own else "To have your own, set NEWSLETTER_TEMPLATES to a directory.", "dim"
        )

    document = {"directory": str(own) if own else None, "templates": [{"name": n, "whose": w} for n, w in found]}
    context.report(document, draw)


@templates.command("copy")
@click.argument("name")
@click.pass_obj
def copy(context: CliContext, *, name: str) -> None:
    """Copy one of ours (email/issue/body.html), or all of one folder (email/issue), to begin with."""
    from newsletter.rendering.data import data_dir
    from newsletter.rendering.template_check import builtin_templates

    own = context.settings.templates
    if own is None:
        raise UsageError("NEWSLETTER_TEMPLATES is not set", fix="Set it to a directory for your own templates")
    wanted = [one for one in builtin_templates() if one == name or one.startswith(f"{name.rstrip('/')}/")]
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
    context.report({"copied": files}, lambda output: output.line("\n".join(files)))


@templates.command("check")
@click.pass_obj
def check(context: CliContext) -> None:
    """Read all of yours, and render the letter once; names file and line of what is broken."""
    own = context.settings.templates
    if own is None:
        raise UsageError("NEWSLETTER_TEMPLATES is not set", fix="Set it to a directory for your own templates")
    context.app.renderer  # noqa: B018 - made here, which proves them
    context.report({"ok": True, "directory": str(own)}, lambda output: output.line("Your templates are sound."))
