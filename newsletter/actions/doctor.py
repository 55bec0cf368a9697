"""What is not right with a newsletter, and how to mend it: reads everything, changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from newsletter.actions.calendar.plan import LastSlotStatus, Rules, last_slot, upcoming_slots
from newsletter.domain.calendar.forecast import HORIZON, runway
from newsletter.domain.delivery.issue import IssueState
from newsletter.domain.errors import NewsletterError, SchemaError
from newsletter.domain.site import Site
from newsletter.mail.dkim import Dkim
from newsletter.ports.calendar import HeartbeatCall
from newsletter.ports.store import Store, Tx

WAL_RESET_FIXED = (3, 51, 3)  # https://sqlite.org/wal.html: the WAL-reset bug
EXAMPLES = ("example.org", "example.com", "example.net")


@dataclass(frozen=True, slots=True)
class Check:
    """One line. level: ok, hint (worth knowing), warning, error; `ok` is False for the last two."""

    id: str
    ok: bool
    level: str
    message: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class _Facts:
    site: Site
    rules: Rules
    has_key: bool
    has_sender: bool
    warnings: Sequence[str]
    sqlite_version: str
    has_heartbeat: bool


def check(
    store: Store,
    *,
    site: Site,
    rules: Rules,
    has_key: bool,
    has_sender: bool,
    warnings: Sequence[str],
    sqlite_version: str,
    preview: Callable[[], object],
    now: datetime,
    dkim: Callable[[], Dkim | None] = lambda: None,
    has_heartbeat: bool = False,
) -> list[Check]:
    """Every check, in the order to mend them.

    warnings: misspelt settings. sqlite_version: as in `3.51.3`. preview: makes the next letter, or raises.
    dkim: gives what signs letters, or raises.
    """
    facts = _Facts(site, rules, has_key, has_sender, warnings, sqlite_version, has_heartbeat)
    return [*_settings(facts), _dkim(dkim), *_database(store, facts, preview, now)]


def _ok(id_: str, message: str) -> Check:
    return Check(id_, ok=True, level="ok", message=message)


def _hint(id_: str, message: str, fix: str = "") -> Check:
    return Check(id_, ok=True, level="hint", message=message, fix=fix)


def _warning(id_: str, message: str, fix: str) -> Check:
    return Check(id_, ok=False, level="warning", message=message, fix=fix)


def _error(id_: str, message: str, fix: str) -> Check:
    return Check(id_, ok=False, level="error", message=message, fix=fix)


# -- the settings ----------------------------------------------------------------------------------


def _settings(facts: _Facts) -> Iterator[Check]:
    site = facts.site
    if facts.warnings:
        yield _error("names", "; ".join(facts.warnings), "Correct the name in the environment or in the env file")
    else:
        yield _ok("names", "every NEWSLETTER_ name is known")
    if facts.has_key:
        yield _ok("secret_key", "there is a secret key")
    else:
        yield _error("secret_key", "NEWSLETTER_SECRET_KEY is not set: no link can be signed", "Run: newsletter init")
    if facts.has_sender:
        yield _ok("sender", "there is a way out for letters")
    else:
        yield _error(
            "sender", "NEWSLETTER_SENDER_URL is not set: no letter can leave", "Set it to smtp://user:password@host:587"
        )
    yield _not_an_example("from_address", "NEWSLETTER_FROM", site.from_address, "letters come from")
    yield _not_an_example("owner", "NEWSLETTER_OWNER", site.owner, "trouble is told to")
    if site.postal_address:
        yield _ok("postal_address", "the footer has a postal address")
    else:
        yield _warning(
            "postal_address",
            "the footer has no postal address; the law asks for one in many countries (CAN-SPAM, 15 U.S.C. 7704)",
            "Set NEWSLETTER_POSTAL_ADDRESS",
        )
    yield _base_url(site.base_url)


def _not_an_example(id_: str, name: str, address: str, role: str) -> Check:
    domain = address.rpartition("@")[2]
    if any(domain == example or domain.endswith(f".{example}") for example in EXAMPLES):
        return _warning(id_, f"{role} {address}, which is only an example", f"Set {name} to an address of yours")
    return _ok(id_, f"{role} {address}")


def _base_url(url: str) -> Check:
    host = url.partition("://")[2].partition("/")[0].rpartition("@")[2]
    name = host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]
    if name in ("localhost", "[::1]") or name.startswith("127."):
        return _warning("base_url", f"links in letters lead to {url}, this very machine", "Set NEWSLETTER_BASE_URL")
    if not url.startswith("https://"):
        fix = "Set NEWSLETTER_BASE_URL to the https:// address"
        return _warning("base_url", f"{url} is not https: one-click unsubscribe needs it (RFC 8058 section 3.1)", fix)
    return _ok("base_url", f"links in letters lead to {url}")


def _dkim(load: Callable[[], Dkim | None]) -> Check:
    try:
        dkim = load()
    except NewsletterError as error:
        return _error("dkim", error.message, error.fix)
    if dkim is None:
        return _ok("dkim", "letters leave unsigned: DKIM is the relay's")
    records = (f"{key.selector}._domainkey.{dkim.domain} TXT {key.record}" for key in dkim.keys)
    return _ok("dkim", f"letters are signed; DNS must have: {', '.join(records)}")


# -- the database ----------------------------------------------------------------------------------


def _database(store: Store, facts: _Facts, preview: Callable[[], object], now: datetime) -> Iterator[Check]:
    try:
        with store.read() as tx:
            yield _ok("database", "the database fits this program")
            yield _hold(store)
            yield _sqlite(facts.sqlite_version)
            yield _invariants(tx)
            yield from _tips(tx, facts, now)
            yield _last_slot(last_slot(tx, facts.rules, now))
            if facts.has_heartbeat:
                yield _heartbeat(tx.calendar.last_heartbeat())
            waiting = tx.transactional.waiting()
    except SchemaError as error:
        yield _error("database", error.message, error.fix or "Run: newsletter db upgrade")
        return
    yield _transactional(store, waiting)
    yield _next_email(preview)


def _sqlite(version: str) -> Check:
    if tuple(int(part) for part in version.split(".")[:3]) < WAL_RESET_FIXED:
        return _hint(
            "sqlite",
            f"SQLite {version} has a rare WAL-reset bug that 3.51.3 mends; our checkpoints keep out of its way",
            "Keep backups: newsletter db backup FILE",
        )
    return _ok("sqlite", f"SQLite {version}")


def _invariants(tx: Tx) -> Check:
    broken = tx.issues.broken_invariants()
    if broken:
        fix = "Stop sending, keep a copy (newsletter db backup FILE) and report it: this is a fault of the program"
        return _error("invariants", "; ".join(broken), fix)
    return _ok("invariants", "the ledger adds up")


def _tips(tx: Tx, facts: _Facts, now: datetime) -> Iterator[Check]:
    lines = upcoming_slots(tx, facts.rules, now, HORIZON).lines()
    first, left = next((line for line in lines if line.skip_reason is None), lines[0]), runway(lines)
    more = "Import tips: newsletter tips import PATH…"
    if first.tip is None:
        yield _error("next_tip", first.reason, more)
        return
    yield _ok("next_tip", f"the next tip is “{first.title}”")
    if words := left.warning():
        fix = (
            more if left.with_reruns is None else f"{more}; or let some stand in: fallback: true in their front matter"
        )
        yield _warning("runway", words, fix)
    else:
        yield _ok("runway", f"fresh tips for {left.fresh_weeks} weeks")


def _last_slot(last: LastSlotStatus) -> Check:
    if last.ok:
        return _ok("last_slot", last.words)
    if not last.explained:
        return _error(
            "last_slot", last.words, "If it is not too late: newsletter issues send; and let it run: newsletter run"
        )
    fix = f"Look: newsletter issues status {last.number}; then: newsletter issues resume {last.number}"
    if last.state is None:
        fix = f"Say yes: newsletter calendar approve {last.slot}; or: newsletter calendar skip {last.slot}"
    elif last.state is IssueState.NO_CONTENT:
        fix = "Import tips: newsletter tips import PATH…"
    elif last.state is IssueState.MISSED:
        fix = "Let the daemon run: newsletter run; an issue outside the calendar: newsletter issues send --extra --tip KEY"
    return _warning("last_slot", last.words, fix)


def _heartbeat(call: HeartbeatCall | None) -> Check:
    if call is None:
        return _ok("watchdog", "the watchdog has not been called yet: no issue went since it was set")
    if call.done_at:
        return _ok("watchdog", f"the watchdog was called for {call.slot}")
    words = f"the watchdog could not be called for {call.slot}: {call.reply or 'the program ended meanwhile'}"
    if call.next_attempt_at:
        return _hint("watchdog", f"{words}; it is tried again")
    return _warning("watchdog", f"{words}, {call.attempts} times", "Open NEWSLETTER_PING_URL yourself, and correct it")


def _hold(store: Store) -> Check:
    if why := store.hold_reason():
        fix = "If no other copy of it mails: newsletter db adopt. Until then it mails nobody"
        return _error("installation", f"nothing is mailed from this database: {why}", fix)
    return _ok("installation", "this database is no copy of another one")


def _transactional(store: Store, waiting: int) -> Check:
    if waiting and store.holder() is None:
        return _warning(
            "notices", f"{waiting} confirmation or other mails wait, and no daemon runs", "Run: newsletter run"
        )
    return _ok("notices", f"{waiting} mails wait for the daemon" if waiting else "no mail waits")


def _next_email(preview: Callable[[], object]) -> Check:
    try:
        preview()
    except NewsletterError as error:
        return _error("letter", f"the next letter cannot be made: {error.message}", error.fix)
    return _ok("letter", "the next letter can be made")
