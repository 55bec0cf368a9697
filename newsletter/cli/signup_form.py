"""`newsletter form`: prints the code that embeds the sign-up form in another site."""

from __future__ import annotations

from html import escape
from urllib.parse import urlencode

import click

from newsletter.cli.context import CliContext, Subcommand
from newsletter.domain.errors import Refused
from newsletter.domain.lists import FIRST_KEY, frame_height

KINDS = ("link", "html", "iframe", "script")


@click.command(cls=Subcommand)
@click.option("--kind", type=click.Choice(KINDS), default="html", show_default=True, help="How to embed the form.")
@click.option("--list", "keys", metavar="KEY", multiple=True, hidden=True, help="Offer this list (can be repeated).")
@click.pass_obj
def form(context: CliContext, *, kind: str, keys: tuple[str, ...]) -> None:
    """Print the sign-up form for your own site.

    For an iframe or a script, list that site in NEWSLETTER_FRAME_ANCESTORS.
    """
    settings = context.settings
    if kind in {"iframe", "script"} and not settings.frame_ancestors:
        context.print_note(
            "newsletter: no site is allowed to show the form in an iframe yet. Set NEWSLETTER_FRAME_ANCESTORS=https://www.example.org"
        )
    titles = _titles(context, keys)
    named = titles if list(titles) != [FIRST_KEY] else {}  # the plain form is that of the first list
    code = CODE[kind].format(
        base=escape(settings.base_url),
        title=escape(next(iter(titles.values())) if len(titles) == 1 else settings.title),
        page=f"/lists/{next(iter(named))}" if len(named) == 1 else "/",
        query=escape(f"?{urlencode([('list', key) for key in named])}" if named else ""),
        lists=_fields(named),
        height=frame_height(len(named)),
    )
    document = {"kind": kind, "code": code, "list": next(iter(titles)), "lists": list(titles)}
    context.report(document, lambda _: click.echo(code))


def _titles(context: CliContext, keys: tuple[str, ...]) -> dict[str, str]:
    """The titles of the lists of the form by their keys; raises NotFound, and Refused for one that takes no sign-ups."""
    if not keys:
        return {FIRST_KEY: context.settings.title}
    titles, offered = {}, context.app.lists.offered()
    for key in keys:
        site, found = context.app.of_list(key).site, context.app.lists.get(key).list
        if not found.public or found.retired_at:
            what, fix = ("retired", "retire --undo") if found.retired_at else ("not public", "edit --public")
            raise Refused(
                f"the list {found.key} is {what}, so no form can offer it",
                fix=f"To change that: newsletter lists {fix.replace(' ', f' {found.key} ')}",
            )
        if found not in offered:
            lists = [one.list.key for one in context.app.lists.each() if one.list.onboarding == found.key]
            raise Refused(
                f"{found.key} is the welcome series of {lists[0]}, so nobody signs up for it alone",
                fix=f"Offer that list: newsletter form --list {lists[0]}",
            )
        titles[found.key] = site.title
    return titles


def _fields(titles: dict[str, str]) -> str:
    """The fields of the form that name lists: check boxes if there are several, with the first one ticked."""
    if len(titles) < 2:
        return "".join(f'\n  <input name="list" type="hidden" value="{key}">' for key in titles)
    boxes = [
        f'\n    <label><input name="list" type="checkbox" value="{key}"{"" if place else " checked"}> {escape(title)}</label>'
        for place, (key, title) in enumerate(titles.items())
    ]
    offered = f'\n  <input name="offered" type="hidden" value="{" ".join(titles)}">'
    return f"\n  <fieldset>\n    <legend>Your newsletters</legend>{''.join(boxes)}\n  </fieldset>{offered}"


CODE = {
    "link": '<a href="{base}{page}#signup">Signup for FREE Tips!</a>',
    "html": """<form method="post" action="{base}/subscribe" accept-charset="utf-8">
  <label for="tip-email">Your email address</label>
  <input id="tip-email" name="email" type="email" autocomplete="email" required maxlength="254">
  <label for="tip-name">Your name (optional)</label>
  <input id="tip-name" name="name" autocomplete="name" maxlength="100" dir="auto">{lists}
  <input name="message" tabindex="-1" autocomplete="off" aria-hidden="true" hidden>
  <button type="submit">Signup for FREE Tips!</button>
</form>""",
    "iframe": '<iframe src="{base}/signup/embed{query}" title="{title}: sign up" loading="lazy"'
    ' style="width:100%;max-width:34rem;height:{height}rem;border:0;color-scheme:light dark"></iframe>',
    "script": '<script src="{base}/signup.js{query}"></script>',
}
