"""What `newsletter doctor` checks: the settings, the mail servers, the database, the next email."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from newsletter.actions.doctor import Doctor
from newsletter.actions.doctor_lists import ListToCheck
from newsletter.domain.delivery.delivery import Claim
from newsletter.domain.errors import NewsletterError
from newsletter.mail.headers import mailbox
from newsletter.mail.tokens import SAMPLE_KEY
from newsletter.ports.sending import RelayCheck
from newsletter.senders.check import check_senders

if TYPE_CHECKING:
    from newsletter.app.wiring import App


def make_doctor(app: App) -> Doctor:
    """The doctor of a newsletter. What may raise is called only while it checks, so that it can be reported."""
    settings = app.settings
    return Doctor(
        store=app.store,
        rules=app.rules,
        site=app.site,
        clock=app.clock,
        has_key=bool(settings.secret_key),
        has_sender=bool(settings.sender_url),
        warnings=settings.warnings,
        sqlite_version=sqlite3.sqlite_version,
        preview=lambda: app.preview.message(),  # noqa: PLW0108 - `app.preview` may raise
        dkim=lambda: app.dkim,
        has_heartbeat=bool(settings.ping_url),
        relays=lambda: check_relays(app),
        signer=(lambda: app.signer) if settings.secret_key else None,
        wrong_files=lambda: app.database.wrong_files(),  # noqa: PLW0108 - may raise
        lists=lambda: _other_lists(app),
    )


def _other_lists(app: App) -> Sequence[ListToCheck]:
    return [ListToCheck(one, partial(_preview, app, one.key)) for one in app.lists_in_use() if one.key != app.list_key]


def _preview(app: App, key: str) -> object:
    return app.of_list(key).preview.message()


def check_relays(app: App) -> Sequence[RelayCheck]:
    """Ask each mail server whether it would take an issue for the owner; nothing is sent. Raises SettingsError."""
    plain = mailbox(app.site.from_address)
    owner = mailbox(next(iter(app.site.owner), app.site.from_address))
    sample = Claim(1, 1, SAMPLE_KEY, owner, "", "", 1, app.clock())
    of_issues = app.envelope_from(sample) if app.settings.secret_key else plain
    others = [mailbox(one.site.from_address) for one in _lists_of(app)]
    return check_senders(
        " ".join(app.settings.sender_urls()),
        hostname=urlsplit(app.site.base_url).hostname or "localhost",
        senders=list(dict.fromkeys((of_issues, plain, *others))),
        recipient=owner,
    )


def _lists_of(app: App) -> Sequence[App]:
    """The lists with their own From addresses; none from a database that cannot be used, which another check reports."""
    try:
        return app.each_list()
    except NewsletterError:
        return ()
