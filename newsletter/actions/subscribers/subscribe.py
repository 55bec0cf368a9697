"""Sign up: take a sign-up from the form within the sign-up limits, or a subscriber that the owner adds."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property

from newsletter.actions.subscribers.erase import is_erased
from newsletter.actions.subscribers.onboarding import is_in_series
from newsletter.actions.subscribers.proof_of_work import ProofOfWork, Wait
from newsletter.actions.subscribers.signup_limits import SignupLimiter, attack_alert, origin_key
from newsletter.domain.errors import BadToken, InputError, Refused, UsageError
from newsletter.domain.lists import FIRST_LIST, MailingList, NoneChosen, asked_for
from newsletter.domain.subscribers.address import Address, parse_address
from newsletter.domain.subscribers.signup_limits import FORM_AGE, HOUR
from newsletter.domain.subscribers.subscriber import UNSUBSCRIBED_ELSEWHERE, Consent, NewSubscriber, Subscriber
from newsletter.domain.subscribers.subscription import ON_THE_LIST, Status, may_send_confirmation
from newsletter.mail.tokens import Purpose, Signer
from newsletter.mail.verp import base36
from newsletter.ports.clock import Clock
from newsletter.ports.store import Store, Tx

MAX_NAME = 100
_NEVER_IN_A_NAME = {"Cc", "Cs", "Co", "Cn"}  # controls, lone surrogates, private use and unassigned code points
_BIDI_CONTROLS = re.compile("[\u202a-\u202e\u2066-\u2069]")  # they would reverse the text beside the name
_INVISIBLE_ENDS = re.compile(
    "^[\u00ad\u180e\u200b-\u200f\u2060-\u2064\ufeff]+|[\u00ad\u180e\u200b-\u200f\u2060-\u2064\ufeff]+$"
)
_LIKE_A_URL = re.compile(
    r"://|/|@|\bwww\.|(?<![\w.])(?!(?:dr|mr|mrs|ms|prof|st)\.)[\w-]{2,}\.[^\W\d_]{2,}", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Added:
    """The subscriber that `add_subscriber` found or made; `changed` is False if nothing had to be done."""

    status: Status
    address: str
    changed: bool


def clean_name(text: str) -> str:
    """One line of at most 100 characters without control characters.

    "" if a mail program would turn the name into a link: otherwise a stranger could use our emails for advertising.
    """
    if len(text) <= MAX_NAME and text.isascii() and text.replace(" ", "").isalpha() and "  " not in text:
        return text.strip()  # the usual case, kept fast: an import may have a million names
    if text.isascii() and text.isprintable():
        name = " ".join(text[: 10 * MAX_NAME].split())[:MAX_NAME].rstrip()
        return "" if _LIKE_A_URL.search(name) else name
    shown = "".join(
        " " if char.isspace() else char
        for char in unicodedata.normalize("NFC", text[: 10 * MAX_NAME])
        if char.isspace() or unicodedata.category(char) not in _NEVER_IN_A_NAME
    )
    name = " ".join(_INVISIBLE_ENDS.sub("", _BIDI_CONTROLS.sub("", shown).strip()).split())[:MAX_NAME].rstrip()
    return "" if _LIKE_A_URL.search(name) else name


@dataclass(frozen=True)
class Signup:
    """Take sign-ups from the form.

    owner: the addresses that are alerted when sign-ups are suspended. make_key: a fresh, unguessable subscriber key.
    offered: the lists that a visitor may choose from. email_queued: called after a transaction that queued an email.
    """

    store: Store
    signer: Signer
    limiter: SignupLimiter
    owner: Sequence[str]
    read_blocked_domains: Callable[[], frozenset[str]]
    make_key: Callable[[], str]
    clock: Clock
    email_queued: Callable[[], None]
    offered: Callable[[], Sequence[MailingList]] = list

    def subscribe(
        self,
        email: str,
        name: str,
        *,
        form: str,
        origin: str,
        proven: bool = True,
        solution: str = "",
        wait: str = "",
        personal: bool = False,
        no_wait: bool = False,
        lists: str | Sequence[int] | None = None,
    ) -> None:
        """Take one sign-up. Raises InputError and TooMany; NeedsProof if the form is abused and nothing proves otherwise.

        proven: it comes from someone who loaded a form of ours, or of a site that the owner allows.
        solution, wait: what the visitor did for a challenge, or the token of a wait (`new_challenge`, `new_wait`).
        personal: it comes from somebody with a link that only this mailbox got, so nothing needs to be proven.
        lists: the keys of the lists, or their ids; None for the list of this store.
        no_wait: raise Busy, with nothing done, if another process is writing to the database.
        """
        address, now = parse_address(email), self.clock()
        list_ids = asked_for(lists, self.offered()) if isinstance(lists, str) else lists or ()
        if isinstance(lists, str) and not list_ids:
            raise NoneChosen("you did not choose a newsletter", fix="Choose at least one")
        self._refuse_disposable(address)
        network, key = origin_key(origin), self.make_key()  # outside the transaction, which others wait for
        budget_name, once = self._budget(address, now, solution, wait, proven=proven, personal=personal)
        if pressed := self.limiter.refuse_cached(address.key, network, budget_name, now):
            with self.store.write() as tx:
                under_pressure = self.limiter.note_pressure(tx, pressed)
            raise under_pressure
        mailed = False
        with self.store.write(no_wait=no_wait) as tx:
            attempt = self.limiter.check(tx, address.key, network, budget_name, now, once=once)
            refusal = self.limiter.refusal(attempt)
            if attempt.closes:
                self._suspend_signups(tx, budget_name, now)
            elif not refusal:
                enough = self.limiter.has_enough(tx, address.key, now)
                seen_from = [tx.of_list(one) for one in list_ids] or [tx]
                mailed = subscribe(
                    *seen_from,
                    address=address,
                    name=name,
                    form=form,
                    origin=origin,
                    key=key,
                    now=now,
                    has_enough=enough,
                )
                self.limiter.settle(tx, attempt, f"{key}@nobody.invalid", now, mailed=mailed)
        if attempt.closes or mailed:
            self.email_queued()
        if refusal:
            raise refusal

    def new_challenge(self, email: str) -> dict[str, str | int]:
        """A calculation for the browser of somebody who signs up this address, as ALTCHA gives it. Raises InputError."""
        return self._proof.challenge(parse_address(email).key, self.clock())

    def new_wait(self, email: str, wait: str = "") -> Wait:
        """The same for a browser without scripts; a wait that has begun goes on. Raises InputError."""
        return self._proof.wait(parse_address(email).key, self.clock(), wait)

    def new_ticket(self) -> str:
        """A signed time for a hidden field of the form: proof that the form was loaded before it is sent."""
        return self.signer.sign(Purpose.FORM, base36(int(self.clock().timestamp())))

    def is_ticket_valid(self, ticket: str) -> bool:
        """Was this ticket made for a form of ours, neither too recently for a person nor too long ago?"""
        try:
            (made_at,) = self.signer.open(Purpose.FORM, ticket)
            age = timedelta(seconds=self.clock().timestamp() - int(made_at, 36))
        except (BadToken, ValueError, OverflowError):
            return False
        return FORM_AGE[0] <= age <= FORM_AGE[1]

    def _budget(
        self, address: Address, now: datetime, solution: str, wait: str, *, proven: bool, personal: bool
    ) -> tuple[str, str]:
        """The name of the budget of a sign-up, and the name of the proof that it came with, if any."""
        if personal:
            return "solved", ""
        if solution and (once := self._proof.solved(solution, address.key, now)):
            return "solved", once
        if wait and (once := self._proof.waited(wait, address.key, now)):
            return "waited", once
        return "proven" if proven else "unproven", ""

    @cached_property
    def _proof(self) -> ProofOfWork:
        return ProofOfWork(self.signer)

    @cached_property
    def _blocked_domains(self) -> frozenset[str]:
        return self.read_blocked_domains()

    def _refuse_disposable(self, address: Address) -> None:
        domain = address.key.rpartition("@")[2]
        parents = {".".join(domain.split(".")[at:]) for at in range(domain.count("."))}
        if not self._blocked_domains.isdisjoint(parents):
            raise InputError("disposable addresses are not accepted", fix="Use your regular email address")

    def _suspend_signups(self, tx: Tx, budget_name: str, now: datetime) -> None:
        tx.maintenance.skip_reminders(now - HOUR, now)  # most sign-ups of the last hour are part of the attack
        for owner in self.owner:
            tx.transactional.add("alert", owner, attack_alert(budget_name), now)


def subscribe(
    *lists: Tx, address: Address, name: str, form: str, origin: str, key: str, now: datetime, has_enough: bool = False
) -> bool:
    """Record a sign-up inside a transaction; was a confirmation email queued? The visitor must not be told.

    lists: the transaction, seen from each list that is asked for. form: the version of the text that the visitor saw, kept
    as proof. origin: the IP address of the visitor. key: a fresh, unguessable subscriber key. has_enough: the mailbox of
    the address gets no more emails for now; it gets at most one confirmation email per address and list in 24 hours anyway.
    Whoever is subscribed to another list is asked as well: that a stranger has entered the address is no consent.
    For an address that gets none, the same rows are written and rolled back, so that neither the answer nor its timing
    tells whether an address is known.
    """
    name = clean_name(name)
    found = [(tx, tx.subscribers.by_address(address.key)) for tx in lists]
    suppressed = lists[0].suppressions.get(address.key)
    wanted = [(tx, known) for tx, known in found if known is None or not _gets(tx, known)]
    may_mail = any(_may_mail(known, now) for _, known in wanted)
    if has_enough or (suppressed and suppressed.reason != UNSUBSCRIBED_ELSEWHERE) or not may_mail:
        _pretend(lists, name, form, origin, key, now)
        return False
    with lists[0].rolled_back():
        pass  # takes as long as the savepoint of `_pretend`
    _sign_up(wanted, address, Consent(now, "signup", form, origin), source=form, name=name, key=key)
    return True


def _gets(tx: Tx, known: Subscriber) -> bool:
    return known.status in ON_THE_LIST or is_in_series(tx, known)


def _sign_up(
    wanted: Sequence[tuple[Tx, Subscriber | None]],
    address: Address,
    consent: Consent,
    *,
    source: str,
    name: str,
    key: str,
) -> Subscriber:
    """Make somebody wait for the confirmation of several lists, and queue the email that asks for it."""
    now = consent.at
    subscriber = next((known for _, known in wanted if known), None)
    for tx, _ in wanted:
        subscriber = _pending(tx, subscriber, address, name=name, source=source, key=key, now=now)
        tx.subscribers.log_consent(subscriber.id, consent)
    assert subscriber  # noqa: S101 - there is at least one list
    ask_to_confirm([tx for tx, _ in wanted], subscriber, now)
    return subscriber


def _pretend(lists: Sequence[Tx], name: str, form: str, origin: str, key: str, now: datetime) -> None:
    nobody = Address(f"{key}@nobody.invalid", f"{key}@nobody.invalid")
    subscriber: Subscriber | None = None
    with lists[0].rolled_back():
        for tx in lists:
            subscriber = _pending(tx, subscriber, nobody, name=name, source=form, key=key, now=now)
            tx.subscribers.log_consent(subscriber.id, Consent(now, "signup", form, origin))
            tx.subscribers.change(subscriber.id, confirmation_mailed_at=now)
    values = {"subscriber_key": key, "signup_at": int(now.timestamp()), **named_lists(lists)}
    lists[0].transactional.add("confirm", nobody.text, values, now, wanted=False)


def add_subscriber(
    store: Store,
    signer: Signer,
    *,
    address_text: str,
    name: str,
    confirmed_source: str | None,
    key: str,
    now: datetime,
    lists: Sequence[str] = (),
) -> Added:
    """Add a subscriber: confirmed if `confirmed_source` says where they agreed, otherwise asked by email to confirm.

    lists: keys; () for the list of this store. Raises InputError, UsageError for an empty source, NotFound for an unknown
    list, and Refused for a retired list and for a suppressed, unsubscribed or erased address.
    """
    address, name = parse_address(address_text), clean_name(name)
    if confirmed_source is not None and not confirmed_source.strip():
        raise UsageError(
            "a confirmed subscriber needs proof of consent",
            fix='State where they agreed, as in --source "paper list, May 3, 2026"',
        )
    with store.write() as whole:
        found = [(tx, tx.subscribers.by_address(address.key)) for tx in _open_lists(whole, lists)]
        new = [(tx, known) for tx, known in found if not known or known.status not in ON_THE_LIST or known.suppressed]
        if not new:
            known = found[0][1]
            return Added(known.status, known.address, changed=False) if known else _nothing(address)
        for tx, subscriber in new:
            _check_may_be_added(tx, signer, subscriber, address)
        if confirmed_source is not None:
            proof = confirmed_source.strip()
            return _import_confirmed(new, address, name=name, proof=proof, key=key, now=now)
        if not any(_may_mail(subscriber, now) for _, subscriber in new):
            return _nothing(address)
        consent = Consent(now, "signup", "added by the owner")
        subscriber = _sign_up(new, address, consent, source="command", name=name, key=key)
        return Added(Status.PENDING, subscriber.address, changed=True)


def _nothing(address: Address) -> Added:
    return Added(Status.PENDING, address.text, changed=False)


def _open_lists(tx: Tx, keys: Sequence[str]) -> list[Tx]:
    """The transaction, seen from each of these lists; as it is without any. Raises NotFound and Refused."""
    lists = [tx.lists.get(key) for key in dict.fromkeys(keys)] or [tx.lists.mine()]
    for one in lists:
        if one.retired_at:
            raise Refused(f"the list {one.key} is retired", fix=f"newsletter lists retire {one.key} --undo")
    return [tx.of_list(one.id) for one in sorted(lists, key=lambda one: one.position)]


def _may_mail(subscriber: Subscriber | None, now: datetime) -> bool:
    if subscriber is None:
        return may_send_confirmation(None, None, now)
    return may_send_confirmation(subscriber.status, subscriber.confirmation_mailed_at, now)


def _pending(
    tx: Tx, subscriber: Subscriber | None, address: Address, *, name: str, source: str, key: str, now: datetime
) -> Subscriber:
    if subscriber is None:
        return tx.subscribers.add(NewSubscriber(address, name, key, Status.PENDING, source, signup_at=now), now)
    tx.subscribers.sign_up_again(subscriber.id, name, now, source=source)
    return replace(subscriber, signup_at=now, status=Status.PENDING)


def ask_to_confirm(lists: Sequence[Tx], subscriber: Subscriber, now: datetime, *, kind: str = "confirm") -> None:
    """Queue the email that asks to confirm the sign-up. kind: "confirm", or "reminder" for the reminder.

    lists: the transaction, seen from each list that they signed up for; one email and one button for all of them.
    """
    signup_at = int(subscriber.signup_at.timestamp())
    values = {"subscriber_key": subscriber.key, "signup_at": signup_at, **named_lists(lists)}
    lists[0].transactional.add(kind, subscriber.address, values, now)
    for tx in lists:
        tx.subscribers.change(subscriber.id, confirmation_mailed_at=now)


def named_lists(lists: Sequence[Tx]) -> dict[str, object]:
    """What the values of an email say about its lists: it is sent as one of `list`, and it is about `lists`.

    Nothing for the first list alone.
    """
    ids = [tx.list_id for tx in lists]
    return {} if ids == [FIRST_LIST] else {"list": ids[0], "lists": ids}


def _check_may_be_added(tx: Tx, signer: Signer, subscriber: Subscriber | None, address: Address) -> None:
    if is_erased(tx, signer, address.key):
        raise Refused(
            f"{address.text} was erased at their own request", fix="Only they can sign up again, with the sign-up form"
        )
    if found := tx.suppressions.get(address.key):
        raise Refused(
            f"{address.text} is suppressed ({found.reason})",
            fix=f"If that was a mistake, run: newsletter suppressions remove {address.text}",
        )
    if subscriber and (has_unsubscribed(subscriber) or has_left_everything(tx, subscriber)):
        raise Refused(
            f"{subscriber.address} has unsubscribed", fix="Only they can sign up again, with the sign-up form"
        )


def has_unsubscribed(subscriber: Subscriber) -> bool:
    """Did they unsubscribe and not confirm since? A sign-up alone proves nothing: anyone can enter an address."""
    return subscriber.left_at is not None and subscriber.status not in ON_THE_LIST


def has_left_everything(tx: Tx, subscriber: Subscriber) -> bool:
    """Have they unsubscribed, and do they get no list any more? Then no list may take them in for them."""
    found = {one.status for one in tx.subscribers.subscriptions(subscriber.id)}
    return Status.UNSUBSCRIBED in found and found.isdisjoint(ON_THE_LIST)


def _import_confirmed(
    new: Sequence[tuple[Tx, Subscriber | None]], address: Address, *, name: str, proof: str, key: str, now: datetime
) -> Added:
    subscriber = next((known for _, known in new if known), None)
    for tx, _ in new:
        if subscriber is None:
            made = NewSubscriber(address, name, key, Status.CONFIRMED, "import", signup_at=now, confirmed_at=now)
            subscriber = tx.subscribers.add(made, now)
        else:
            tx.subscribers.set_status(subscriber.id, Status.CONFIRMED, now, source="import")
        tx.subscribers.log_consent(subscriber.id, Consent(now, "import", proof))
    return Added(Status.CONFIRMED, subscriber.address if subscriber else address.text, changed=True)
