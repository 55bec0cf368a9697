"""Build one newsletter from its settings: its adapters, and the use cases of each noun.

Each part is built when it is first used, so a command needs only what it works with: `issues list` needs no secret key,
`doctor` reports broken settings instead of failing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from newsletter.actions.archive.read import PublicArchive
from newsletter.actions.calendar.calendar import Calendar
from newsletter.actions.calendar.plan import Rules
from newsletter.actions.delivery.deliver import Delivery
from newsletter.actions.heartbeat import Heartbeat
from newsletter.actions.issues.compile import RenderContext
from newsletter.actions.issues.errors import Errors
from newsletter.actions.issues.issues import Issues
from newsletter.actions.issues.preview import Preview
from newsletter.actions.issues.publish import Publisher
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
from newsletter.actions.tips.tips import FileFormats, Tips
from newsletter.actions.tips.vote import Feedback
from newsletter.actions.transactional import Transactional
from newsletter.actions.trouble import Trouble
from newsletter.app.process import available_cores, system_clock
from newsletter.app.worker import WorkerStarter
from newsletter.domain.calendar.plan import Policy
from newsletter.domain.calendar.schedule import Schedule
from newsletter.domain.delivery.delivery import Claim
from newsletter.domain.delivery.processes import WorkerPolicy
from newsletter.domain.read_dates import is_day_first
from newsletter.domain.site import Site
from newsletter.http import link_checker
from newsletter.http.heartbeat import ping
from newsletter.keys import fresh_key, fresh_keys, load_dkim
from newsletter.mail.dkim import Dkim
from newsletter.mail.headers import mailbox
from newsletter.mail.tokens import Signer
from newsletter.mail.verp import SignedAddresses
from newsletter.ports.clock import Clock
from newsletter.ports.rendering import Renderer
from newsletter.ports.sending import Sender
from newsletter.ports.store import Store
from newsletter.rendering.catalogs import date_form
from newsletter.rendering.data import data_dir
from newsletter.senders import make_sender
from newsletter.senders.url import parse_sender_urls
from newsletter.settings import Settings

if TYPE_CHECKING:
    from newsletter.actions.doctor import Doctor
    from newsletter.app.database import Database


@dataclass
class App:
    """One newsletter: `App(settings)`, or with a clock of your own.

    stop: set it to end sending after the emails in flight. email_queued: set whenever a transactional email was queued.
    serves: this process runs the website too; set it before the first use case is used.
    """

    settings: Settings
    clock: Clock = system_clock
    stop: threading.Event = field(default_factory=threading.Event)
    email_queued: threading.Event = field(default_factory=threading.Event)
    serves: bool = False

    @cached_property
    def site(self) -> Site:
        """The facts of this newsletter that emails and pages show, with dates in the form of its language."""
        dates = date_form(self.settings.language, self._template_dirs)
        return replace(self.settings.site(), dates=dates, zone=self.schedule.zone)

    @property
    def _template_dirs(self) -> list[Path]:
        """The directories of templates: the owner's first, then ours."""
        own = [self.settings.templates] if self.settings.templates else []
        return [*own, data_dir() / "templates"]

    @cached_property
    def schedule(self) -> Schedule:
        """When issues are due."""
        return Schedule.parse(self.settings.schedule, self.settings.timezone)

    @cached_property
    def rules(self) -> Rules:
        """The rules of the calendar."""
        settings = self.settings
        policy = Policy(settings.rerun_after, unseen=settings.rerun_to == "unseen")
        return Rules(
            self.schedule,
            settings.late_window,
            policy,
            approval=settings.approval == "required",
            first_issue=settings.first_issue,
            day_first=is_day_first(settings.language),
        )

    @cached_property
    def signer(self) -> Signer:
        """Signs and checks the tokens in links; raises SettingsError without a secret key."""
        return Signer(self.settings.signing_keys())

    @cached_property
    def store(self) -> Store:
        """The database; opened by its first transaction."""
        from newsletter.store.transactions import open_store  # noqa: PLC0415 - imports sqlmodel

        return open_store(self.settings.database_url)

    @cached_property
    def renderer(self) -> Renderer:
        """The email templates, the owner's before ours. Raises TemplateError now, before any email is due."""
        from newsletter.rendering.emails import EmailTemplates  # noqa: PLC0415 - 45 ms, and only rendering needs it

        if self.settings.templates:
            from newsletter.rendering.template_check import check_templates  # noqa: PLC0415 - as above

            check_templates(self.site, self.settings.templates)
        return EmailTemplates(self.site, self._template_dirs)

    @cached_property
    def render_context(self) -> RenderContext:
        """What every email needs. Raises SettingsError and TemplateError."""
        return RenderContext(self.renderer, self.site, self.signer, self.dkim)

    @cached_property
    def dkim(self) -> Dkim | None:
        """The DKIM signatures; None if no key is set. Raises SettingsError for an unusable one."""
        domain = mailbox(self.site.from_address).rpartition("@")[2].lower()
        return load_dkim(domain, self.settings.dkim_keys())

    @cached_property
    def envelope_from(self) -> Callable[[Claim], str]:
        """The envelope sender of an email, to which its bounce is returned: see NEWSLETTER_ENVELOPE."""
        if not self.settings.uses_verp:
            plain = mailbox(self.site.from_address)
            return lambda _claim: plain
        bounce = SignedAddresses(self.site, self.signer).bounce
        return lambda claim: bounce(claim.issue_id, claim.subscriber_id)

    def sender(self) -> Sender:
        """The mail servers, not connected yet; raises SettingsError."""
        hostname = urlsplit(self.site.base_url).hostname or "localhost"
        return make_sender(" ".join(self.settings.sender_urls()), hostname=hostname)

    @cached_property
    def trouble(self) -> Trouble:
        """What keeps emails from leaving."""
        return Trouble(self.store, self.rules, self.clock)

    @cached_property
    def worker_policy(self) -> WorkerPolicy:
        """When to start a second sending process."""
        urls = parse_sender_urls(" ".join(self.settings.sender_urls()))
        return WorkerPolicy(
            threshold=self.settings.second_process,
            cores=available_cores(),
            relay_is_local=any(url.is_local for url in urls),
            is_loaded=self.serves or self.dkim is not None,
        )

    @cached_property
    def start_worker(self) -> WorkerStarter:
        """Starts second sending processes."""
        from newsletter.store.sqlite.database import sqlite_path  # noqa: PLC0415 - imports sqlmodel

        return WorkerStarter(self.settings, sqlite_path(self.settings.database_url), self.clock)

    def require_ready(self) -> None:
        """Open what every page needs; raises SchemaError, SettingsError and TemplateError now instead of later."""
        with self.store.read():
            self.signer  # noqa: B018 - raises if there is no secret key
            self.renderer  # noqa: B018 - raises if a template of the owner is broken

    def close(self) -> None:
        """Close the database, if it was used."""
        if "store" in self.__dict__:
            self.store.close()

    # -- use cases, by noun ------------------------------------------------------------------------

    @cached_property
    def tips(self) -> Tips:
        """Import, edit, order, pin, check and explain tips."""
        return Tips(self.store, self.rules, self.clock, self._file_formats, link_checker.check_links)

    def _file_formats(self) -> FileFormats:
        from newsletter import importers  # noqa: PLC0415 - 40 ms, only for files of tips

        return importers.Formats(self.rules.schedule.zone, day_first=self.day_first)

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
        """Look at issues, publish, send, pause, resume, cancel and retry them."""
        return Issues(
            store=self.store,
            rules=self.rules,
            clock=self.clock,
            stop=self.stop,
            sender=self.sender,
            hold_in_doubt=self.settings.holds_in_doubt,
            publisher=lambda: self.publisher,
            delivery=lambda: self.delivery,
        )

    @property
    def publisher(self) -> Publisher:
        """Freeze the issue of a slot."""
        return Publisher(self.store, self.render_context, self.rules, self.errors)

    @cached_property
    def errors(self) -> Errors:
        """What stops an issue. Raises SettingsError and TemplateError."""
        from newsletter.rendering.preflight import preflight  # noqa: PLC0415 - lxml is slow

        return Errors(self.store, self.render_context, self.rules, preflight)

    @cached_property
    def delivery(self) -> Delivery:
        """Send a frozen issue. Raises SettingsError and TemplateError."""
        return Delivery(
            store=self.store,
            rules=self.rules,
            render_context=self.render_context,
            sender=self.sender,
            envelope_from=self.envelope_from,
            clock=self.clock,
            stop=self.stop,
            owner=self.site.owner,
            worker_policy=self.worker_policy,
            start_worker=self.start_worker,
            serves=self.serves,
        )

    @cached_property
    def preview(self) -> Preview:
        """Preview the next issue. Raises SettingsError and TemplateError."""
        from newsletter.rendering.preflight import preflight  # noqa: PLC0415 - 44 ms, mostly lxml
        from newsletter.rendering.side_by_side import side_by_side  # noqa: PLC0415 - as above

        return Preview(
            store=self.store,
            rules=self.rules,
            render_context=self.render_context,
            clock=self.clock,
            sender=self.sender,
            envelope_from=self.envelope_from,
            to=next(iter(self.site.owner), self.site.from_address),
            check=preflight,
            page=lambda message: side_by_side(message, preflight(message)),
            page_path=self.settings.data_dir / "preview.html",
        )

    @cached_property
    def archive(self) -> PublicArchive:
        """The tips that were sent, for the public pages and feeds."""
        return PublicArchive(self.store, show_teasers=self.settings.teasers == "show")

    @cached_property
    def subscribers(self) -> Subscribers:
        """Manage subscribers as the owner."""
        return Subscribers(
            self.store, lambda: self.signer, fresh_keys, self.clock, zone=self.schedule.zone, day_first=self.day_first
        )

    @property
    def day_first(self) -> bool:
        """Is 4/9/2024 September 4 in the language of the newsletter?"""
        return is_day_first(self.settings.language)

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
            self.email_queued.set,
        )

    @cached_property
    def confirm_links(self) -> ConfirmLinks:
        """Follow the link of a confirmation email."""
        return ConfirmLinks(self.store, self.signer, self.signup_limiter, self.clock, self.email_queued.set)

    @cached_property
    def unsubscribe_links(self) -> UnsubscribeLinks:
        """Follow the unsubscribe link of an email."""
        return UnsubscribeLinks(
            self.store, self.signer, self.settings.unsubscribe_email, self.clock, self.email_queued.set
        )

    @cached_property
    def preferences(self) -> Preferences:
        """Follow a personal link to the preferences."""
        return Preferences(
            self.store,
            self.signer,
            self.signup_limiter,
            self.schedule.zone,
            self.rules.day_first,
            fresh_key,
            self.clock,
            self.email_queued.set,
        )

    @cached_property
    def suppressions(self) -> Suppressions:
        """Manage suppressed addresses."""
        return Suppressions(self.store, self.clock)

    @cached_property
    def transactional(self) -> Transactional:
        """Send the queued transactional emails. Raises SettingsError and TemplateError."""
        return Transactional(
            store=self.store,
            rules=self.rules,
            renderer=self.renderer,
            site=self.site,
            signer=self.signer,
            sender=self.sender,
            clock=self.clock,
            stop=self.stop,
            dkim=self.dkim,
            serves=self.serves,
        )

    @cached_property
    def owner(self) -> Owner:
        """Emails to the owner."""
        return Owner(self.store, self.rules, self.site.owner, self.clock, self.email_queued.set, lambda: self.errors)

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
        return Maintenance(self.store, self.signup_limiter, self.site.owner, self.clock, self.email_queued.set)

    @cached_property
    def database(self) -> Database:
        """Upgrade, back up, restore and adopt the database."""
        from newsletter.app.database import Database  # noqa: PLC0415 - imports sqlmodel and alembic

        return Database(self.settings, self.clock, lambda: self.store)

    @cached_property
    def doctor(self) -> Doctor:
        """Check the installation."""
        from newsletter.app.checks import make_doctor  # noqa: PLC0415 - only `doctor` needs it

        return make_doctor(self)
