"""Check the owner's templates: parse every file, compare its variables with those of ours, and render one issue."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import date
from pathlib import Path

from jinja2 import Environment, TemplateSyntaxError, meta
from jinja2.defaults import DEFAULT_NAMESPACE

from newsletter.domain.archive.entries import ArchiveLinks, Mention
from newsletter.domain.calendar.schedule import Schedule
from newsletter.domain.errors import TemplateError
from newsletter.domain.site import Site
from newsletter.domain.tips.tip import TipText
from newsletter.mail.compiled import sentinels
from newsletter.rendering.data import data_dir
from newsletter.rendering.emails import EmailTemplates
from newsletter.rendering.pages import PageTemplates

FOLDERS = ("email", "web")
ISSUE_FOLDERS = ("email/issue", "email/preview", "email/quarterly")
_SCHEDULE = Schedule.parse("tue 08:00", "UTC")
_SAMPLE = TipText("A title", "A text with *marks* and a [link](https://example.org/).", takeaway="A takeaway.")
_BESIDE = ArchiveLinks(Mention("one", "Another tip"), Mention("two", "An old tip"), 10)
_ISSUE_NAMES = sentinels("x").keys() | {
    "tip",
    "number",
    "slot",
    "beside",
    "online_url",
    "body_html",
    "body_text",
    "subject",
}
STILL_PASSED = {"web": {"thanks"}, "email": set()}
"""Variables that our templates no longer use, and that are passed to copies of old ones."""

RENAMED = {
    "email/_base/shares.html": "email/_base/substitutes.html",
    "email/_base/shares.txt": "email/_base/substitutes.txt",
    "email/alarm": "email/alert",
    "email/farewell": "email/unsubscribed",
    "email/link": "email/manage_link",
    "email/move": "email/confirm_address",
    "email/remind": "email/reminder",
    "web/back.html": "web/resubscribe.html",
    "web/embed.html": "web/signup_embed.html",
    "web/embed_sent.html": "web/signup_embed_sent.html",
    "web/leave.html": "web/unsubscribe.html",
    "web/left.html": "web/unsubscribed.html",
    "web/link.html": "web/manage_link.html",
    "web/link_sent.html": "web/manage_link_sent.html",
    "web/move.html": "web/confirm_address.html",
    "web/moved.html": "web/address_changed.html",
    "web/sent.html": "web/signup_sent.html",
    "web/stale.html": "web/expired_link.html",
    "web/useful.html": "web/feedback.html",
}
"""The names of files and folders in version 0.1. An owner's file would be ignored if it still had the old name."""

RENAMED_INSIDE = {
    "web": {"away": "offscreen", "shelf": "archive-list", "shelf-head": "archive-head", "wish": "override"},
    "email": {"face": "button-cell", "press": "button-link"},
}
"""CSS classes and attributes of version 0.1, by folder: a copy of an old template would look wrong or fail."""
STYLED_BY = {"web": "web/style.css", "email": "email/_base/body.html"}
_IN_USE = r"""(?:class="[^"]*(?<![\w-])|view\.){}(?![\w-])"""


def builtin_templates() -> list[str]:
    """The names of our templates, for example `email/issue/body.html`. An owner's file with the same name replaces ours."""
    ours = data_dir() / "templates"
    return sorted(
        str(path.relative_to(ours)) for folder in FOLDERS for path in (ours / folder).rglob("*") if path.is_file()
    )


