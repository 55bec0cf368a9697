"""`newsletter run` and `newsletter web`: the processes that keep running."""

from __future__ import annotations

import click

from newsletter.cli.context import CliContext, Subcommand, as_of


@click.command(cls=Subcommand, reports=False)
@click.option("--no-web", is_flag=True, help="Run the scheduler and the sender without the web server.")
@as_of
@click.pass_obj
def run(context: CliContext, *, no_web: bool) -> int:
    """Run the daemon: the scheduler, the sender, and the web server in one process.

    SIGTERM finishes the emails in flight before it stops.
    """
    from newsletter import daemon  # noqa: PLC0415 - it imports the web server; `--help` needs none
    from newsletter.cli.log_setup import start_logging  # noqa: PLC0415 - it imports rich

    start_logging(context.settings.log_format, verbose=context.verbose)
    return daemon.run(context.app, web=not no_web)


@click.command(cls=Subcommand, reports=False)
@click.pass_obj
def web(context: CliContext) -> int:
    """Run only the web server: sign-up, confirmation, preferences, unsubscribe, and archive."""
    from newsletter.cli.log_setup import start_logging  # noqa: PLC0415 - it imports rich
    from newsletter.web import serve  # noqa: PLC0415 - it imports FastAPI

    start_logging(context.settings.log_format, verbose=context.verbose)
    return serve(context.app)
