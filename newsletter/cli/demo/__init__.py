"""`newsletter demo`: one Tuesday played with the real program, in a temporary directory."""

from __future__ import annotations

import click

from newsletter.cli.context import Subcommand


@click.command(cls=Subcommand, reports=False)
@click.option("--once", is_flag=True, help="Exit when the emails have arrived instead of keeping the pages open.")
def demo(*, once: bool) -> int:
    """Run through one Tuesday without any configuration: sign-ups, confirmations, the daemon, and a real SMTP server."""
    from newsletter.cli.demo.tuesday import run_demo  # noqa: PLC0415 - it imports rich

    return run_demo(once=once)
