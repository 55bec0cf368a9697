"""What the verbs are bound to: clock, store, renderer, keys and sender, each made when first used.

Everything slow (SQLModel, Jinja2, premailer) is imported where it is needed: `newsletter --help` needs none.
"""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from newsletter import importers
from newsletter.actions.archive.read import PublicArchive
from newsletter.actions.calendar.calendar import Calendar
from newsletter.actions.heartbeat import Heartbeat
from newsletter.actions.maintenance import Maintenance
from newsletter.actions.owner.links import PreviewLinks
from newsletter.actions.owner.owner import Owner
from newsletter.actions.subscribers.confirm import ConfirmLinks
from newsletter.actions.subscribers.manage import Subscribers
from newsletter.actions.subscribers.preferences import Preferences
from newsletter.actions.subscribers.signup_limits import SignupLimiter
from newsletter.actions.subscribers.subscribe import Signup
from newsletter.actions.subscribers.suppressions import Suppressions
from newsletter.actions.subscribers.unsubscribe import UnsubscribeLinks
from newsletter.actions.tips.tips import Tips
from newsletter.actions.tips.vote import Feedback
from newsletter.domain.calendar.schedule import Schedule
from newsletter.domain.delivery.delivery import Claim
from newsletter.domain.site import Site
from newsletter.http import link_checker
from newsletter.http.heartbeat import ping
from newsletter.mail.tokens import Signer
from newsletter.mail.verp import SignedAddresses
from newsletter.ports.sending import Sender
from newsletter.ports.store import Clock, Renderer, Store
from newsletter.settings import Settings

if TYPE_CHECKING:
    from newsletter.actions.calendar.plan import Rules
    from newsletter.actions.doctor import Check
    from newsletter.actions.issues.compile import RenderContext
    from newsletter.app.database import Database
    from newsletter.app.issues import Issues, Transactional
    from newsletter.mail.dkim import Dkim

DAEMON = "newsletter run"
COMMAND = "a newsletter command"
NICE = 10
KEY_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"
_TO_LETTERS = (KEY_LETTERS * 8).encode()  # 256 octets: each of the 32 letters stands for 8 of them


def system_clock() -> datetime:
    """The time it is, aware, UTC."""
    return datetime.now(UTC)


def stand_back() -> None:
    """Let visitors come first where cores are short: letters can wait a little. For a process that only sends."""
    with suppress(OSError, AttributeError):  # not on every system, and not for everybody
        os.setpriority(os.PRIO_PROCESS, 0, NICE)


def fresh_key() -> str:
    """A subscriber's key: 16 letters and digits out of 32, 80 bits."""
    return secrets.token_bytes(16).translate(_TO_LETTERS).decode()


def fresh_keys() -> Iterator[str]:
    """As `fresh_key` without end, for many at once."""
    while True:
        many = secrets.token_bytes(16_000).translate(_TO_LETTERS).decode()
        yield from (many[at : at + 16] for at in range(0, len(many), 16))


@dataclass(frozen=True, slots=True)
class SchemaStatus:
    """The schema of the database and the one this program works on; current is "" where there is none."""

    current: str
    head: str

    @property
    def ok(self) -> bool:
        """Can this program work on it?"""
        return self.current == self.head


