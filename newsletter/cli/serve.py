"""What stays: run, web, and the demo; the work is the daemon's and the web's."""

from __future__ import annotations

import click

from newsletter.cli.context import CliContext, Subcommand, as_of


@click.command(cls=Subcommand, reports=False)
@click.option("--no-web", is_flag=True, help="The alarm clock and the sending, without the pages.")
@as_of
@click.pass_obj
def run(context: CliContext, *, no_web: bool) -> int:
    """The daemon: alarm clock, sending and web in one process; SIGTERM finishes the letters in flight."""
    from newsletter import daemon
    from newsletter.cli.log_setup import start_logging

    start_logging(context.settings.log_format, verbose=context.verbose)
    return daemon.run(context.app, web=not no_web)


@click.command(cls=Subcommand, reports=False)
@click.pass_obj
def web(context: CliContext) -> int:
    """The web alone: sign-up, confirmation, unsubscribe."""
    from newsletter.cli.log_setup import start_logging
    from newsletter.web import serve

    start_logging(context.settings.log_format, verbose=context.verbose)
    return serve(context.app)


@click.command(cls=Subcommand, reports=False)
@click.option("--once", is_flag=True, help="End when the mail has arrived, instead of keeping the pages open.")
def demo(*, once: bool) -> int:
    """One whole Tuesday, with nothing configured: sign-ups, confirmations, the daemon, a real SMTP server."""
    from newsletter.cli.demo.tuesday import run_demo

    return run_demo(once=once)
