"""`newsletter templates`: list, copy, and check the templates of emails and pages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from newsletter.cli.context import CliContext, CommandGroup
from newsletter.domain.english import plural
from newsletter.domain.errors import NotFound, Refused, UsageError
from newsletter.files import give_to_owner_of, make_directory
from newsletter.rendering.catalogs import unused_sentences
from newsletter.rendering.data import data_dir

if TYPE_CHECKING:
    from newsletter.cli.output import Output


@click.group(cls=CommandGroup)
def templates() -> None:
    """Customize emails and pages; each of your own templates overrides a built-in one."""


@templates.command("list")
@click.pass_obj
def list_(context: CliContext) -> None:
    """List every template and show which ones are your own."""
    from newsletter.rendering.template_check import builtin_templates  # noqa: PLC0415 - it imports premailer

    own = context.settings.templates
    found = [(name, "yours" if own and (own / name).is_file() else "ours") for name in builtin_templates()]

    def draw(output: Output) -> None:
        origins = {"ours": "built in", "yours": "your own"}
        output.table(
            ["!template", "origin"], [(name, origins[whose]) for name, whose in found], empty="There are no templates."
        )
        output.line(
            f"Your own are in {own}." if own else "To use your own, set NEWSLETTER_TEMPLATES to a directory.", "dim"
        )

    document = {"directory": str(own) if own else None, "templates": [{"name": n, "whose": w} for n, w in found]}
    context.report(document, draw)


@templates.command("copy")
@click.argument("name")
@click.pass_obj
def copy(context: CliContext, *, name: str) -> None:
    """Copy a template (email/issue/body.html) or a folder (email/issue) into your directory, so that you can edit it."""
    from newsletter.rendering.template_check import builtin_templates  # noqa: PLC0415 - it imports premailer

    own = context.settings.templates
    if own is None:
        raise UsageError("NEWSLETTER_TEMPLATES is not set", fix="Set it to a directory for your own templates")
    wanted = [one for one in builtin_templates() if one == name or one.startswith(f"{name.rstrip('/')}/")]
    if not wanted:
        raise NotFound(f"there is no template {name[:80]!r}", fix="See: newsletter templates list")
    existing = [one for one in wanted if (own / one).exists()]
    if existing:
        raise Refused(f"{own / existing[0]} already exists", fix="Delete it first, or copy another one")
    for one in wanted:
        target = own / one
        make_directory(target.parent, mode=0o777)
        target.write_bytes((data_dir() / "templates" / one).read_bytes())
        give_to_owner_of(target.parent, target)
    files = [str(Path(own) / one) for one in wanted]
    context.report({"copied": files}, lambda output: output.line("\n".join(files)))


@templates.command("check")
@click.pass_obj
def check(context: CliContext) -> None:
    """Validate your templates and render one email; errors name the file and line."""
    own = context.settings.templates
    if own is None:
        raise UsageError("NEWSLETTER_TEMPLATES is not set", fix="Set it to a directory for your own templates")
    context.app.renderer  # noqa: B018 - making it checks all templates
    unused = unused_sentences(own, data_dir() / "templates")
    document = {"ok": True, "directory": str(own), "unused": {str(path): found for path, found in unused.items()}}

    def draw(output: Output) -> None:
        output.line("Your templates are valid.")
        for path, found in unused.items():
            output.line(f"{path}: {plural(len(found), 'sentence')} no longer used, for example {found[0][:60]!r}.")

    context.report(document, draw)
