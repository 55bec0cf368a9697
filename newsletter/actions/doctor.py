"""Check an installation, one line per check, each with how to fix it; nothing is changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from newsletter.actions.calendar.course import has_nobody
from newsletter.actions.calendar.plan import Rules
from newsletter.actions.check import Check, error, fine, hint, warning
from newsletter.actions.doctor_lists import ListToCheck, next_email, other_list, sent_checks, tip_checks
from newsletter.actions.doctor_sending import relay_checks
from newsletter.actions.unsent import in_words, unsent_emails
from newsletter.domain.delivery.heartbeat import HeartbeatCall
from newsletter.domain.english import plural
from newsletter.domain.errors import NewsletterError, SchemaError
from newsletter.domain.site import Site
from newsletter.mail.dkim import Dkim
from newsletter.mail.tokens import Signer
from newsletter.ports.clock import Clock
from newsletter.ports.sending import RelayCheck
from newsletter.ports.store import Store, Tx
from newsletter.ports.transactional import UnsentEmails

WAL_RESET_FIXED = (3, 51, 3)  # https://sqlite.org/wal.html: the WAL-reset bug
EXAMPLE_DOMAINS = ("example.org", "example.com", "example.net")  # RFC 2606 section 3


@dataclass(frozen=True)
class Doctor:
    """Checks settings, database, tips, the last slot and the next email.

    warnings: misspelt settings. sqlite_version: for example `3.51.3`. dkim: the signatures, or raises SettingsError.
    preview: composes the next email, or raises. wrong_files: (sentence, fix) for files with a wrong owner or mode.
    relays: asks the mail servers, see `senders.check`. signer: None without a secret key. lists: those after the first.
    """

    store: Store
    rules: Rules
    site: Site
    clock: Clock
    has_key: bool
    has_sender: bool
    warnings: Sequence[str]
    sqlite_version: str
    preview: Callable[[], object]
    dkim: Callable[[], Dkim | None] = lambda: None
    has_heartbeat: bool = False
    wrong_files: Callable[[], Sequence[tuple[str, str]]] = tuple
    relays: Callable[[], Sequence[RelayCheck]] = tuple
    signer: Callable[[], Signer] | None = None
    lists: Callable[[], Sequence[ListToCheck]] = tuple

    def check(self) -> list[Check]:
        """Every check, in the order in which to fix what they find."""
        return [*self._settings(), *self._relays(), self._dkim(), *self._files(), *self._database()]

    # -- the settings ------------------------------------------------------------------------------

    def _settings(self) -> Iterator[Check]:
        site = self.site
        if self.warnings:
            yield error("names", "; ".join(self.warnings), "Correct the name in the environment or in the env file")
        else:
            yield fine("names", "all NEWSLETTER_ settings are known")
        yield self._secret_key()
        yield self._sender()
        yield _not_an_example("from_address", "NEWSLETTER_FROM", site.from_address, "emails are sent from")
        yield _not_an_example("owner", "NEWSLETTER_OWNER", ", ".join(site.owner), "alerts are sent to")
        if site.postal_address:
            yield fine("postal_address", "the footer has a postal address")
        else:
            yield warning(
                "postal_address",
                "the footer has no postal address, which the law of many countries requires (CAN-SPAM, 15 U.S.C. 7704)",
                "Set NEWSLETTER_POSTAL_ADDRESS",
            )
        yield _base_url(site.base_url)

    def _secret_key(self) -> Check:
        if self.has_key:
            return fine("secret_key", "a secret key is set")
        return error("secret_key", "NEWSLETTER_SECRET_KEY is not set, so no link can be signed", "Run: newsletter init")

    def _sender(self) -> Check:
        if self.has_sender:
            return fine("sender", "a mail server is configured")
        return error(
            "sender",
            "NEWSLETTER_SENDER_URL is not set, so no email can be sent",
            "Set it, for example to smtp://user:password@host:587",
        )

    def _relays(self) -> Iterator[Check]:
        try:
            yield from relay_checks(self.relays() if self.has_sender else ())
        except NewsletterError as found:
            yield error("relay", found.message, found.fix)

    def _dkim(self) -> Check:
        try:
            dkim = self.dkim()
        except NewsletterError as found:
            return error("dkim", found.message, found.fix)
        if dkim is None:
            return fine("dkim", "emails are not signed with DKIM here; your relay is expected to sign them")
        records = (f"{key.selector}._domainkey.{dkim.domain} TXT {key.record}" for key in dkim.keys)
        return fine("dkim", f"emails are signed with DKIM; your DNS must contain: {', '.join(records)}")

    def _files(self) -> Iterator[Check]:
        found = self.wrong_files()
        for message, fix in found:
            yield warning("files", message, fix)
        if not found:
            yield fine("files", "the files of the newsletter belong to one user, and no other user can read them")

    # -- the database ------------------------------------------------------------------------------

    def _database(self) -> Iterator[Check]:
        try:
            with self.store.read() as tx:
                yield fine("database", "the database schema is current")
                yield self._hold()
                yield _sqlite(self.sqlite_version)
                yield _invariants(tx)
                now = self.clock()
                yield from tip_checks(tx, self.rules, now)
                yield from sent_checks(tx, self.rules, now, self.signer, is_sending=self.store.holder() is not None)
                if self.has_heartbeat:
                    yield _heartbeat(tx.calendar.last_heartbeat())
                waiting, unsent = tx.transactional.waiting(), unsent_emails(tx, now)
                has_tips = bool(tx.tips.cards()) and not has_nobody(tx)
        except SchemaError as found:
            yield error("database", found.message, found.fix or "Run: newsletter db upgrade")
            return
        yield self._transactional(waiting, unsent)
        if has_tips:
            yield next_email(self.preview)
        for one in self.lists():
            yield from other_list(one, self.clock(), self.signer, is_sending=self.store.holder() is not None)

    def _hold(self) -> Check:
        if why := self.store.hold_reason():
            fix = "If no other copy of this database sends, run: newsletter db adopt"
            return error("installation", f"nothing is sent from this database: {why}", fix)
        return fine("installation", "this database is not a copy of another one")

    def _transactional(self, waiting: int, unsent: Sequence[UnsentEmails]) -> Check:
        if unsent:
            # An alert that did not reach the owner is an error: this may be the only place where it is seen.
            check = error if any(one.kind == "alert" for one in unsent) else warning
            words = "; ".join(map(in_words, unsent))
            return check("notices", words, "They are retried for 48 hours. Try: newsletter issues test --to ADDRESS")
        if waiting and self.store.holder() is None:
            message = f"{plural(waiting, 'transactional email')} {'is' if waiting == 1 else 'are'} queued, but no daemon is running"
            return warning("notices", message, "Run: newsletter run")
        queued = f"{plural(waiting, 'transactional email')} {'is' if waiting == 1 else 'are'} queued for the daemon"
        return fine("notices", queued if waiting else "no transactional email is queued")


def _not_an_example(id_: str, name: str, address: str, role: str) -> Check:
    domains = [one.rpartition("@")[2] for one in address.split(", ")]
    if any(domain == example or domain.endswith(f".{example}") for example in EXAMPLE_DOMAINS for domain in domains):
        return warning(id_, f"{role} {address}, which is only an example", f"Set {name} to your own address")
    return fine(id_, f"{role} {address}")


def _base_url(url: str) -> Check:
    host = url.partition("://")[2].partition("/")[0].rpartition("@")[2]
    name = host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]
    if name in ("localhost", "[::1]") or name.startswith("127."):
        return warning("base_url", f"links in emails lead to {url}, which is this machine", "Set NEWSLETTER_BASE_URL")
    if not url.startswith("https://"):
        fix = "Set NEWSLETTER_BASE_URL to the https:// address"
        return warning("base_url", f"{url} is not https, which one-click unsubscribe needs (RFC 8058 section 3.1)", fix)
    return fine("base_url", f"links in emails lead to {url}")


def _sqlite(version: str) -> Check:
    if tuple(int(part) for part in version.split(".")[:3]) < WAL_RESET_FIXED:
        return hint(
            "sqlite",
            f"SQLite {version} has a rare WAL-reset bug, fixed in 3.51.3; this program's checkpoints avoid it",
            "Keep backups: newsletter db backup FILE",
        )
    return fine("sqlite", f"SQLite {version}")


def _invariants(tx: Tx) -> Check:
    broken = tx.issues.broken_invariants()
    if broken:
        fix = "Stop sending, keep a copy (newsletter db backup FILE), and report the problem, because it is a bug in the program"
        return error("invariants", "; ".join(broken), fix)
    return fine("invariants", "the delivery records are consistent")


def _heartbeat(call: HeartbeatCall | None) -> Check:
    if call is None:
        return fine(
            "watchdog",
            "no heartbeat has been due yet, because no issue has been sent since NEWSLETTER_PING_URL was set",
        )
    if call.done_at:
        return fine("watchdog", f"the heartbeat for {call.slot} was sent")
    problem = (
        f"the heartbeat for {call.slot} could not be sent: {call.reply or 'the program ended before an answer came'}"
    )
    if call.next_attempt_at:
        return hint("watchdog", f"{problem}; it will be retried")
    fix = "Open the URL in NEWSLETTER_PING_URL yourself, and correct it"
    return warning("watchdog", f"{problem}, after {call.attempts} attempts", fix)
