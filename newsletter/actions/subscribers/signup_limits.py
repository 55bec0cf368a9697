"""Limit sign-ups per network, per domain and overall, so that the form cannot be used to send spam.

The counters are in the database, so a restart or a second process resets nothing. This process only remembers recent
refusals: whoever keeps sending requests during an attack costs no query.
"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime
from ipaddress import IPv6Address, ip_address, ip_network

from newsletter.domain.subscribers.address import mailbox_key
from newsletter.domain.subscribers.signup_limits import (
    ASKED_FOR_PROOF,
    BUDGETS,
    CHALLENGE_AGE,
    DAY,
    FEW_ORIGINS,
    HOUR,
    LINKS_PER_ORIGIN,
    LONGEST_SUSPENSION,
    MANY_OF_ONE_ORIGIN,
    MAX_CACHED_REFUSALS,
    PER_DOMAIN,
    PER_MAILBOX,
    PER_ORIGIN,
    PROOF_FOR,
    REFUSAL_CACHED_FOR,
    UNANSWERED_PER_ORIGIN,
    UNANSWERED_PER_ORIGIN_AND_DOMAIN,
    WAIT_AGE,
    WEEK,
    NeedsProof,
    SignupDecision,
    SignupLimit,
    TooMany,
    is_stream,
)
from newsletter.ports.store import Tx

MOST_ANSWERS = 1_000_000
ABUSED = "abused"  # the name of the count that says that a stream of false sign-ups goes on
ATTACK: dict[str, object] = {
    "headline": "Your sign-up form is being abused",
    "lines": [
        """Within an hour, far more confirmation emails were sent than confirmed. To keep your form from being used to \
spam people, the browser of each visitor has to do a calculation before we send an email. It takes a few seconds.""",
        "Once it is quiet, sign-ups work as usual again. Your issues are not affected.",
    ],
    "next_step": "Nothing; if this keeps happening, check your web server’s log to see where the requests come from.",
}
STRONG_ATTACK: dict[str, object] = {
    "headline": "Your sign-up form is being abused",
    "lines": [
        """Somebody signs up strangers with much effort: each browser has to do a calculation first, and still far more \
confirmation emails were sent than confirmed. Confirmation emails are paused for an hour, and longer if this continues.""",
        "Visitors are asked to try again later. Your issues are not affected.",
    ],
    "next_step": "Check your web server’s log to see where the requests come from, and block those addresses there.",
}


def attack_alert(budget_name: str) -> dict[str, object]:
    """The values of the alert about a budget of unanswered emails that was used up within an hour."""
    return ATTACK if budget_name in ASKED_FOR_PROOF else STRONG_ATTACK


def stream_alert(unanswered: int) -> dict[str, object]:
    """The values of the alert about sign-ups that are spread over a day, so that no hourly limit stops them."""
    return {
        "headline": "Your sign-up form may be abused",
        "lines": [
            f"""In the last 24 hours, {unanswered} people were asked to confirm a sign-up, and hardly any of them did. \
Somebody may be signing up strangers.""",
            """Until this stops, the browser of each visitor has to do a calculation before we send an email. It takes a few \
