"""`newsletter db`: upgrade, back up, restore, and adopt the database."""

from __future__ import annotations

from pathlib import Path

import click

from newsletter.cli.context import CliContext, CommandGroup, as_of, yes


@click.group(cls=CommandGroup)
def db() -> None:
    """Upgrade, back up, and restore the database."""


@db.command("upgrade")
@click.pass_obj
def db_upgrade(context: CliContext) -> None:
    """Create the database, or upgrade its schema to the version of this program."""
    before, after = context.app.database.schema_status(), context.app.database.upgrade()
    changed = before.current != after.current
    text = f"The database was upgraded to {after.head}." if changed else f"The database is already at {after.head}."
    context.report({"before": before.current, "current": after.current, "changed": changed}, lambda s: s.line(text))


@db.command("status")
@click.pass_obj
def db_status(context: CliContext) -> int:
    """Show the schema versions of the database and of this program. Exit code 1 means that they differ."""
    status = context.app.database.schema_status()
    is_newer = status.current > status.head
    advice = "nothing to do" if status.ok else "upgrade the program" if is_newer else "run: newsletter db upgrade"
    facts = [("database", status.current or "none"), ("program", status.head), ("next step", advice)]
    context.report(
        {"current": status.current, "head": status.head, "ok": status.ok}, lambda output: output.facts(facts)
    )
    return 0 if status.ok else 1


@db.command("backup")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.pass_obj
def db_backup(context: CliContext, file: Path) -> None:
    """Write a consistent copy of the database, even while emails are being sent."""
    context.app.database.backup(file)
    size = file.stat().st_size
    context.report(
        {"file": str(file), "bytes": size}, lambda output: output.line(f"{file} was written ({size:,} bytes).")
    )


@db.command("restore")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@yes
@click.pass_obj
def db_restore(context: CliContext, *, file: Path, yes: bool) -> None:
    """Replace the database with a backup; the old file is kept. Nothing is sent until `newsletter db adopt`."""
    context.require_confirmation(f"Replace the database with {file}?", yes=yes)
    kept = context.app.database.restore(file)
    text = f"The database was restored from {file}."
    text += f" The old one is kept as {kept}." if kept.exists() else ""
    held = context.app.database.hold_reason()
    text += f" Nothing is sent ({held}) until you run: newsletter db adopt" if held else ""
    document = {"file": str(file), "kept": str(kept) if kept.exists() else None, "held": held}
    context.report(document, lambda output: output.line(text))


@db.command("adopt")
@yes
@as_of
@click.pass_obj
def db_adopt(context: CliContext, *, yes: bool) -> None:
    """Allow a copied or restored database to send email again, from this machine."""
    held = context.app.database.hold_reason()
    if not held:
        text = "Nothing to do: this database is allowed to send email."
        context.report({"adopted": False, "was": ""}, lambda output: output.line(text))
        return
    context.require_confirmation(
        f"Sending was stopped because {held}. Send from this database now? No other copy of it may send.", yes=yes
    )
    context.app.database.adopt()
    done = "Emails are sent from this database again. Check `newsletter doctor` and `newsletter calendar` first."
    context.report({"adopted": True, "was": held}, lambda output: output.line(done))
