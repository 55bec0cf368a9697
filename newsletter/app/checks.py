"""What `newsletter doctor` checks: the settings, the mail servers, the database, the next email."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from newsletter.actions.doctor import Doctor
from newsletter.domain.delivery.delivery import Claim
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
    )


def check_relays(app: App) -> Sequence[RelayCheck]:
    """Ask each mail server whether it would take an issue for the owner; nothing is sent. Raises SettingsError."""
    plain = mailbox(app.site.from_address)
    owner = mailbox(next(iter(app.site.owner), app.site.from_address))
    sample = Claim(1, 1, SAMPLE_KEY, owner, "", "", 1, app.clock())
    of_issues = app.envelope_from(sample) if app.settings.secret_key else plain
    return check_senders(
        " ".join(app.settings.sender_urls()),
        hostname=urlsplit(app.site.base_url).hostname or "localhost",
        senders=list(dict.fromkeys((of_issues, plain))),
        recipient=owner,
    )
