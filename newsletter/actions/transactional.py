"""Sending the transactional mails that wait: confirmation, welcome, farewell, owner's mails; the weekly letter is `deliver`'s.

Links are made here, when a mail leaves, so that no token lies in the database.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import date
from threading import Event

from newsletter.actions.owner.links import tokens
from newsletter.actions.subscribers.confirm import confirm_token
from newsletter.actions.subscribers.preferences import move_token
from newsletter.actions.subscribers.unsubscribe import is_still_unsubscribed, resubscribe_token
from newsletter.domain.delivery.delivery import GIVE_UP_AFTER, Claim
from newsletter.domain.delivery.outcome import Cause, Envelope, InDoubt, Outcome, Rejected, Sent
from newsletter.domain.errors import NewsletterError, SenderError
from newsletter.domain.site import Site
from newsletter.domain.subscribers.address import parse_address
from newsletter.domain.subscribers.subscriber import Subscriber
from newsletter.domain.subscribers.subscription import Status
from newsletter.mail.dkim import Dkim
from newsletter.mail.headers import mailbox, transactional_headers
from newsletter.mail.message import build
from newsletter.mail.recipient import RecipientValues, format_join_date
from newsletter.mail.tokens import Purpose, Signer
from newsletter.ports.sending import Sender, Session
from newsletter.ports.store import Clock, Rendered, Renderer, Store, TransactionalEmail

Values = Mapping[str, object]


def send_transactional(
    store: Store,
    renderer: Renderer,
    site: Site,
    signer: Signer,
    sender_factory: Callable[[], Sender],
    clock: Clock,
    stop: Event,
    dkim: Dkim | None = None,
    pause_between: float = 0.0,
) -> int:
    """Send what is due over one session, one mail at a time; how many left.

    breath: seconds between two mails, in which this process may answer visitors.

    A mail is claimed before it is sent and its end is written after, so a crash costs it one turn.
    Raises SenderTrouble when the next hop is the trouble: what is left keeps its place for the next call.
    A mail that cannot be composed waits, the others go, and then its error is raised (TemplateError, mostly).
    """
    office, sent = _TransactionalSender(store, renderer, site, signer, clock, dkim), 0
    broken: NewsletterError | None = None
    with ExitStack() as stack:
        session: Session | None = None
        while not stop.wait(pause_between) and (notice := office.claim()):
            try:
                message = office.compose(notice)
            except NewsletterError as error:
                office.note_delay(notice, str(error))
                broken = error
                continue
            if message is None:
                office.note(notice, "skipped", "no longer wanted")
                continue
            try:
                session = session or stack.enter_context(closing(sender_factory().open()))
                outcome = session.send(Envelope(site.from_address, mailbox(notice.address)), message)
            except SenderError as trouble:
                office.note_delay(notice, str(trouble))
                raise
            office.record(notice, outcome)
            sent += isinstance(outcome, Sent)
    if broken:
        raise broken
    return sent


@dataclass(frozen=True, slots=True)
class _TransactionalSender:
    """What every step needs; opens no connection."""

    store: Store
    renderer: Renderer
    site: Site
    signer: Signer
    clock: Clock
    dkim: Dkim | None = None

    def claim(self) -> TransactionalEmail | None:
        with self.store.write() as tx:
            return next(iter(tx.transactional.due(self.clock(), 1)), None)

    def compose(self, notice: TransactionalEmail) -> bytes | None:
        """The whole message; None when nobody wants it any more."""
        rendered = self._preview(notice) if notice.kind == "preview" else self._rendered(notice)
        if rendered is None:
            return None
        headers = transactional_headers(
            self.site,
            to=notice.address,
            subject=rendered.subject,
            message_id=self._message_id(notice),
            date=self.clock(),
            kind=notice.kind,
        )
        message = build(headers, rendered, "notice")
        return self.dkim.sign(message, self.clock()) if self.dkim else message

    def _preview(self, notice: TransactionalEmail) -> Rendered:
        """The coming letter as an invented reader would get it, below the owner's four links."""
        values = notice.values
        slot, tip_id = date.fromisoformat(str(values["slot"])), int(str(values["tip_id"]))
        with self.store.read() as tx:
            tip = tx.tips.by_id(tip_id)
            archive_links = tx.archive.archive_links(tip_id, slot)
        claim = Claim(0, 0, "preview", notice.address, "", self.clock().date().isoformat(), 1, self.clock())
        links = {
            action: self.site.url(f"/owner/{token}") for action, token in tokens(self.signer, slot, tip_id).items()
        }
        return self.renderer.issue(
            replace(tip.text, title=str(values["title"])),
            tip_key=tip.card.key,
            number=int(str(values["number"])),
            slot=slot,
            recipient=RecipientValues(self.site, self.signer, b"preview: nobody's").values(claim, ""),
            archive_links=archive_links,
            kind="preview",
            extra={**values, "slot": slot, "links": links, "then": _dated(values["then"])},
        )

    def _rendered(self, notice: TransactionalEmail) -> Rendered | None:
        values: Values = notice.values
        if "subscriber_key" in notice.values:
            reader = self._wanted_by(notice)
            if reader is None:
                return None
            values = self._values(notice, reader)
        elif notice.kind == "report":
            coming = _dated([values["next"]] if values["next"] else [])
            values = {
                "quarter": "",
                **values,
                "title": values["subject"],
                "fresh_until": _day(values["fresh_until"] or None),
                "next": next(iter(coming), None),
            }
        return self.renderer.transactional(notice.kind, values)

    def _wanted_by(self, notice: TransactionalEmail) -> Subscriber | None:
        """The reader, if the mail still fits them: much may have happened since it was queued."""
        with self.store.read() as tx:
            reader = tx.subscribers.by_key(str(notice.values["subscriber_key"]))
        return reader if reader and not reader.suppressed and _fits(notice, reader) else None

    def _values(self, notice: TransactionalEmail, reader: Subscriber) -> Values:
        match notice.kind:
            case "confirm" | "remind":
                return self._asking(reader)
            case "move":
                token = move_token(self.signer, reader.key, int(str(notice.values["asked_at"])))
                return {"address": notice.address, "move_url": self.site.url(f"/move/{token}")}
            case "welcome":
                return {**self._personal(reader), **self._latest(), "next_slot": _day(notice.values.get("next_slot"))}
            case "farewell":
                return {"back_url": self.site.url(f"/back/{resubscribe_token(self.signer, reader.key)}")}
            case _:
                return self._personal(reader)

    def _asking(self, reader: Subscriber) -> Values:
        """Before the confirmation a mail shows not one word that the visitor typed, but for the address."""
        token = confirm_token(self.signer, reader.key, int(reader.signup_at.timestamp()))
        return {"address": reader.address, "confirm_url": self.site.url(f"/confirm/{token}")}

    def _latest(self) -> Values:
        """The tip that ran last: nobody should have to wait for the first."""
        with self.store.read() as tx:
            latest = next(iter(tx.archive.latest(1)), None)
        if latest is None:
            return {}
        return {
            "latest_url": self.site.url(f"/tips/{latest.entry.key}"),
            "latest_title": latest.entry.title,
            "latest_body": latest.body,
            "latest_takeaway": latest.takeaway,
        }

    def _personal(self, reader: Subscriber) -> Values:
        joined_on = reader.confirmed_at.date().isoformat() if reader.confirmed_at else ""
        return {
            "address": reader.address,
            "name": reader.name,
            "joined_on": format_join_date(joined_on, self.site.dates),
            "joined_day": reader.confirmed_at.date() if reader.confirmed_at else None,
            "unsubscribe_url": self.site.url(f"/u/{self.signer.sign(Purpose.UNSUBSCRIBE, reader.key)}"),
            "preferences_url": self.site.url(f"/p/{self.signer.sign(Purpose.PREFERENCES, reader.key)}"),
        }

    def _message_id(self, notice: TransactionalEmail) -> str:
        """The same on every retry. The blank keeps the sealed text apart from all that an address can carry."""
        return f"<{self.signer.seal(Purpose.BOUNCE, f'notice {notice.id}')}@{self.site.from_domain}>"

    def record(self, notice: TransactionalEmail, outcome: Outcome) -> None:
        match outcome:
            case Sent():
                self.note(notice, "sent", str(outcome.reply))
            case Rejected():
                bounced = outcome.cause is Cause.BAD_ADDRESS and "subscriber_key" in notice.values
                self.note(notice, "rejected", str(outcome.reply), suppress=bounced)
            case InDoubt() if notice.kind == "farewell":
                self.note(notice, "failed", str(outcome.reply))
            case _:  # deferred, or in doubt: a second confirmation mail harms less than none
                self.note_delay(notice, str(outcome.reply))

    def note_delay(self, notice: TransactionalEmail, reply: str) -> None:
        waited_for = self.clock() - notice.created_at
        self.note(notice, "failed" if waited_for > GIVE_UP_AFTER else "deferred", reply)

    def note(self, notice: TransactionalEmail, state: str, reply: str, *, suppress: bool = False) -> None:
        now = self.clock()
        with self.store.write() as tx:
            tx.transactional.done(notice.id, state, reply, now)
            if suppress:
                tx.suppressions.add(parse_address(notice.address).key, "hard_bounce", f"{notice.kind} mail", now)


def _fits(notice: TransactionalEmail, reader: Subscriber) -> bool:
    """Does this mail still say what is so?"""
    match notice.kind:
        case "confirm" | "remind":
            same = int(reader.signup_at.timestamp()) == notice.values["signup_at"]
            return same and reader.status is Status.PENDING and reader.address == notice.address
        case "move":
            asked_at = int(reader.new_address_at.timestamp()) if reader.new_address_at else 0
            wanted = reader.new_address.text if reader.new_address else ""
            return wanted == notice.address and asked_at == notice.values["asked_at"]
        case "farewell":
            still_out = is_still_unsubscribed(reader, int(str(notice.values["left_at"])))
            return reader.address == notice.address and still_out and not notice.unanswered  # once at most
        case "link":
            return reader.address == notice.address and reader.status not in (Status.PENDING, Status.EXPIRED)
        case _:
            return reader.address == notice.address and reader.status is Status.CONFIRMED


def _dated(lines: object) -> list[Values]:
    """Lines of the calendar, their dates as dates again."""
    found = lines if isinstance(lines, list) else []
    return [{**line, "date": date.fromisoformat(line["date"])} for line in found]


def _day(text: object) -> date | None:
    return date.fromisoformat(text) if isinstance(text, str) else None
