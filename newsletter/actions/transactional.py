"""Send the queued transactional emails: confirmations, welcomes, personal links, the owner's emails.

Their links are made when an email is sent, so that the database holds no token.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import timedelta
from threading import Event

from newsletter.actions.backlog import TOO_OLD, is_too_old, join_alerts, life_of, was_dead_before
from newsletter.actions.composer import Composer, Composers, ListParts, Values
from newsletter.actions.delivery.opening import open_session
from newsletter.actions.doubts import CRASH, LOST_REPLY, NO_MORE, RunOfDoubts, add_doubt, may_be_sent
from newsletter.actions.trouble import record_key
from newsletter.domain.delivery.circuit_breaker import CircuitBreaker
from newsletter.domain.delivery.outcome import Cause, Envelope, InDoubt, Outcome, Rejected, Sent
from newsletter.domain.errors import NewsletterError, RelayRefusal, SenderError
from newsletter.domain.lists import FIRST_LIST
from newsletter.domain.site import Site
from newsletter.domain.subscribers.address import parse_address
from newsletter.mail.headers import mailbox
from newsletter.mail.tokens import Signer
from newsletter.ports.clock import Clock
from newsletter.ports.sending import Sender, Session
from newsletter.ports.store import Store
from newsletter.ports.transactional import TransactionalEmail

log = logging.getLogger(__name__)

WAIT_FOR_RELAY = timedelta(minutes=5)  # after the relay has refused us
PAUSE_WHILE_SERVING = 0.01  # seconds between two emails, in which this process can answer web requests


@dataclass(frozen=True)
class Transactional:
    """Sends the transactional emails that are due.

    parts_of: of a list by its id; an email that names no list is one of the first. serves: this process runs the website
    too.
    """

    store: Store
    parts_of: Callable[[int], ListParts]
    signer: Signer
    sender: Callable[[], Sender]
    clock: Clock
    stop: Event
    serves: bool = False

    def is_sender_running(self) -> bool:
        """Does another process hold the sending lock, so that the daemon will send them?"""
        return self.store.holder() is not None

    def send(self) -> int:
        """Send what is due over one session, one email at a time; how many were accepted. 0 for a database on hold.

        An email is claimed before it is sent and its outcome is recorded after that, so a crash costs it one attempt.
        Raises SenderError for a connection error and RelayRefusal if the circuit breaker trips; the remaining emails wait.
        An email that cannot be composed is deferred, the others are sent, and then its error is raised (mostly
        TemplateError).
        """
        if self.store.hold_reason():
            return 0
        join_alerts(self.store, self.parts_of(FIRST_LIST).rules, self.clock())
        composers = Composers(self.parts_of, self.signer, self.clock)
        sent = 0
        broken: NewsletterError | None = None
        breaker, doubts, by_id = CircuitBreaker(), RunOfDoubts(), dict[int, TransactionalEmail]()
        pause = PAUSE_WHILE_SERVING if self.serves else 0.0
        with ExitStack() as stack:
            session: Session | None = None
            while not self.stop.wait(pause) and (email := self._claim()):
                try:
                    composed = self._compose(composers, email)
                except NewsletterError as error:
                    broken = error
                    continue
                if composed is None:
                    continue
                composer, message = composed
                try:
                    session = session or stack.enter_context(closing(open_session(self.sender(), self.stop)))
                    outcome = self._transmit(session, email, composer.parts.site, message)
                except SenderError as error:
                    self._defer(email, str(error))
                    if isinstance(error, RelayRefusal):  # every attempt might lock the account a little longer
                        self._wait_for_relay(())
                    raise
                self._record(email, outcome)
                by_id[email.id] = email
                sent += isinstance(outcome, Sent)
                if isinstance(outcome, Sent):
                    self._note_welcome_tip(composer, email)
                if why := breaker.record_outcome(email.id, outcome) or _quota(breaker) or doubts.record(outcome):
                    self._wait_for_relay([by_id[one] for one in breaker.run])
                    raise RelayRefusal(f"transactional emails wait: {why}")
        # The broken email was deferred, so it did not keep the others from being sent.
        if broken:
            raise broken
        return sent

    def send_alert(self, to: Sequence[str], values: Values) -> int:
        """Send an alert without the database, which is what it is about; how many were accepted. Raises SenderError."""
        composer = Composer(self.parts_of(FIRST_LIST), self.signer, self.clock, self.parts_of)
        sent, now = 0, self.clock()
        with closing(self.sender().open()) as session:
            for address in to:
                # No row of the queue has a number below zero.
                email = TransactionalEmail(-int(now.timestamp()), "alert", address, values, 1, now, unanswered=False)
                message = composer.compose(email)
                if message:
                    envelope = Envelope(composer.parts.site.from_address, mailbox(address))
                    sent += isinstance(session.send(envelope, message), Sent)
        return sent

    def _transmit(self, session: Session, email: TransactionalEmail, site: Site, message: bytes) -> Outcome:
        if hasattr(session, "is_patient"):
            session.is_patient = email.attempts > 1  # a stall at the first attempt costs the others less
        return session.send(Envelope(site.from_address, mailbox(email.address)), message)

    def _wait_for_relay(self, rejected: Sequence[TransactionalEmail]) -> None:
        """Let all emails wait for a while, and undo rejections that were not about single mailboxes."""
        now = self.clock()
        with self.store.write() as tx:
            for email in rejected:
                tx.transactional.reopen(email.id)
                # Only an address that was not suppressed before gets an email, so the suppression is that of this run.
                if "subscriber_key" in email.values:
                    tx.suppressions.remove(parse_address(email.address).key)
            tx.transactional.postpone(now + WAIT_FOR_RELAY)

    def _note_welcome_tip(self, composer: Composer, email: TransactionalEmail) -> None:
        if email.id in composer.brought:
            with self.store.write() as tx:
                tx.subscribers.record_welcome_tip(*composer.brought[email.id])

    def _claim(self) -> TransactionalEmail | None:
        with self.store.write() as tx:
            # Committed before the email is sent: if this process dies, the attempt counts.
            email = next(iter(tx.transactional.due(self.clock(), 1)), None)
            return add_doubt(tx, email, CRASH) if email and email.unanswered else email

    def _compose(self, composers: Composers, email: TransactionalEmail) -> tuple[Composer, bytes] | None:
        """The message, or None for an email that is no longer wanted. Its row is written, even if this raises."""
        if not may_be_sent(email):
            self._finish(email, "failed", NO_MORE)
            return None
        try:
            composer = composers.of(email)
            if is_too_old(email, composer.parts.rules, self.clock()):
                self._finish(email, "skipped", TOO_OLD)
                return None
            message = composer.compose(email)
        except NewsletterError as error:
            self._defer(email, str(error))
            raise
        if message is None:
            self._finish(email, "skipped", "no longer wanted")
            return None
        return composer, message

    def _record(self, email: TransactionalEmail, outcome: Outcome) -> None:
        match outcome:
            case Sent():
                self._finish(email, "sent", str(outcome.reply))
            case Rejected(cause=Cause.POLICY):  # about us: as for an issue, it is tried again for two days
                self._defer(email, str(outcome.reply))
            case Rejected():
                may_be_dead = outcome.cause is Cause.BAD_ADDRESS and "subscriber_key" in email.values
                self._finish(email, "rejected", str(outcome.reply), may_be_dead=may_be_dead)
            case InDoubt() if email.kind == "unsubscribed":  # a second unsubscribe email would look like spam
                self._finish(email, "failed", str(outcome.reply))
            case InDoubt():  # a second confirmation email does less harm than none, and a third one does not
                with self.store.write() as tx:
                    email = add_doubt(tx, email, LOST_REPLY)
                if may_be_sent(email):
                    self._defer(email, str(outcome.reply))
                else:
                    self._finish(email, "failed", NO_MORE)
            case _:
                self._defer(email, str(outcome.reply))

    def _defer(self, email: TransactionalEmail, reply: str) -> None:
        waited_for = self.clock() - email.created_at
        self._finish(email, "failed" if waited_for > life_of(email.kind) else "deferred", reply)

    def _finish(self, email: TransactionalEmail, state: str, reply: str, *, may_be_dead: bool = False) -> None:
        """may_be_dead: the reply says that there is no such mailbox. One such reply may be the relay's trouble."""
        now = self.clock()
        if state in ("deferred", "failed", "rejected"):
            # An alert that cannot leave by the relay must reach the log at least.
            level = logging.ERROR if email.kind == "alert" else logging.WARNING
            about = f": {email.values.get('headline')}" if email.kind == "alert" else ""
            log.log(level, "transactional email %d (%s%s) is %s: %s", email.id, email.kind, about, state, reply)
        with self.store.write() as tx:
            is_dead = may_be_dead and was_dead_before(tx, email.address, now)
            tx.transactional.done(email.id, state, reply, now)
            if state == "sent":
                record_key(tx, self.signer, now)
            if is_dead:
                tx.suppressions.add(parse_address(email.address).key, "hard_bounce", f"{email.kind} mail", now)


def _quota(breaker: CircuitBreaker) -> str:
    return f"the limit of the mail server is reached: {breaker.over_quota}" if breaker.over_quota else ""
