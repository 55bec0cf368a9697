"""Check an installation, one line per check, each with how to fix it; nothing is changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from newsletter.actions.calendar.plan import LastSlotStatus, Rules, last_slot, upcoming_slots
from newsletter.domain.calendar.forecast import HORIZON, runway
from newsletter.domain.delivery.heartbeat import HeartbeatCall
from newsletter.domain.delivery.issue import IssueState
from newsletter.domain.errors import NewsletterError, SchemaError
from newsletter.domain.site import Site
from newsletter.mail.dkim import Dkim
from newsletter.ports.clock import Clock
from newsletter.ports.store import Store, Tx

WAL_RESET_FIXED = (3, 51, 3)  # https://sqlite.org/wal.html: the WAL-reset bug
EXAMPLE_DOMAINS = ("example.org", "example.com", "example.net")  # RFC 2606 section 3
_IMPORT = "Import tips: newsletter tips import PATH…"


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check. level: ok, hint (worth knowing), warning, error; `ok` is False for the last two."""

    id: str
    ok: bool
    level: str
    message: str
    fix: str = ""


@dataclass(frozen=True)
class Doctor:
    """Checks settings, database, tips, the last slot and the next email.

    warnings: misspelt settings. sqlite_version: for example `3.51.3`. dkim: the signatures, or raises SettingsError.
    preview: composes the next email, or raises. wrong_files: (sentence, fix) for files with a wrong owner or mode.
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

    def check(self) -> list[Check]:
        """Every check, in the order in which to fix what they find."""
        return [*self._settings(), self._dkim(), *self._files(), *self._database()]

    # -- the settings ------------------------------------------------------------------------------

    def _settings(self) -> Iterator[Check]:
        site = self.site
        if self.warnings:
            yield _error("names", "; ".join(self.warnings), "Correct the name in the environment or in the env file")
        else:
            yield _ok("names", "all NEWSLETTER_ settings are known")
        yield self._secret_key()
        yield self._sender()
        yield _not_an_example("from_address", "NEWSLETTER_FROM", site.from_address, "emails are sent from")
        yield _not_an_example("owner", "NEWSLETTER_OWNER", ", ".join(site.owner), "alerts are sent to")
        if site.postal_address:
            yield _ok("postal_address", "the footer has a postal address")
        else:
            yield _warning(
                "postal_address",
                "the footer has no postal address, which the law of many countries requires (CAN-SPAM, 15 U.S.C. 7704)",
                "Set NEWSLETTER_POSTAL_ADDRESS",
            )
        yield _base_url(site.base_url)

    def _secret_key(self) -> Check:
        if self.has_key:
            return _ok("secret_key", "a secret key is set")
        return _error(
            "secret_key", "NEWSLETTER_SECRET_KEY is not set, so no link can be signed", "Run: newsletter init"
        )

    def _sender(self) -> Check:
        if self.has_sender:
            return _ok("sender", "a mail server is configured")
        return _error(
            "sender",
            "NEWSLETTER_SENDER_URL is not set, so no email can be sent",
            "Set it, for example to smtp://user:password@host:587",
        )

    def _dkim(self) -> Check:
        try:
            dkim = self.dkim()
        except NewsletterError as error:
            return _error("dkim", error.message, error.fix)
        if dkim is None:
            return _ok("dkim", "emails are not signed with DKIM here; your relay is expected to sign them")
        records = (f"{key.selector}._domainkey.{dkim.domain} TXT {key.record}" for key in dkim.keys)
        return _ok("dkim", f"emails are signed with DKIM; your DNS must contain: {', '.join(records)}")

    def _files(self) -> Iterator[Check]:
        found = self.wrong_files()
        for message, fix in found:
            yield _warning("files", message, fix)
        if not found:
            yield _ok("files", "the files of the newsletter belong to one user, and no other user can read them")

    # -- the database ------------------------------------------------------------------------------

    def _database(self) -> Iterator[Check]:
        try:
            with self.store.read() as tx:
                yield _ok("database", "the database schema is current")
                yield self._hold()
                yield _sqlite(self.sqlite_version)
                yield _invariants(tx)
                now = self.clock()
                yield from _tips(tx, self.rules, now)
                yield _last_slot(last_slot(tx, self.rules, now))
                if self.has_heartbeat:
                    yield _heartbeat(tx.calendar.last_heartbeat())
                waiting = tx.transactional.waiting()
        except SchemaError as error:
            yield _error("database", error.message, error.fix or "Run: newsletter db upgrade")
            return
        yield self._transactional(waiting)
        yield self._next_email()

    def _hold(self) -> Check:
        if why := self.store.hold_reason():
            fix = "If no other copy of this database sends, run: newsletter db adopt"
            return _error("installation", f"nothing is sent from this database: {why}", fix)
        return _ok("installation", "this database is not a copy of another one")

    def _transactional(self, waiting: int) -> Check:
        if waiting and self.store.holder() is None:
            message = f"{waiting} transactional emails are queued, but no daemon is running"
            return _warning("notices", message, "Run: newsletter run")
        queued = f"{waiting} transactional emails are queued for the daemon"
        return _ok("notices", queued if waiting else "no transactional email is queued")

    def _next_email(self) -> Check:
        try:
            self.preview()
        except NewsletterError as error:
            return _error("letter", f"the next issue cannot be composed: {error.message}", error.fix)
        return _ok("letter", "the next issue can be composed")


def _ok(id_: str, message: str) -> Check:
    return Check(id_, ok=True, level="ok", message=message)


def _hint(id_: str, message: str, fix: str = "") -> Check:
    return Check(id_, ok=True, level="hint", message=message, fix=fix)


def _warning(id_: str, message: str, fix: str) -> Check:
    return Check(id_, ok=False, level="warning", message=message, fix=fix)


def _error(id_: str, message: str, fix: str) -> Check:
    return Check(id_, ok=False, level="error", message=message, fix=fix)


def _not_an_example(id_: str, name: str, address: str, role: str) -> Check:
    domains = [one.rpartition("@")[2] for one in address.split(", ")]
    if any(domain == example or domain.endswith(f".{example}") for example in EXAMPLE_DOMAINS for domain in domains):
        return _warning(id_, f"{role} {address}, which is only an example", f"Set {name} to your own address")
    return _ok(id_, f"{role} {address}")


def _base_url(url: str) -> Check:
    host = url.partition("://")[2].partition("/")[0].rpartition("@")[2]
    name = host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]
    if name in ("localhost", "[::1]") or name.startswith("127."):
        return _warning("base_url", f"links in emails lead to {url}, which is this machine", "Set NEWSLETTER_BASE_URL")
    if not url.startswith("https://"):
        fix = "Set NEWSLETTER_BASE_URL to the https:// address"
        return _warning(
            "base_url", f"{url} is not https, which one-click unsubscribe needs (RFC 8058 section 3.1)", fix
        )
    return _ok("base_url", f"links in emails lead to {url}")


def _sqlite(version: str) -> Check:
    if tuple(int(part) for part in version.split(".")[:3]) < WAL_RESET_FIXED:
        return _hint(
            "sqlite",
            f"SQLite {version} has a rare WAL-reset bug, fixed in 3.51.3; this program's checkpoints avoid it",
            "Keep backups: newsletter db backup FILE",
        )
    return _ok("sqlite", f"SQLite {version}")


def _invariants(tx: Tx) -> Check:
    broken = tx.issues.broken_invariants()
    if broken:
        fix = "Stop sending, keep a copy (newsletter db backup FILE), and report the problem, because it is a bug in the program"
        return _error("invariants", "; ".join(broken), fix)
    return _ok("invariants", "the delivery records are consistent")


def _tips(tx: Tx, rules: Rules, now: datetime) -> Iterator[Check]:
    lines = upcoming_slots(tx, rules, now, HORIZON).lines()
    first, left = next((line for line in lines if line.skip_reason is None), lines[0]), runway(lines)
    if first.tip is None:
        yield _error("next_tip", first.reason, _IMPORT)
        return
    yield _ok("next_tip", f"the next tip is “{first.title}”")
    if warning := left.warning():
        fallback = f"{_IMPORT}; or mark some as fallbacks with fallback: true in their front matter"
        yield _warning("runway", warning, _IMPORT if left.with_reruns is None else fallback)
    else:
        yield _ok("runway", f"the fresh tips last for {left.fresh_weeks} weeks")


def _last_slot(last: LastSlotStatus) -> Check:
    if last.ok:
        return _ok("last_slot", last.words)
    if not last.explained:
        return _error(
            "last_slot",
            last.words,
            "If it is not too late, run: newsletter issues send; and keep the daemon running: newsletter run",
        )
    if last.state is None:
        fix = f"Approve it: newsletter calendar approve {last.slot}; or skip it: newsletter calendar skip {last.slot}"
    elif last.state is IssueState.NO_CONTENT:
        fix = _IMPORT
    elif last.state is IssueState.MISSED:
        fix = (
            "Keep the daemon running: newsletter run; to send an issue outside the calendar: "
            "newsletter issues send --extra --tip KEY"
        )
    else:
        fix = f"Find out why: newsletter issues status {last.number}; then run: newsletter issues resume {last.number}"
    return _warning("last_slot", last.words, fix)


def _heartbeat(call: HeartbeatCall | None) -> Check:
    if call is None:
        return _ok(
            "watchdog",
            "no heartbeat has been due yet, because no issue has been sent since NEWSLETTER_PING_URL was set",
        )
    if call.done_at:
        return _ok("watchdog", f"the heartbeat for {call.slot} was sent")
    problem = (
        f"the heartbeat for {call.slot} could not be sent: {call.reply or 'the program ended before an answer came'}"
    )
    if call.next_attempt_at:
        return _hint("watchdog", f"{problem}; it will be retried")
    fix = "Open the URL in NEWSLETTER_PING_URL yourself, and correct it"
    return _warning("watchdog", f"{problem}, after {call.attempts} attempts", fix)
