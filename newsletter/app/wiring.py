"""Build the use cases of one newsletter, by noun, from its adapters.

Each part is built when it is first used, so a command needs only what it works with: `issues list` needs no secret key,
`doctor` reports broken settings instead of failing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING

from newsletter.actions.archive.read import PublicArchive
from newsletter.actions.calendar.approval import words_of
from newsletter.actions.calendar.calendar import Calendar
from newsletter.actions.calendar.plan import Rules
from newsletter.actions.composer import ListParts
from newsletter.actions.delivery.deliver import Delivery
from newsletter.actions.heartbeat import Heartbeat
from newsletter.actions.issues.errors import Errors
from newsletter.actions.issues.issues import Issues
from newsletter.actions.issues.preview import Preview
from newsletter.actions.issues.publish import Publisher
from newsletter.actions.lists import Lists
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
from newsletter.actions.transactional import Transactional
from newsletter.actions.trouble import ListInUse, Trouble
from newsletter.app.parts import Parts
from newsletter.domain.calendar.schedule import Schedule
from newsletter.domain.errors import NewsletterError
from newsletter.domain.lists import FIRST_LIST, FROM_SETTINGS, MailingList, list_of_issue
from newsletter.domain.tips.tip import TipFull
from newsletter.http import link_checker
from newsletter.http.download import download
from newsletter.http.heartbeat import ping
from newsletter.keys import fresh_key, fresh_keys
from newsletter.settings import variable, with_own

if TYPE_CHECKING:
    from newsletter.actions.doctor import Doctor
    from newsletter.app.database import Database


@dataclass
class App(Parts):
    """One newsletter: `App(settings)`, or with a clock of your own."""

    # -- lists -------------------------------------------------------------------------------------

    @cached_property
    def lists(self) -> Lists:
        """The lists of this installation."""
        return Lists(self.store, self.clock, self._settings_of)

    def of_list(self, key: str) -> App:
        """The same for another list; raises NotFound. Without any key, and for the key of this list: this one."""
        if not key:
            return self
        with self.store.read() as tx:
            return self.made(tx.lists.get(key))

    def title_of(self, key: str) -> str:
        """The title of another list; raises NotFound."""
        return self.of_list(key).site.title

    def of_issue(self, number: int) -> App:
        """The same for the list of an issue, by its id."""
        return self.of_list_id(list_of_issue(number))

    def of_list_id(self, list_id: int) -> App:
        """The same for another list, retired or not; this one if there is no such list."""
        if list_id == self.list_id:
            return self
        with self.store.read() as tx:
            lists = tx.lists.each(retired=True)
        return next((self.made(one) for one in lists if one.id == list_id), self)

    def of_tip(self, key: str) -> App:
        """The same for the list of a tip; this one if there is no such tip."""
        with self.store.read() as tx:
            _, list_id = tx.archive.whereabouts(key) or (key, FIRST_LIST)
        return self.of_list_id(list_id)

    def each_list(self) -> list[App]:
        """The same for each list that is not retired, in their order; without those whose own settings cannot be used."""
        return self.usable_lists()[0]

    def rules_of_lists(self) -> dict[int, Rules]:
        """The rules of each list that is not retired, by its id. Raises SettingsError for one that cannot be used."""
        with self.store.read() as tx:
            lists = tx.lists.each()
        return {one.id: self.made(one).rules for one in lists}

    def usable_lists(self) -> tuple[list[App], dict[str, NewsletterError]]:
        """As `each_list`, and why others cannot be used, by their keys."""
        with self.store.read() as tx:
            lists = tx.lists.each()
        usable, errors = list[App](), dict[str, NewsletterError]()
        for one in lists:
            try:
                app = self.made(one)
                app.rules  # noqa: B018 - raises if a setting of the list cannot be used
                usable.append(app)
            except NewsletterError as error:
                errors[one.key] = error
        return usable, errors

    def made(self, found: MailingList) -> App:
        """The same for a list that is known."""
        if found.id == self.list_id:
            return self
        if self.whole:
            return self.whole.made(found)
        known = self._apps.get(found.id)
        if known is None or known[0] != found:  # the owner may have changed it since
            known = self._apps[found.id] = (found, self._made(found))
        return known[1]

    def _made(self, found: MailingList) -> App:
        return App(
            with_own(self.settings, found.own, f"the list {found.key}"),
            self.clock,
            self.stop,
            self.email_queued,
            self.serves,
            found.id,
            found.key,
            self,
        )

    def _settings_of(self, own: Mapping[str, str]) -> Mapping[str, str]:
        """The texts of a list's settings, its own and the inherited ones; raises what a wrong value raises."""
        settings = with_own(self.settings, own, "")
        Schedule.parse(settings.schedule, settings.timezone)
        return {field: settings.texts[variable(field)] for field in FROM_SETTINGS}

    @cached_property
    def _apps(self) -> dict[int, tuple[MailingList, App]]:
        return {}

    # -- use cases, by noun ------------------------------------------------------------------------

    @cached_property
    def tips(self) -> Tips:
        """Import, edit, order, pin, check and explain tips."""
        return Tips(
            self.store,
            self.rules,
            self.clock,
            self.file_formats,
            link_checker.check_links,
            self.media,
            download,
            lambda: self.errors,
        )

    @cached_property
    def feedback(self) -> Feedback:
        """Record how subscribers answer "was this useful?"."""
        return Feedback(self.store, self.signer)

    @cached_property
    def calendar(self) -> Calendar:
        """What is planned, and the owner's overrides."""
        return Calendar(self.store, self.rules, self.clock, self.words)

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
            words=self.words,
            owner=self.site.owner,
        )

    @property
    def publisher(self) -> Publisher:
        """Freeze the issue of a slot."""
        return Publisher(self.store, self.render_context, self.rules, self.errors)

    def words(self, tip: TipFull, slot: date) -> str:
        """A digest of what the email about a tip says; an approval is for these words. Raises TemplateError."""
        return words_of(self.renderer, self.site, tip, slot)

    @cached_property
    def errors(self) -> Errors:
        """What stops an issue. Raises SettingsError and TemplateError."""
        from newsletter.rendering.preflight import preflight  # noqa: PLC0415 - lxml is slow

        return Errors(self.store, self.render_context, self.rules, preflight, self.media.has)

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
            page_path=self.settings.data_dir / f"preview{self._suffix}.html",
        )

    @property
    def _suffix(self) -> str:
        return "" if self.whole is None else f"-{self.list_key}"

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

    @cached_property
    def signup_limiter(self) -> SignupLimiter:
        """The sign-up limits; one object per process, since it caches refusals."""
        return self.whole.signup_limiter if self.whole else SignupLimiter()

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
            self.lists.offered,
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
        """Send the queued transactional emails. Raises SettingsError."""
        if self.whole:
            return self.whole.transactional
        return Transactional(
            store=self.store,
            parts_of=lambda list_id: self.of_list_id(list_id).list_parts,
            signer=self.signer,
            sender=self.sender,
            clock=self.clock,
            stop=self.stop,
            serves=self.serves,
        )

    @property
    def list_parts(self) -> ListParts:
        """What the transactional emails of this list are made with."""
        return ListParts(
            self.list_id, self.store, self.rules, self.transactional_renderer, self.site, self.dkim, self.title_of
        )

    @cached_property
    def owner(self) -> Owner:
        """Emails to the owner."""
        return Owner(
            self.store,
            self.rules,
            self.site.owner,
            self.clock,
            self.email_queued.set,
            lambda: self.errors,
            self.words,
            lambda to, values: self.transactional.send_alert(to, values),  # noqa: PLW0108 - built only when it is needed
        )

    @cached_property
    def preview_links(self) -> PreviewLinks:
        """The links in previews; raises SettingsError when there is no key."""
        return PreviewLinks(lambda list_id: self.of_list_id(list_id).calendar, self.signer)

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
    def trouble(self) -> Trouble:
        """What keeps emails from leaving."""
        return Trouble(self.store, self.clock, self.lists_in_use)

    def lists_in_use(self) -> list[ListInUse]:
        """Every list that is not retired, also one whose own settings cannot be used."""
        usable, errors = self.usable_lists()
        return [
            *(ListInUse(app.list_key, app.store, app.rules) for app in usable),
            *(ListInUse(key, self.store, self.rules, str(error)) for key, error in errors.items()),
        ]

    @cached_property
    def doctor(self) -> Doctor:
        """Check the installation."""
        from newsletter.app.checks import make_doctor  # noqa: PLC0415 - only `doctor` needs it

        return make_doctor(self)
