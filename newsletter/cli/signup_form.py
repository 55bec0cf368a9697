"""`newsletter form`: prints the code that embeds the sign-up form in another site."""

from __future__ import annotations

from html import escape

import click

from newsletter.cli.context import CliContext, Subcommand

KINDS = ("link", "html", "iframe", "script")


@click.command(cls=Subcommand)
@click.option("--kind", type=click.Choice(KINDS), default="html", show_default=True, help="How to embed the form.")
@click.pass_obj
def form(context: CliContext, *, kind: str) -> None:
    """Print the sign-up form for your own site.

    For an iframe or a script, list that site in NEWSLETTER_FRAME_ANCESTORS.
    """
    settings = context.settings
    if kind in {"iframe", "script"} and not settings.frame_ancestors:
        context.print_note(
            "newsletter: no site is allowed to show the form in an iframe yet. Set NEWSLETTER_FRAME_ANCESTORS=https://www.example.org"
        )
    code = CODE[kind].format(base=escape(settings.base_url), title=escape(settings.title))
    context.report({"kind": kind, "code": code}, lambda _: click.echo(code))


CODE = {
    "link": '<a href="{base}/#signup">Signup for FREE Tips!</a>',
    "html": """<form method="post" action="{base}/subscribe" accept-charset="utf-8">
  <label for="tip-email">Your email address</label>
  <input id="tip-email" name="email" type="email" autocomplete="email" required maxlength="254">
  <label for="tip-name">Your name (optional)</label>
  <input id="tip-name" name="name" autocomplete="name" maxlength="100" dir="auto">
  <input name="message" tabindex="-1" autocomplete="off" aria-hidden="true" hidden>
  <button type="submit">Signup for FREE Tips!</button>
</form>""",
    "iframe": '<iframe src="{base}/signup/embed" title="{title}: sign up" loading="lazy"'
    ' style="width:100%;max-width:34rem;height:32rem;border:0;color-scheme:light dark"></iframe>',
    "script": '<script src="{base}/signup.js"></script>',
}
