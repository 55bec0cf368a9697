"""Build the adapters of one newsletter from its settings.

Each is built when it is first used: `doctor` reports broken settings instead of failing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from newsletter.actions.calendar.plan import Rules
from newsletter.actions.issues.compile import RenderContext
from newsletter.actions.tips.tips import FileFormats
from newsletter.actions.unsent import FOR_THE_OWNER
from newsletter.app.process import available_cores, system_clock
from newsletter.app.worker import WorkerStarter
from newsletter.domain.calendar.plan import Policy
from newsletter.domain.calendar.schedule import Schedule
from newsletter.domain.delivery.delivery import Claim
from newsletter.domain.delivery.processes import WorkerPolicy
from newsletter.domain.errors import TemplateError
from newsletter.domain.lists import FIRST_KEY, FIRST_LIST
from newsletter.domain.read_dates import is_day_first
from newsletter.domain.site import Site
from newsletter.domain.tips.pictures import FOLDER
from newsletter.keys import load_dkim
from newsletter.mail.dkim import Dkim
from newsletter.mail.headers import mailbox
from newsletter.mail.tokens import Signer
from newsletter.mail.verp import SignedAddresses
from newsletter.ports.clock import Clock
from newsletter.ports.pictures import Media
from newsletter.ports.rendering import Renderer
from newsletter.ports.sending import Sender
from newsletter.ports.store import Store
from newsletter.rendering.catalogs import date_form
from newsletter.rendering.data import data_dir
from newsletter.senders import make_sender
from newsletter.senders.url import parse_sender_urls
from newsletter.settings import Settings

if TYPE_CHECKING:
    from newsletter.app.wiring import App


@dataclass
class Parts:
    """The adapters of one newsletter, and the facts that use cases need.

    stop: set it to end sending after the emails in flight. email_queued: set whenever a transactional email was queued.
    serves: this process runs the website too; set it before the first use case is used. list_id, list_key: the list that
    this object is about; whole: the App of the first list, which the others share their store, sender, and keys with.
    """

    settings: Settings
    clock: Clock = system_clock
    stop: threading.Event = field(default_factory=threading.Event)
    email_queued: threading.Event = field(default_factory=threading.Event)
    serves: bool = False
    list_id: int = FIRST_LIST
    list_key: str = FIRST_KEY
    whole: App | None = None

    @cached_property
    def site(self) -> Site:
        """The facts of this newsletter that emails and pages show, with dates in the form of its language."""
        dates = date_form(self.settings.language, self._template_dirs)
        site = replace(self.settings.site(), dates=dates, zone=self.schedule.zone)
        if self.list_id == FIRST_LIST:
            return site
        with self.store.read() as tx:
            mine = tx.lists.mine()
        return replace(
            site,
            headline="",  # that of the settings is about the first list
            list_key=mine.key,
            description=mine.description,
            is_public=mine.public,
            is_retired=mine.retired_at is not None,
        )

    @property
    def shown_key(self) -> str:
        """The key of the list as texts and advice have it: "" for the first one."""
        return "" if self.list_id == FIRST_LIST else self.list_key

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
            list_key=self.shown_key,
        )

    @cached_property
    def signer(self) -> Signer:
        """Signs and checks the tokens in links; raises SettingsError without a secret key."""
        return self.whole.signer if self.whole else Signer(self.settings.signing_keys())

    @cached_property
    def store(self) -> Store:
        """The database; opened by its first transaction."""
        if self.whole:
            return self.whole.store.of_list(self.list_id)
        from newsletter.store.transactions import open_store  # noqa: PLC0415 - imports sqlmodel

        return open_store(self.settings.database_url)

    @cached_property
    def media(self) -> Media:
        """The files of pictures."""
        from newsletter.store.media import MediaFolder  # noqa: PLC0415 - as above

        return MediaFolder(self.settings.data_dir / FOLDER)

    def file_formats(self) -> FileFormats:
        """The formats of files with tips."""
        from newsletter import importers  # noqa: PLC0415 - 40 ms, only for files of tips

        return importers.Formats(self.rules.schedule.zone, day_first=self.day_first)

    @property
    def day_first(self) -> bool:
        """Is 4/9/2024 September 4 in the language of the newsletter?"""
        return is_day_first(self.settings.language)

    @cached_property
    def renderer(self) -> Renderer:
        """The email templates, the owner's before ours. Raises TemplateError now, before any email is due."""
        from newsletter.rendering.emails import EmailTemplates  # noqa: PLC0415 - 45 ms, and only rendering needs it

        if self.settings.templates:
            from newsletter.rendering.template_check import check_templates  # noqa: PLC0415 - as above

            check_templates(self.site, self.settings.templates)
        return EmailTemplates(self.site, self._template_dirs, self.schedule.days)

    @cached_property
    def transactional_renderer(self) -> Renderer:
        """The same for transactional emails; emails to the owner use our templates if hers are broken."""
        from newsletter.rendering.emails import EmailTemplates  # noqa: PLC0415 - as above
        from newsletter.rendering.fallback import FallbackRenderer  # noqa: PLC0415 - as above

        return FallbackRenderer(
            lambda: self.renderer,
            lambda: EmailTemplates(self.site, self._template_dirs[-1:], self.schedule.days),
            FOR_THE_OWNER,
        )

    @cached_property
    def render_context(self) -> RenderContext:
        """What every email needs. Raises SettingsError and TemplateError."""
        return RenderContext(self.renderer, self.site, self.signer, self.dkim, self.title_of)

    def title_of(self, key: str) -> str:
        """The title of another list."""
        raise NotImplementedError

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
        """The mail servers, not connected yet; raises SettingsError. Always the same, since it learns how they are."""
        return self._sender

    @cached_property
    def _sender(self) -> Sender:
        if self.whole:
            return self.whole.sender()
        hostname = urlsplit(self.site.base_url).hostname or "localhost"
        return make_sender(" ".join(self.settings.sender_urls()), hostname=hostname)

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

        path = sqlite_path(self.settings.database_url)
        return WorkerStarter(self.settings, self.list_id, self.list_key, path, self.clock)

    def require_ready(self) -> None:
        """Open what every page needs; raises SchemaError, SettingsError and TemplateError now instead of later."""
        with self.store.read():
            self.signer  # noqa: B018 - raises if there is no secret key
            self.renderer  # noqa: B018 - raises if a template of the owner is broken

    def may_use_own_pages(self) -> bool:
        """Can the owner's templates of pages be used, whatever is wrong with those of emails? True without any."""
        from newsletter.rendering.template_check import check_templates  # noqa: PLC0415 - as above

        try:
            if self.settings.templates:
                check_templates(self.site, self.settings.templates, ["web"])
        except TemplateError:
            return False
        return True

    def close(self) -> None:
        """Close the database, if it was used."""
        if self.whole:
            self.whole.close()
        elif "store" in self.__dict__:
            self.store.close()
