"""The letters of an issue: from a tip to compiled bytes, and from these to a message for each reader; sends nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from newsletter.actions.calendar.plan import Rules, next_issue
from newsletter.domain.archive.entries import Beside
from newsletter.domain.delivery.delivery import Claim
from newsletter.domain.delivery.issue import IssueFacts
from newsletter.domain.errors import NotFound, Refused
from newsletter.domain.site import Site
from newsletter.domain.tips.tip import TipFull
from newsletter.mail.compiled import Compiled, compile_letter, twin_sentinels
from newsletter.mail.dkim import Dkim
from newsletter.mail.headers import Headers, issue_headers
from newsletter.mail.message import build
from newsletter.mail.personalize import Filling, Write, by_letter
from newsletter.mail.tokens import Signer
from newsletter.ports.store import Rendered, Renderer, Store, Tx

ONLY_A_TEASER = "only its teaser is here; import the page with the whole article"
WEEKLY, QUARTERLY = "issue", "quarterly"
STREAMS = {WEEKLY: "weekly", QUARTERLY: "quarterly"}


@dataclass(frozen=True, slots=True)
class Press:
    """What it takes to make letters: the templates, who we are, the keys of the links, and what signs the whole."""

    renderer: Renderer
    site: Site
    signer: Signer
    dkim: Dkim | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """What a letter is made of. kind: the folder of its templates."""

    tip: TipFull
    number: int
    day: date
    secret: bytes
    beside: Beside
    kind: str = WEEKLY

    @property
    def nonce(self) -> str:
        """What marks and boundaries begin with: the same for the same issue, and in no text."""
        return f"z{self.secret.hex()[:12]}q"

    def rendered(self, press: Press, person: Mapping[str, str]) -> Rendered:
        """The letter to one reader, before MIME. Raises TemplateError."""
        return press.renderer.issue(
            self.tip.text,
            tip_key=self.tip.card.key,
            number=self.number,
            slot=self.day,
            person=person,
            beside=self.beside,
            kind=self.kind,
        )

    def headers(self, press: Press, subject: str, person: Mapping[str, str]) -> Headers:
        """Its header fields."""
        return issue_headers(
            press.site,
            subject=subject,
            issue=self.number,
            slot_or_date=self.day,
            archived_at=press.site.url(f"/tips/{self.tip.card.key}"),
            person=person,
            stream=STREAMS[self.kind],
        )


def source_of(tx: Tx, rules: Rules, issue: IssueFacts, tip: TipFull) -> Source:
    """What the letter about one tip of an issue is made of; a title has its year."""
    day = issue.slot or rules.schedule.day_of(issue.due_at)
    secret, beside = tx.issues.secret(issue.number), tx.archive.beside(tip.card.id, day)
    return Source(tip.dated(day), issue.number, day, secret, beside, QUARTERLY if issue.quarter else WEEKLY)


def compile_issue(press: Press, source: Source) -> tuple[str, Compiled]:
    """The subject and the letter with holes; takes a moment. The same input gives the same bytes. Raises TemplateError."""
    first, second = twin_sentinels(source.nonce)
    one, two = source.rendered(press, first), source.rendered(press, second)
    headers = source.headers(press, one.subject, first)
    return one.subject, compile_letter(headers, one, two, first, second, source.nonce)


class Letter:
    """One frozen letter, ready to be written to each reader: by filling holes, or the slow way where it must be.

    `message(claim, now)` may be called by several threads.
    """

    def __init__(self, press: Press, source: Source, compiled: Compiled) -> None:
        self.filling = Filling(compiled, site=press.site, signer=press.signer, secret=source.secret, dkim=press.dkim)
        self._press = press
        self._source = source

    @property
    def message(self) -> Write:
        """Writes the whole message for one reader: CRLF lines, not dot-stuffed."""
        return self.filling.message if self.filling.compiled.uniform else self._slow

    def _slow(self, claim: Claim, now: datetime) -> bytes:
        values, source, dkim = self.filling.values(claim, now), self._source, self._press.dkim
        rendered = source.rendered(self._press, values)
        message = build(source.headers(self._press, rendered.subject, values), rendered, source.nonce)
        return dkim.sign(message, now) if dkim else message


@dataclass(frozen=True, slots=True)
class Letters:
    """All letters of an issue, by the tip_id of a claim: None for the one about its own tip, which there always is."""

    each: Mapping[int | None, Letter]

    @property
    def compose(self) -> Write:
        """What writes the message for a claim."""
        return by_letter({tip_id: letter.message for tip_id, letter in self.each.items()})

    @property
    def are_uniform(self) -> bool:
        """Can all be filled, so that no template is needed any more?"""
        return all(letter.filling.compiled.uniform for letter in self.each.values())

    @property
    def secret(self) -> bytes:
        """The issue's own key."""
        return self.each[None].filling.secret

    def dumps(self) -> dict[int | None, bytes]:
        """Each as `mail.compiled` keeps it."""
        return {tip_id: letter.filling.compiled.dumps() for tip_id, letter in self.each.items()}


def open_letters(store: Store, press: Press, number: int, rules: Rules) -> Letters:
    """The frozen letters of an issue; raises NotFound before it was frozen."""
    with store.read() as tx:
        issue = tx.issues.get(number)

        def opened(tip: TipFull, compiled: bytes) -> Letter:
            return Letter(press, source_of(tx, rules, issue, tip), Compiled.loads(compiled))

        letters: dict[int | None, Letter] = {None: opened(tx.tips.get(issue.tip_key or ""), tx.issues.compiled(number))}
        for tip_id, compiled in tx.issues.others(number).items():
            letters[tip_id] = opened(tx.tips.by_id(tip_id), compiled)
        return Letters(letters)


def sample_letter(store: Store, press: Press, rules: Rules, now: datetime, tip_key: str | None) -> Letter:
    """The letter that would go out, of the next tip or of one that is named; nothing is written. Raises NotFound."""
    coming = next_issue(store, rules, now)
    key = tip_key or (coming.tip.key if coming.tip else None)
    if key is None:
        raise NotFound(f"there is no tip to show: {coming.reason}", fix="See: newsletter tips list")
    with store.read() as tx:
        tip = tx.tips.get(key).dated(coming.slot)
        number = tx.issues.last_number() + 1
        beside = tx.archive.beside(tip.card.id, coming.slot)
    if not tip.card.complete:
        raise Refused(f"{key} cannot be sent: {ONLY_A_TEASER}")
    source = Source(tip, number, coming.slot, b"preview: nobody's", beside)
    return Letter(press, source, compile_issue(press, source)[1])