@dataclass
class App:
    """One newsletter, ready to act: `App(settings)`, or with a clock of your own.

    stop: set it, and sending ends after the letters in flight. bell: rung when a transactional mail was queued.
    serves: this process answers visitors too, so that another one should carry the letters of a large issue.
    """

    settings: Settings
    clock: Clock = system_clock
    stop: threading.Event = field(default_factory=threading.Event)
    bell: threading.Event = field(default_factory=threading.Event)
    serves: bool = False

    @cached_property
    def site(self) -> Site:
        """What the newsletter says of itself, with dates as its language writes them."""
        from newsletter.rendering.catalogs import date_form

        return replace(self.settings.site(), dates=date_form(self.settings.language, self._template_dirs))

    @property
    def _template_dirs(self) -> list[Path]:
        """Where templates are: the owner's files first, then ours."""
        from newsletter.rendering.data import data_dir

        own = [self.settings.templates] if self.settings.templates else []
        return [*own, data_dir() / "templates"]

    @cached_property
    def schedule(self) -> Schedule:
        """When issues are due."""
        return Schedule.parse(self.settings.schedule, self.settings.timezone)

    @cached_property
    def rules(self) -> Rules:
        """What the calendar goes by."""
        from newsletter.actions.calendar.plan import Rules
        from newsletter.domain.calendar.plan import Policy

        settings = self.settings
        approval, unseen = settings.approval == "required", settings.rerun_to == "unseen"
        return Rules(self.schedule, settings.late_window, Policy(settings.rerun_after, unseen=unseen), approval)

    @cached_property
    def signer(self) -> Signer:
        """The keys of all links; raises SettingsError when there is none."""
        return Signer(self.settings.signing_keys())

    @cached_property
    def store(self) -> Store:
        """The database; touched at its first transaction."""
        from newsletter.store.transactions import open_store

        return open_store(self.settings.database_url)

    @cached_property
    def renderer(self) -> Renderer:
        """Templates to mails: the owner's files first, then ours. Raises TemplateError now, not when mail is due."""
        from newsletter.rendering.emails import EmailTemplates

        if self.settings.templates:
            from newsletter.rendering.template_check import check_templates

            check_templates(self.site, self.settings.templates)
        return EmailTemplates(self.site, self._template_dirs)

    @cached_property
    def render_context(self) -> RenderContext:
        """What it takes to make letters."""
        from newsletter.actions.issues.compile import RenderContext

        return RenderContext(self.renderer, self.site, self.signer, self.dkim)

    @cached_property
    def dkim(self) -> Dkim | None:
        """What signs every mail; None when no key is set. Raises SettingsError for one that cannot be used."""
        from newsletter.keys import load_dkim
        from newsletter.mail.headers import mailbox

        domain = mailbox(self.site.from_address).rpartition("@")[2].lower()
        return load_dkim(domain, self.settings.dkim_keys())

    @cached_property
    def envelope_from(self) -> Callable[[Claim], str]:
        """Who the envelope of a letter is from: where its bounce comes back to."""
        bounce = SignedAddresses(self.site, self.signer).bounce
        return lambda claim: bounce(claim.issue_id, claim.subscriber_id)

    @property
    def relay_is_here(self) -> bool:
        """Is the next hop on this machine?"""
        from newsletter.senders.url import parse_sender_urls

        return any(url.is_local for url in parse_sender_urls(" ".join(self.settings.sender_urls())))

    def sender(self) -> Sender:
        """The way to the next hop, not connected yet; raises SettingsError."""
        from newsletter.senders import make_sender

        hostname = urlsplit(self.site.base_url).hostname or "localhost"
        return make_sender(" ".join(self.settings.sender_urls()), hostname=hostname)

    def require_ready(self) -> None:
        """Open what every page needs; raises SchemaError, SettingsError and TemplateError now instead of later."""
        with self.store.read():
            self.signer  # noqa: B018 - raises if there is no secret key
            self.renderer  # noqa: B018 - raises if a template of the owner is broken

    def close(self) -> None:
        """Close the database, if it was used."""
        if "store" in self.__dict__:
            self.store.close()

    # -- what one can do, by noun ---------------------------------------------------------------

    @cached_property
    def tips(self) -> Tips:
        """Import, edit, order, pin, check and explain tips."""
        return Tips(self.store, self.rules, self.clock, importers, link_checker.check_links)

    @cached_property
    def feedback(self) -> Feedback:
        """Record how subscribers answer "was this useful?"."""
        return Feedback(self.store, self.signer)

    @cached_property
    def calendar(self) -> Calendar:
        """What is planned, and the owner's overrides."""
        return Calendar(self.store, self.rules, self.clock)

    @cached_property
    def issues(self) -> Issues:
        """Use cases: issues."""
        from newsletter.app.issues import Issues

        return Issues(self)

    @cached_property
    def archive(self) -> PublicArchive:
        """The tips that were sent, for the public pages and feeds."""
        return PublicArchive(self.store, show_teasers=self.settings.teasers == "show")

    @cached_property
    def subscribers(self) -> Subscribers:
        """Manage subscribers as the owner."""
        return Subscribers(self.store, lambda: self.signer, fresh_keys, self.clock)

    @cached_property
    def signup_limiter(self) -> SignupLimiter:
        """The sign-up limits; one object per process, since it caches refusals."""
        return SignupLimiter()

    @cached_property
    def signup(self) -> Signup:
        """Take sign-ups from the form."""
        return Signup(
            self.store,
            self.signer,
            self.signup_limiter,
            self.site.owner,
            self.settings.blocked_domains,
            fresh_key,
            self.clock,
            self.bell.set,
        )

    @cached_property
    def confirm_links(self) -> ConfirmLinks:
        """Follow the link of a confirmation email."""
        return ConfirmLinks(self.store, self.signer, self.schedule, self.signup_limiter, self.clock, self.bell.set)

    @cached_property
    def unsubscribe_links(self) -> UnsubscribeLinks:
        """Follow the unsubscribe link of an email."""
        return UnsubscribeLinks(self.store, self.signer, self.settings.farewell, self.clock, self.bell.set)

    @cached_property
    def preferences(self) -> Preferences:
        """Follow a personal link to the preferences."""
        return Preferences(
            self.store, self.signer, self.signup_limiter, self.schedule.zone, fresh_key, self.clock, self.bell.set
        )

    @cached_property
    def suppressions(self) -> Suppressions:
        """Manage suppressed addresses."""
        return Suppressions(self.store, self.clock)

    @cached_property
    def transactional(self) -> Transactional:
        """Use cases: transactional."""
        from newsletter.app.issues import Transactional

        return Transactional(self)

    @cached_property
    def owner(self) -> Owner:
        """Emails to the owner."""
        return Owner(self.store, self.rules, self.site.owner, self.clock, self.bell.set)

    @cached_property
    def preview_links(self) -> PreviewLinks:
        """The links in previews; raises SettingsError when there is no key."""
        return PreviewLinks(self.calendar, self.signer)

    @cached_property
    def heartbeat(self) -> Heartbeat:
        """Heartbeats to a dead man's switch."""
        return Heartbeat(self.store, self.rules, self.settings.ping_url, ping, self.clock)

    @cached_property
    def maintenance(self) -> Maintenance:
        """Hourly maintenance."""
        return Maintenance(self.store, self.clock, self.bell.set)

    @cached_property
    def database(self) -> Database:
        """Use cases: database."""
        from newsletter.app.database import Database

        return Database(self)

    def doctor(self) -> list[Check]:
        """Every check, each with its fix."""
        import sqlite3

        from newsletter.actions.doctor import check

        return check(
            self.store,
            rules=self.rules,
            site=self.site,
            has_key=bool(self.settings.secret_key),
            has_sender=bool(self.settings.sender_url),
            has_heartbeat=bool(self.settings.ping_url),
            warnings=self.settings.warnings,
            sqlite_version=sqlite3.sqlite_version,
            dkim=lambda: self.dkim,
            preview=self.issues.preview,
            now=self.clock(),
        )