def check_templates(site: Site, own: Path, folders: Collection[str] = FOLDERS) -> None:
    """Raise TemplateError for the first template in `own` that cannot be used, or for all that have old names.

    folders: only these.
    """
    ours = data_dir() / "templates"
    if not own.is_dir():
        raise TemplateError(f"there is no directory {own}", fix="Correct NEWSLETTER_TEMPLATES, or leave it empty")
    _check_for_old_names(own)
    names, emails = set(builtin_templates()), EmailTemplates(site, [own, ours])
    engines = {"email": emails.templates, "web": PageTemplates(site, _SCHEDULE, [own, ours]).templates}
    for path in sorted(path for folder in folders for path in (own / folder).rglob("*") if path.is_file()):
        name = str(path.relative_to(own))
        engine = engines[path.relative_to(own).parts[0]].environment
        found = _names_in(engine, path) - engine.globals.keys()
        _check_references(engine, name, path)
        _check_for_old_words(own, name, path)
        known = _allowed_names(engine, name, names, ours)
        # Files with other names are included by these, with variables of the owner's own, so they are only parsed.
        for unknown in sorted(found - known) if name in names else ():
            line = _line_of(path, unknown)
            raise TemplateError(
                f"the variable {unknown!r} does not exist here", source=str(path), line=line, fix=_fix(known)
            )
    if "email" not in folders:
        return
    # Errors that only show when a template runs, such as an unknown attribute of the tip.
    emails.issue(
        _SAMPLE, tip_key="a-title", number=1, slot=date(2025, 6, 3), recipient=sentinels("x"), archive_links=_BESIDE
    )


def _check_for_old_names(own: Path) -> None:
    """Raise TemplateError if an owner's file or folder still has the name of an older version; it would be ignored."""
    found = [f"{old} is now {new}" for old, new in RENAMED.items() if (own / old).exists()]
    if found:
        raise TemplateError(", ".join(found), fix=f"Rename {'it' if len(found) == 1 else 'them'} in {own}")


def _check_references(engine: Environment, name: str, path: Path) -> None:
    """Raise TemplateError if a template includes, imports, or extends one by the name of an older version."""
    root = name.partition("/")[0]
    for referenced in meta.find_referenced_templates(engine.parse(path.read_text(encoding="utf-8"))):
        old = f"{root}/{referenced}"
        new = RENAMED.get(old) or RENAMED.get(old.rpartition("/")[0])
        if new:
            raise TemplateError(
                f"{old} is now {new}", source=str(path), line=_line_of(path, str(referenced)), fix="Write the new name"
            )


def _check_for_old_words(own: Path, name: str, path: Path) -> None:
    """Raise TemplateError if a template uses a CSS class or an attribute of an older version, unless the owner styles it."""
    root = name.partition("/")[0]
    if (own / STYLED_BY[root]).exists():
        return
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        for old, new in RENAMED_INSIDE[root].items():
            if re.search(_IN_USE.format(re.escape(old)), line):
                raise TemplateError(f"{old!r} is now {new!r}", source=str(path), line=number, fix="Write the new name")


def _names_in(engine: Environment, path: Path) -> set[str]:
    """The variables that a template uses and does not set. Raises TemplateError."""
    try:
        return meta.find_undeclared_variables(engine.parse(path.read_text(encoding="utf-8"), filename=str(path)))
    except TemplateSyntaxError as error:
        raise TemplateError(str(error.message), source=str(path), line=error.lineno) from None
    except (OSError, UnicodeDecodeError) as error:
        raise TemplateError(f"cannot be read: {error}", source=str(path), fix="Save it as UTF-8") from None


def _allowed_names(engine: Environment, name: str, names: set[str], ours: Path) -> set[str]:
    """The variables that our templates in the same folder and its base use, and those that every template may use."""
    folder = name.rpartition("/")[0]
    base = "email/_base" if name.startswith("email") else "web"
    near = [one for one in names if one.rpartition("/")[0] in (folder, base)]
    return (engine.globals.keys() - DEFAULT_NAMESPACE.keys()).union(
        *(_names_in(engine, ours / one) for one in near),
        _ISSUE_NAMES if folder in ISSUE_FOLDERS else (),
        STILL_PASSED[name.partition("/")[0]],
    )


def _line_of(path: Path, name: str) -> int:
    lines = path.read_text(encoding="utf-8").splitlines()
    return next((at for at, line in enumerate(lines, start=1) if re.search(rf"\b{re.escape(name)}\b", line)), 1)


def _fix(known: set[str]) -> str:
    return f"Use one of {', '.join(sorted(known))}"
