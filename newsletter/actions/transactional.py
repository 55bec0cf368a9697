"""Send the queued transactional emails: confirmations, welcomes, personal links, the owner's emails.

Their links are made when an email is sent, so that the database holds no token.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from textwrap import shorten
from threading import Event

from newsletter.actions.backlog import TOO_OLD, applies, is_too_old, join_alerts, life_of, was_dead_before
from newsletter.actions.calendar.plan import Rules, coming_issue
from newsletter.actions.delivery.opening import open_session
from newsletter.actions.doubts import CRASH, LOST_REPLY, NO_MORE, RunOfDoubts, add_doubt, may_be_sent
from newsletter.actions.owner.links import shown_words, tokens
from newsletter.actions.subscribers.confirm import confirm_token
from newsletter.actions.subscribers.preferences import move_token
from newsletter.actions.subscribers.unsubscribe import resubscribe_token
from newsletter.actions.trouble import record_key
from newsletter.domain.delivery.circuit_breaker import CircuitBreaker
from newsletter.domain.delivery.delivery import Claim
from newsletter.domain.delivery.outcome import Cause, Envelope, InDoubt, Outcome, Rejected, Sent
from newsletter.domain.errors import NewsletterError, RelayRefusal, SenderError
from newsletter.domain.site import Site
from newsletter.domain.subscribers.address import parse_address
from newsletter.domain.subscribers.subscriber import Subscriber
from newsletter.mail.dkim import Dkim
from newsletter.mail.headers import mailbox, transactional_headers
from newsletter.mail.message import build
from newsletter.mail.recipient import RecipientValues, format_join_date
from newsletter.mail.tokens import SAMPLE_KEY, Purpose, Signer
from newsletter.ports.clock import Clock
from newsletter.ports.rendering import Rendered, Renderer
from newsletter.ports.sending import Sender, Session
from newsletter.ports.store import Store
from newsletter.ports.transactional import TransactionalEmail

log = logging.getLogger(__name__)

Values = Mapping[str, object]

REFUSED_IN_REPORT = 10
WAIT_FOR_RELAY = timedelta(minutes=5)  # after the relay has refused us
PAUSE_WHILE_SERVING = 0.01  # seconds between two emails, in which this process can answer web requests


@dataclass(frozen=True)
class Transactional:
    """Sends the transactional emails that are due. serves: this process runs the website too."""

    store: Store
    rules: Rules
    renderer: Renderer
    site: Site
    signer: Signer
    sender: Callable[[], Sender]
    clock: Clock
    stop: Event
    dkim: Dkim | None = None
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
        join_alerts(self.store, self.rules, self.clock())
        composer = _Composer(self.store, self.rules, self.renderer, self.site, self.signer, self.clock, self.dkim)
        sent = 0
        broken: NewsletterError | None = None
        breaker, doubts, by_id = CircuitBreaker(), RunOfDoubts(), dict[int, TransactionalEmail]()
        pause = PAUSE_WHILE_SERVING if self.serves else 0.0
        with ExitStack() as stack:
            session: Session | None = None
            while not self.stop.wait(pause) and (email := self._claim()):
                try:
                    message = self._compose(composer, email)
                except NewsletterError as error:
                    broken = error
                    continue
                if message is None:
                    continue
                try:
                    session = session or stack.enter_context(closing(open_session(self.sender(), self.stop)))
                    outcome = self._transmit(session, email, message)
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
        composer = _Composer(self.store, self.rules, self.renderer, self.site, self.signer, self.clock, self.dkim)
        sent, now = 0, self.clock()
        with closing(self.sender().open()) as session:
            for address in to:
                # No row of the queue has a number below zero.
                email = TransactionalEmail(-int(now.timestamp()), "alert", address, values, 1, now, unanswered=False)
                message = composer.compose(email)
                if message:
                    envelope = Envelope(self.site.from_address, mailbox(address))
                    sent += isinstance(session.send(envelope, message), Sent)
        return sent

    def _transmit(self, session: Session, email: TransactionalEmail, message: bytes) -> Outcome:
        if hasattr(session, "is_patient"):
            session.is_patient = email.attempts > 1  # a stall at the first attempt costs the others less
        return session.send(Envelope(self.site.from_address, mailbox(email.address)), message)

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

    def _note_welcome_tip(self, composer: _Composer, email: TransactionalEmail) -> None:
        if email.id in composer.brought:
            with self.store.write() as tx:
                tx.subscribers.record_welcome_tip(*composer.brought[email.id])

    def _claim(self) -> TransactionalEmail | None:
        with self.store.write() as tx:
            # Committed before the email is sent: if this process dies, the attempt counts.
            email = next(iter(tx.transactional.due(self.clock(), 1)), None)
            return add_doubt(tx, email, CRASH) if email and email.unanswered else email

    def _compose(self, composer: _Composer, email: TransactionalEmail) -> bytes | None:
        """The message, or None for an email that is no longer wanted. Its row is written, even if this raises."""
        if is_too_old(email, self.rules, self.clock()):
            self._finish(email, "skipped", TOO_OLD)
            return None
        if not may_be_sent(email):
            self._finish(email, "failed", NO_MORE)
            return None
        try:
            message = composer.compose(email)
        except NewsletterError as error:
            self._defer(email, str(error))
            raise
        if message is None:
            self._finish(email, "skipped", "no longer wanted")
        return message

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


@dataclass(frozen=True, slots=True)
class _Composer:
    """Composes the message of one email from its kind and its values.

    brought: by the id of a welcome email, the subscriber and the tip that it brings.
    """

    store: Store
    rules: Rules
    renderer: Renderer
    site: Site
    signer: Signer
    clock: Clock
    dkim: Dkim | None = None
    brought: dict[int, tuple[int, int]] = field(default_factory=dict)

    def compose(self, email: TransactionalEmail) -> bytes | None:
        """The whole message; None if it is no longer wanted."""
        rendered = self._preview(email) if email.kind == "preview" else self._rendered(email)
        if rendered is None:
            return None
        headers = transactional_headers(
            self.site,
            to=email.address,
            subject=rendered.subject,
            message_id=self._message_id(email),
            date=self.clock(),
            kind=email.kind,
            unsubscribe_url=self._unsubscribe_url(str(email.values["subscriber_key"]))
            if email.kind == "welcome"
            else "",
        )
        message = build(headers, rendered, "notice")
        return self.dkim.sign(message, self.clock()) if self.dkim else message

    def _preview(self, email: TransactionalEmail) -> Rendered:
        """The next issue as a subscriber would get it, below the owner's four links."""
        values = email.values
        slot, tip_id = date.fromisoformat(str(values["slot"])), int(str(values["tip_id"]))
        with self.store.read() as tx:
            tip = tx.tips.by_id(tip_id)
            archive_links = tx.archive.archive_links(tip_id, slot)
        claim = Claim(0, 0, SAMPLE_KEY, email.address, "", self.site.day_of(self.clock()).isoformat(), 1, self.clock())
        signed = tokens(self.signer, slot, tip_id, tip.text, shown_words(self.renderer, self.site, tip, slot))
        links = {action: self.site.url(f"/owner/{token}") for action, token in signed.items()}
        return self.renderer.issue(
            replace(tip.text, title=str(values["title"])),
            tip_key=tip.card.key,
            number=int(str(values["number"])),
            slot=slot,
            recipient=RecipientValues(self.site, self.signer, b"preview: nobody's").values(claim, ""),
            archive_links=archive_links,
            kind="preview",
            extra={
                **values,
                "slot": slot,
                "links": links,
                "then": _with_dates(values["then"]),
                "online_url": self.site.url(f"/tips/{tip.card.key}?test"),
            },
        )

    def _rendered(self, email: TransactionalEmail) -> Rendered | None:
        values: Values = email.values
        if "subscriber_key" in email.values:
            subscriber = self._recipient(email)
            if subscriber is None:
                return None
            values = self._values(email, subscriber)
        elif email.kind == "report":
            coming = _with_dates([values["next"]] if values["next"] else [])
            refused = self._refused(int(str(values["number"])))
            values = {
                "quarter": "",
                **values,
                "refused": refused[:REFUSED_IN_REPORT],
                "more_refused": len(refused) - REFUSED_IN_REPORT,
                "title": values["subject"],
                "fresh_until": _day(values["fresh_until"] or None),
                "next": next(iter(coming), None),
            }
        return self.renderer.transactional(email.kind, values)

    def _refused(self, number: int) -> list[tuple[str, str]]:
        """(address, reason) of each delivery that was refused. Read when the report is sent, so that no copy is kept."""
        with self.store.read() as tx:
            found = [
                one
                for state in ("rejected", "failed", "held", "deferred")
                for one in tx.issues.deliveries(number, state)
            ]
        return [
            (one.address, shorten(one.reply.partition(" ")[2], 120, placeholder="…"))
            for one in found
            if one.address and one.reply
        ]

    def _recipient(self, email: TransactionalEmail) -> Subscriber | None:
        """The subscriber, if the email still applies to them: a lot may have happened since it was queued."""
        with self.store.read() as tx:
            subscriber = tx.subscribers.by_key(str(email.values["subscriber_key"]))
        return subscriber if subscriber and not subscriber.suppressed and applies(email, subscriber) else None

    def _values(self, email: TransactionalEmail, subscriber: Subscriber) -> Values:
        match email.kind:
            case "confirm" | "reminder":
                return self._confirmation(subscriber)
            case "confirm_address":
                token = move_token(self.signer, subscriber.key, int(str(email.values["asked_at"])))
                return {"address": email.address, "move_url": self.site.url(f"/move/{token}")}
            case "welcome":
                return {**self._personal(subscriber), **self._welcome(email.id, subscriber)}
            case "unsubscribed":
                return {"back_url": self.site.url(f"/back/{resubscribe_token(self.signer, subscriber.key)}")}
            case _:
                return self._personal(subscriber)

    def _confirmation(self, subscriber: Subscriber) -> Values:
        """Before the confirmation, an email shows nothing that the visitor typed except the address: it could be spam."""
        token = confirm_token(self.signer, subscriber.key, int(subscriber.signup_at.timestamp()))
        return {"address": subscriber.address, "confirm_url": self.site.url(f"/confirm/{token}")}

    def _welcome(self, email_id: int, subscriber: Subscriber) -> Values:
        """The day of the next issue, and the tip that was sent last, so that nobody has to wait a week for their first one.

        A tip that the subscriber has received already is left out.
        """
        with self.store.read() as tx:
            next_slot = coming_issue(tx, self.rules, self.clock())
            latest = next(iter(tx.archive.latest(1)), None)
            if latest and any(one.tip == latest.entry.key for one in tx.subscribers.deliveries(subscriber.id)):
                latest = None
            if latest:
                self.brought[email_id] = (subscriber.id, tx.tips.get(latest.entry.key).card.id)
        if latest is None:
            return {"next_slot": next_slot}
        return {
            "next_slot": next_slot,
            "latest_url": self.site.url(f"/tips/{latest.entry.key}"),
            "latest_title": latest.entry.title,
            "latest_body": latest.body,
            "latest_takeaway": latest.takeaway,
        }

    def _personal(self, subscriber: Subscriber) -> Values:
        joined_day = self.site.day_of(subscriber.confirmed_at) if subscriber.confirmed_at else None
        return {
            "address": subscriber.address,
            "name": subscriber.name,
            "joined_on": format_join_date(joined_day.isoformat() if joined_day else "", self.site),
            "joined_day": joined_day,
            "unsubscribe_url": self._unsubscribe_url(subscriber.key),
            "preferences_url": self.site.url(f"/p/{self.signer.sign(Purpose.PREFERENCES, subscriber.key)}"),
        }

    def _unsubscribe_url(self, subscriber_key: str) -> str:
        return self.site.url(f"/u/{self.signer.sign(Purpose.UNSUBSCRIBE, subscriber_key)}")

    def _message_id(self, email: TransactionalEmail) -> str:
        """The same on every retry. The space separates this sealed text from every possible sealed address."""
        return f"<{self.signer.seal(Purpose.BOUNCE, f'notice {email.id}')}@{self.site.from_domain}>"


def _quota(breaker: CircuitBreaker) -> str:
    return f"the limit of the mail server is reached: {breaker.over_quota}" if breaker.over_quota else ""


def _with_dates(rows: object) -> list[Values]:
    """Rows of the calendar, with their dates parsed again from JSON."""
    found = rows if isinstance(rows, list) else []
    return [{**row, "date": date.fromisoformat(row["date"])} for row in found]


def _day(text: object) -> date | None:
    return date.fromisoformat(text) if isinstance(text, str) else None