seconds. Each mailbox gets a few emails at most, and your issues are not affected.""",
        ],
        "next_step": "Check your web server’s log to see where the requests come from, and block those addresses there.",
    }


@dataclass(frozen=True, slots=True)
class Attempt:
    """One sign-up that is being checked. closes: it exceeded the budget, so the owner should be alerted.

    blocks: the same, but few networks did it, and this sign-up comes from one of them.
    """

    address_key: str
    network: str
    budget_name: str
    budget: SignupLimit
    closes: bool = False
    blocks: bool = False

    @property
    def domain(self) -> str:
        """The domain of the address."""
        return self.address_key.rpartition("@")[2]

    @property
    def counters(self) -> list[tuple[str, int]]:
        """The hourly counters of unanswered emails, and their limits."""
        counters = [(_to_domain(self.domain, self.budget_name), PER_DOMAIN)]
        if self.network:
            counters.append((_counter("open", self.network), UNANSWERED_PER_ORIGIN))
            counters.append((_counter(f"open/{self.domain}", self.network), UNANSWERED_PER_ORIGIN_AND_DOMAIN))
        return counters


@dataclass
class SignupLimiter:
    """The sign-up limits of one newsletter. Thread-safe. Every `now` is aware.

    network: the `origin_key` of the client. Clients that cannot be told apart (this machine itself, or no address at
    all) have no limit per network: behind a proxy that no setting names, that limit would apply to all visitors
    together.
    """

    _lock: threading.Lock = field(default_factory=threading.Lock)
    _refused_until: dict[str, datetime] = field(default_factory=dict)
    _turned_away: dict[str, int] = field(default_factory=dict)

    def refuse_cached(self, address_key: str, network: str, name: str, now: datetime) -> str:
        """Raise TooMany if this was refused a moment ago, without a query. name: of the budget.

        Returns "", or, once per suspension, the name of a budget that is under such pressure that `note_pressure`
        should be called.
        """
        if name in ASKED_FOR_PROOF and self._was_refused(ABUSED, now):
            raise _needs_proof()
        if self._was_refused(name, now):
            with self._lock:
                self._turned_away[name] = self._turned_away.get(name, 0) + 1
                if self._turned_away[name] == BUDGETS[name] + 1:
                    return name
            raise _suspended(name)
        if self._was_refused(_counter("signup", network), now):
            raise _too_many_from_network()
        domain = address_key.rpartition("@")[2]
        if self._was_refused(_to_domain(domain, name), now):
            raise _too_many_to_domain(domain, name)
        return ""

    def note_pressure(self, tx: Tx, budget_name: str) -> TooMany:
        """Record that requests keep coming during a suspension, which makes the next one longer; the error to raise."""
        budget = tx.signup_limits.get(budget_name, BUDGETS[budget_name])
        budget.turned_away = max(budget.turned_away, budget.limit + 1)
        tx.signup_limits.save(budget_name, budget)
        return _suspended(budget_name)

    def check(
        self, tx: Tx, address_key: str, network: str, budget_name: str, now: datetime, *, once: str = ""
    ) -> Attempt:
        """Let one sign-up pass, or raise TooMany; then the transaction has nothing to keep. Call `settle` afterward.

        once: the name of the proof that it came with, which counts for one sign-up. Raises NeedsProof if the form is
        abused and there is none.
        """
        if budget_name in ASKED_FOR_PROOF and tx.signup_limits.is_used_up(ABUSED, 1, now):
            self._cache_refusal(ABUSED, now + REFUSAL_CACHED_FOR)
            raise _needs_proof()
        if once and not tx.signup_limits.hit(f"once/{once}", 1, now, window=max(CHALLENGE_AGE, WAIT_AGE[1])):
            raise _needs_proof()
        budget = tx.signup_limits.get(budget_name, BUDGETS[budget_name])
        if budget.closed_until and budget.is_closed(now):
            self._cache_refusal(budget_name, budget.closed_until)
            raise _suspended(budget_name)
        self._count_network(tx, "signup", network, PER_ORIGIN[budget_name], now)
        attempt = Attempt(address_key, network, budget_name, budget)
        self._refuse_used_up(tx, attempt, now)
        if budget.try_one(now) is SignupDecision.CLOSES:
            attempt = self._block_few(tx, attempt, now)
            tx.signup_limits.save(budget_name, budget)
        return attempt

    def has_enough(self, tx: Tx, address_key: str, now: datetime) -> bool:
        """Did the mailbox of an address get so many unanswered emails that it gets no more of them this week?

        A visitor is not told: the address may belong to somebody else.
        """
        return tx.signup_limits.is_used_up(_mailbox(address_key), PER_MAILBOX, now)

    def count_email(self, tx: Tx, address_key: str, now: datetime, *, mailed: bool = True) -> None:
        """Count one confirmation email or reminder to the mailbox of an address."""
        tx.signup_limits.hit(_mailbox(address_key), PER_MAILBOX, now, by=int(mailed), window=WEEK)

    def settle(self, tx: Tx, attempt: Attempt, nobody: str, now: datetime, *, mailed: bool) -> None:
        """Count one sign-up, also if it needed no email; then it is counted as that of `nobody`, a new address of no one.

        Otherwise a limit that is nearly used up would tell which addresses are known. The same statements run for both,
        since the response time must not tell either.
        """
        tx.signup_limits.save(attempt.budget_name, attempt.budget)
        for name, limit in attempt.counters:
            tx.signup_limits.hit(name, limit, now)
        self.count_email(tx, attempt.address_key, now, mailed=mailed)
        asked = attempt.address_key if mailed else nobody
        tx.signup_limits.remember(asked, attempt.budget_name, attempt.network, now)
        if self._unanswered_stream(tx, now):
            tx.signup_limits.hit(ABUSED, 1, now, window=PROOF_FOR)

    def count_link_request(self, tx: Tx, network: str, now: datetime) -> None:
        """Count one request for a personal link from this network. Raises TooMany."""
        self._count_network(tx, "link", network, LINKS_PER_ORIGIN, now)

    def refusal(self, attempt: Attempt) -> TooMany | None:
        """The error for a sign-up that used up the budget; raise it after the transaction."""
        if attempt.blocks:
            return _too_many_from_network()
        return _suspended(attempt.budget_name) if attempt.closes else None

    def stream(self, tx: Tx, now: datetime) -> int:
        """How many confirmation emails of the last day are unanswered, if that looks like abuse; 0 if it does not.

        At most once a day: the next calls return 0.
        """
        unanswered = self._unanswered_stream(tx, now)
        return unanswered if unanswered and tx.signup_limits.hit("stream-alert", 1, now, window=DAY) else 0

    def answered(self, tx: Tx, address_key: str, now: datetime) -> None:
        """Give the share of a confirmed sign-up back to its budget and to its domain."""
        budget_name, network = tx.signup_limits.take(address_key)
        tx.signup_limits.forget(_mailbox(address_key))
        if budget_name:
            tx.signup_limits.hit(_answers(now), MOST_ANSWERS, now, window=2 * DAY)
            budget = tx.signup_limits.get(budget_name, BUDGETS[budget_name])
            budget.answered()
            tx.signup_limits.save(budget_name, budget)
            for name, _ in Attempt(address_key, network, budget_name, budget).counters:
                tx.signup_limits.refund(name, now)

    def _unanswered_stream(self, tx: Tx, now: datetime) -> int:
        """How many emails of the last day are unanswered, if that looks like abuse; 0 if it does not.

        Only answers to the form count: subscribers that the owner imports meanwhile hide nothing.
        """
        unanswered = tx.signup_limits.unanswered(now - DAY)
        answered = sum(tx.signup_limits.count(_answers(day), now) for day in (now, now - DAY))
        return unanswered if is_stream(unanswered, answered) else 0

    def _refuse_used_up(self, tx: Tx, attempt: Attempt, now: datetime) -> None:
        blocked = _counter("blocked", _site(attempt.network))
        if blocked and tx.signup_limits.is_used_up(blocked, 1, now):
            self._cache_refusal(_counter("signup", attempt.network), now + REFUSAL_CACHED_FOR)
            raise _too_many_from_network()
        for name, limit in attempt.counters:
            if tx.signup_limits.is_used_up(name, limit, now):
                if name.startswith("domain/"):
                    self._cache_refusal(name, now + REFUSAL_CACHED_FOR)
                    raise _too_many_to_domain(attempt.domain, attempt.budget_name)
                raise _too_many_from_network()

    def _block_few(self, tx: Tx, attempt: Attempt, now: datetime) -> Attempt:
        """If few networks used up the budget, block them for a day, instead of suspending everybody's sign-ups."""
        sites = Counter[str]()
        for network, count in tx.signup_limits.unanswered_by_network(now - HOUR):
            sites[_site(network)] += count
        few = {site: count for site, count in sites.most_common(FEW_ORIGINS) if count >= MANY_OF_ONE_ORIGIN}
        if not few or 2 * sum(few.values()) < tx.signup_limits.unanswered(now - HOUR):
            return replace(attempt, closes=True)
        for site in few:
            tx.signup_limits.hit(_counter("blocked", site), 1, now, window=DAY)
        attempt.budget.reopen_without(sum(few.values()))
        if _site(attempt.network) in few:
            return replace(attempt, blocks=True)
        return replace(attempt, closes=attempt.budget.try_one(now) is SignupDecision.CLOSES)

    def _count_network(self, tx: Tx, what: str, network: str, limit: int, now: datetime) -> None:
        name = _counter(what, network)
        if name and not tx.signup_limits.hit(name, limit, now):
            self._cache_refusal(name, now + REFUSAL_CACHED_FOR)
            raise _too_many_from_network()

    def _was_refused(self, name: str, now: datetime) -> bool:
        until = self._refused_until.get(name)
        # The lower bound matters if the clock was set back: otherwise a refusal could last for years.
        return until is not None and until - LONGEST_SUSPENSION < now < until

    def _cache_refusal(self, name: str, until: datetime) -> None:
        with self._lock:
            if len(self._refused_until) > MAX_CACHED_REFUSALS:
                self._refused_until.clear()
            self._refused_until[name] = until
            self._turned_away.pop(name, None)


