"""Compose the transactional emails from the kinds and the values that the queue holds.

Their links are made when an email is sent, so that the database holds no token.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from textwrap import shorten

from newsletter.actions.backlog import applies
from newsletter.actions.calendar.course import course_rules
from newsletter.actions.calendar.plan import Rules, coming_issue
from newsletter.actions.owner.links import shown_words, tokens
from newsletter.actions.subscribers.confirm import confirm_token
from newsletter.actions.subscribers.onboarding import series_of
from newsletter.actions.subscribers.preferences import move_token
from newsletter.actions.subscribers.unsubscribe import resubscribe_token, unsubscribe_token
from newsletter.domain.delivery.delivery import Claim
from newsletter.domain.lists import FIRST_LIST
from newsletter.domain.site import Site
from newsletter.domain.subscribers.subscriber import Subscriber
from newsletter.domain.subscribers.subscription import ON_THE_LIST
from newsletter.mail.dkim import Dkim
from newsletter.mail.headers import transactional_headers
from newsletter.mail.message import build
from newsletter.mail.recipient import RecipientValues, format_join_date
from newsletter.mail.tokens import SAMPLE_KEY, Purpose, Signer
from newsletter.ports.clock import Clock
from newsletter.ports.rendering import Rendered, Renderer
from newsletter.ports.store import Store
from newsletter.ports.transactional import TransactionalEmail

Values = Mapping[str, object]

REFUSED_IN_REPORT = 10
_PERSONAL = ("manage_link", "confirm_address")  # about the person, whatever the list


@dataclass(frozen=True, slots=True)
class ListParts:
    """What the emails of one list are made with. store: sees that list. title_of: the title of another one, by its key."""

    list_id: int
    store: Store
    rules: Rules
    renderer: Renderer
    site: Site
    dkim: Dkim | None = None
    title_of: Callable[[str], str] = str


class Composers:
    """A composer for each list, made when an email of that list is due."""

    def __init__(self, parts_of: Callable[[int], ListParts], signer: Signer, clock: Clock) -> None:
        self._parts_of, self._signer, self._clock = parts_of, signer, clock
        self._known: dict[int, Composer] = {}

    def of(self, email: TransactionalEmail) -> Composer:
        """That of the list whose email it is. Raises what its settings and templates raise."""
        list_id = _lists_of(email)[0]
        if list_id not in self._known:
            self._known[list_id] = Composer(self._parts_of(list_id), self._signer, self._clock, self._parts_of)
        return self._known[list_id]


@dataclass(frozen=True, slots=True)
class Composer:
    """Composes the message of one email of a list from its kind and its values.

    brought: by the id of a welcome email, the subscriber and the tip that it brings.
    """

    parts: ListParts
    signer: Signer
    clock: Clock
    parts_of: Callable[[int], ListParts]
    brought: dict[int, tuple[int, int]] = field(default_factory=dict)

    def compose(self, email: TransactionalEmail) -> bytes | None:
        """The whole message; None if it is no longer wanted."""
        rendered = self._preview(email) if email.kind == "preview" else self._rendered(email)
        if rendered is None:
            return None
        headers = transactional_headers(
            self.parts.site,
            to=email.address,
            subject=rendered.subject,
            message_id=self._message_id(email),
            date=self.clock(),
            kind=email.kind,
            unsubscribe_url=self._unsubscribe_url(str(email.values["subscriber_key"]), _lists_of(email))
            if email.kind == "welcome"
            else "",
        )
        message = build(headers, rendered, "notice")
        return self.parts.dkim.sign(message, self.clock()) if self.parts.dkim else message

    def _preview(self, email: TransactionalEmail) -> Rendered:
        """The next issue as a subscriber would get it, below the owner's four links."""
        values = email.values
        slot, tip_id = date.fromisoformat(str(values["slot"])), int(str(values["tip_id"]))
        with self.parts.store.read() as tx:
            tip = tx.tips.by_id(tip_id)
            archive_links = tx.archive.archive_links(tip_id, slot)
        claim = Claim(
            0, 0, SAMPLE_KEY, email.address, "", self.parts.site.day_of(self.clock()).isoformat(), 1, self.clock()
        )
        signed = tokens(
            self.signer,
            slot,
            tip_id,
            tip.text,
            shown_words(self.parts.renderer, self.parts.site, tip, slot),
            list_id=int(str(values.get("list", FIRST_LIST))),
        )
        links = {action: self.parts.site.url(f"/owner/{token}") for action, token in signed.items()}
        return self.parts.renderer.issue(
            replace(tip.text, title=str(values["title"])),
            tip_key=tip.card.key,
            number=int(str(values["number"])),
            slot=slot,
            recipient=RecipientValues(self.parts.site, self.signer, b"preview: nobody's").values(claim, ""),
            archive_links=archive_links,
            kind="preview",
            extra={
                **values,
                "slot": slot,
                "links": links,
                "then": _with_dates(values["then"]),
                "online_url": self.parts.site.url(f"/tips/{tip.card.key}?test"),
            },
        )

    def _rendered(self, email: TransactionalEmail) -> Rendered | None:
        values: Values = email.values
        if "subscriber_key" in email.values:
            found = self._recipients(email)
            if not found:
                return None
            values = self._values(email, found[0][1], [one for one, _ in found])
        elif email.kind == "report":
            coming = _with_dates([values["next"]] if values["next"] else [])
            number = values["number"]
            refused = self._refused(int(str(values.get("issue", number))))
            values = {
                "quarter": "",
                "argument": number,  # a report that an earlier version has queued has none of the three
                "another_day": 0,
                **values,
                "refused": refused[:REFUSED_IN_REPORT],
                "more_refused": len(refused) - REFUSED_IN_REPORT,
                "title": values["subject"],
                "fresh_until": _day(values["fresh_until"] or None),
                "next": next(iter(coming), None),
            }
        return self.parts.renderer.transactional(email.kind, values)

    def _refused(self, number: int) -> list[tuple[str, str]]:
        """(address, reason) of each delivery that was refused. Read when the report is sent, so that no copy is kept."""
        with self.parts.store.read() as tx:
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

    def _recipients(self, email: TransactionalEmail) -> list[tuple[int, Subscriber]]:
        """The lists for which the email still applies, and the subscriber as each of them sees it.

        A lot may have happened since it was queued.
        """
        with self.parts.store.read() as tx:
            person = tx.subscribers.by_key(str(email.values["subscriber_key"]))
            if person is None or person.suppressed:
                return []
            lists = _lists_of(email)
            if email.kind in _PERSONAL:
                lists = [one.list_id for one in tx.subscribers.subscriptions(person.id)]
            found = [(one, tx.of_list(one).subscribers.by_key(person.key)) for one in lists]
        return [(one, seen) for one, seen in found if seen and applies(email, seen)]

    def _values(self, email: TransactionalEmail, subscriber: Subscriber, lists: Sequence[int]) -> Values:
        match email.kind:
            case "confirm" | "reminder":
                return self._confirmation(subscriber, lists)
            case "confirm_address":
                token = move_token(self.signer, subscriber.key, int(str(email.values["asked_at"])))
                return {"address": email.address, "move_url": self.parts.site.url(f"/move/{token}")}
            case "welcome":
                return {**self._personal(subscriber, lists), **self._welcome(email.id, subscriber, lists)}
            case "unsubscribed":
                token = resubscribe_token(self.signer, subscriber.key, lists[0])
                others = self._titles(self._others(subscriber, lists[0]))
                return {"back_url": self.parts.site.url(f"/back/{token}"), "others": others}
            case _:
                return self._personal(subscriber, [self.parts.list_id])

    def _confirmation(self, subscriber: Subscriber, lists: Sequence[int]) -> Values:
        """Before the confirmation, an email shows nothing that the visitor typed except the address: it could be spam."""
        token = confirm_token(self.signer, subscriber.key, int(subscriber.signup_at.timestamp()), lists)
        url = self.parts.site.url(f"/confirm/{token}")
        with self.parts.store.read() as tx:
            series = [(found.lists.mine().key, one) for one in lists if (found := series_of(tx.of_list(one)))]
        values = {"address": subscriber.address, "confirm_url": url, "titles": self._titles(lists)}
        for key, leads_to in series[:1]:
            values |= {"welcome_series": self.parts.title_of(key), "welcome_then": self.parts_of(leads_to).site.title}
        return values

    def _others(self, subscriber: Subscriber, but: int) -> list[int]:
        """The ids of the other lists that they are subscribed to."""
        with self.parts.store.read() as tx:
            found = tx.subscribers.subscriptions(subscriber.id)
        return [one.list_id for one in found if one.status in ON_THE_LIST and one.list_id != but]

    def _titles(self, lists: Sequence[int]) -> list[str]:
        return [self.parts_of(one).site.title for one in lists]

    def _welcome(self, email_id: int, subscriber: Subscriber, lists: Sequence[int]) -> Values:
        """The day of the next issue, and the tip that was sent last, so that nobody has to wait a week for their first one.

        A tip that the subscriber has received already is left out.
        """
        with self.parts.store.read() as tx:
            days = [coming_issue(tx.of_list(one), self.parts_of(one).rules, self.clock()) for one in lists]
            next_slot = min(filter(None, days), default=None)
            course = course_rules(tx.lists.mine())
            latest = None if course else next(iter(tx.archive.latest(1)), None)
            if latest and any(one.tip == latest.entry.key for one in tx.subscribers.deliveries(subscriber.id)):
                latest = None
            if latest:
                self.brought[email_id] = (subscriber.id, tx.tips.get(latest.entry.key).card.id)
        more = {
            "next_slot": next_slot,
            "titles": self._titles(lists),
            "course_then": self.parts.title_of(course.then) if course and course.then else "",
        }
        if latest is None:
            return more
        return {
            **more,
            "latest_url": self.parts.site.url(f"/tips/{latest.entry.key}"),
            "latest_title": latest.entry.title,
            "latest_body": latest.body,
            "latest_takeaway": latest.takeaway,
        }

    def _personal(self, subscriber: Subscriber, lists: Sequence[int]) -> Values:
        joined_day = self.parts.site.day_of(subscriber.confirmed_at) if subscriber.confirmed_at else None
        return {
            "address": subscriber.address,
            "name": subscriber.name,
            "joined_on": format_join_date(joined_day.isoformat() if joined_day else "", self.parts.site),
            "joined_day": joined_day,
            "unsubscribe_url": self._unsubscribe_url(subscriber.key, lists),
            "preferences_url": self.parts.site.url(f"/p/{self.signer.sign(Purpose.PREFERENCES, subscriber.key)}"),
        }

    def _unsubscribe_url(self, subscriber_key: str, lists: Sequence[int]) -> str:
        return self.parts.site.url(f"/u/{unsubscribe_token(self.signer, subscriber_key, *lists)}")

    def _message_id(self, email: TransactionalEmail) -> str:
        """The same on every retry. The space separates this sealed text from every possible sealed address."""
        return f"<{self.signer.seal(Purpose.BOUNCE, f'notice {email.id}')}@{self.parts.site.from_domain}>"


def _lists_of(email: TransactionalEmail) -> list[int]:
    """The ids of the lists that an email is about, in their order."""
    named = email.values.get("lists")
    return named if isinstance(named, list) else [int(str(email.values.get("list", FIRST_LIST)))]


def _with_dates(rows: object) -> list[Values]:
    """Rows of the calendar, with their dates parsed again from JSON."""
    found = rows if isinstance(rows, list) else []
    return [{**row, "date": date.fromisoformat(row["date"])} for row in found]


def _day(text: object) -> date | None:
    return date.fromisoformat(text) if isinstance(text, str) else None
