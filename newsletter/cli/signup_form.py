"""`newsletter form`: the sign-up form for other sites, to be copied; changes nothing."""

from __future__ import annotations

from html import escape

import click

from newsletter.cli.context import CliContext, Subcommand

KINDS = ("link", "html", "iframe", "script")


@click.command(cls=Subcommand)
@click.option("--kind", type=click.Choice(KINDS), default="html", show_default=True, help="How it gets there.")
@click.pass_obj
def form(context: CliContext, *, kind: str) -> None:
    """The sign-up form for your own site. An iframe or a script needs that site in NEWSLETTER_FRAME_ANCESTORS."""
    settings = context.settings
    if kind in {"iframe", "script"} and not settings.frame_ancestors:
        context.print_note(
            "newsletter: no site may frame the form yet. Set NEWSLETTER_FRAME_ANCESTORS=https://www.example.org"
        )
    code = CODE[kind].format(base=escape(settings.base_url), title=escape(settings.title))
    context.report({"kind": kind, "code": code}, lambda _: click.echo(code))


CODE = {
    "link": '<a href="{base}/#signup">Signup for FREE Tips!</a>',
    "html": """<form method="post" action="{base}/subscribe" accept-charset="utf-8">
  <label for="tip-email">Your e-mail address</label>
  <input id="tip-email" name="email" type="email" autocomplete="email" required maxlength="254">
  <label for="tip-name">Your name (if you like)</label>
  <input id="tip-name" name="name" autocomplete="name" maxlength="100" dir="auto">
  <input name="message" tabindex="-1" autocomplete="off" aria-hidden="true" hidden>
  <button type="submit">Signup for FREE Tips!</button>
</form>""",
    "iframe": '<iframe src="{base}/signup/embed" title="{title}: sign up" loading="lazy"'
    ' style="width:100%;max-width:34rem;height:32rem;border:0;color-scheme:light dark"></iframe>',
    "script": '<script src="{base}/signup.js"></script>',
}