def _counter(what: str, network: str) -> str:
    return f"{what}/{network}" if network else ""


def _mailbox(address_key: str) -> str:
    return f"mailbox/{mailbox_key(address_key)}"


def _answers(day: datetime) -> str:
    return f"answers/{day:%Y-%m-%d}"


def _too_many_from_network() -> TooMany:
    return TooMany("there have been too many requests from your network", fix="Try again in an hour")


def _to_domain(domain: str, budget_name: str) -> str:
    """The counter of emails to a domain. Those without proof must not use up the room of those with one."""
    return f"domain/{'any' if budget_name in ASKED_FOR_PROOF else 'proof'}/{domain}"


def _too_many_to_domain(domain: str, budget_name: str) -> TooMany:
    if budget_name in ASKED_FOR_PROOF:
        return _needs_proof()
    return TooMany(f"too many people are signing up from {domain} right now", fix="Try again in an hour")


def _needs_proof() -> NeedsProof:
    return NeedsProof(
        "someone is abusing the sign-up form, so your browser has to do a calculation first",
        fix="Solve the challenge, and send the form again with the solution in the field altcha",
    )


def _suspended(budget_name: str) -> TooMany:
    if budget_name in ASKED_FOR_PROOF:
        return _needs_proof()
    return TooMany(
        "someone is abusing the sign-up form, so confirmation emails are paused for a while",
        fix="Try again in an hour",
    )


def _site(network: str) -> str:
    """Whose network it is: the /48 of an IPv6 /64, which is what one customer gets (RFC 6177), or the IPv4 address."""
    return str(ip_network(network).supernet(new_prefix=48)) if network.endswith("::/64") else network


def origin_key(origin: str) -> str:
    """The network of a client: an IPv4 address, or the /64 of an IPv6 address; "" for this machine or no address."""
    try:
        address = ip_address(origin.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            address = address.ipv4_mapped
        elif not address.is_loopback:
            return str(ip_network((address, 64), strict=False))
    return "" if address.is_loopback else str(address)
