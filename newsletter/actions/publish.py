"""From a slot to a frozen issue: take the slot, choose the tip, compile the letter, freeze the audience; sends nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from newsletter.actions.audience import offers_for
from newsletter.actions.planning import (
    UNSENT,
    NextIssue,
    Rules,
    choice_for,
    is_over,
    is_skipped,
    next_issue,
    plan_of,
    titled,
    waits_for,
)
from newsletter.domain.calendar import Due, due_slot
from newsletter.domain.calendar_ports import Wish
from newsletter.domain.delivery import Claim
from newsletter.domain.errors import NotFound, Refused
from newsletter.domain.issues import IssueEvent, IssueFacts, IssueState
from newsletter.domain.plans import Kind
from newsletter.domain.ports import Rendered, Renderer, Store, Tx
from newsletter.domain.reading import NOTHING_BESIDE, Beside
from newsletter.domain.sharing import LettersMissing, Offer, OtherLetter
from newsletter.domain.site import Site
from newsletter.domain.tips import TipFull
from newsletter.mail.compiled import Compiled, compile_letter, twin_sentinels
from newsletter.mail.dkim import Dkim
from newsletter.mail.headers import format_date, issue_headers
from newsletter.mail.message import build
from newsletter.mail.personal import personal
from newsletter.mail.tokens import Signer

__all__ = ["NextIssue", "Press", "Rules", "next_issue"]

_TOO_LATE = "found after the late window"
_HELD = "held back or not approved until it was too late"
_TEASER = "only its teaser is here; import the page with the whole article"
_NOBODY = "nobody would get it: no reader is confirmed"


@dataclass(frozen=True, slots=True)
class Press:
    """What it takes to make letters: the templates, who we are, the keys of the links, and what signs the whole."""

    renderer: Renderer
    site: Site
    signer: Signer
    dkim: Dkim | None = None


# -- T0 to T1 ----------------------------------------------------------------------------------------


def publish_due(store: Store, press: Press, rules: Rules, now: datetime) -> IssueFacts | None:
    """Freeze the issue of the slot that is due; None when none is. Safe to call by anybody, at any time, again.

    A slot found too late is written down as missed, but only where an issue went before: a newsletter that is
    a day old has missed nothing.
    """
    due = due_slot(rules.schedule, now, rules.late_window)
    with store.read() as tx:  # rung every two seconds: look before taking the write lock
        if not _is_work(tx, rules, due):
            return None
    with store.write() as tx:
        if not _is_work(tx, rules, due):
            return None
        issue = tx.issues.plan(due.slot, due.due_at, now)
        if due.missed:
            tx.issues.change(issue.number, IssueEvent.MISS, now, reason=_why_missed(tx, rules, due.slot))
            return None
    return _to_the_end(store, press, issue, rules, now)


def _is_work(tx: Tx, rules: Rules, due: Due) -> bool:
    """Is there anything to write down for this slot? It waits for the first reader: no tip is spent on nobody."""
    if is_skipped(tx, due.slot):
        return False
    issue = tx.issues.for_slot(due.slot)
    if due.missed:
        last = tx.issues.last_slot()  # a day-old newsletter has missed nothing, nor has a clock that was set back
        return issue.state in UNSENT if issue else last is not None and last < due.slot
    if (issue and issue.state not in UNSENT) or tx.subscribers.mailable() == 0 or _waits(tx, rules, due.slot, None):
        return False
    if rules.approval or (issue and issue.state is IssueState.NO_CONTENT):
        tip = issue.tip_key if issue and issue.tip_key else choice_for(tx, rules, due.slot).tip
        known = tip is None and issue is not None and issue.state is IssueState.NO_CONTENT
        return not known and not _waits(tx, rules, due.slot, tip)
    return True


def _waits(tx: Tx, rules: Rules, slot: date | None, tip_key: str | None) -> str:
    return waits_for(tx.calendar.wishes().get(slot), tip_key, rules) if slot else ""


def _why_missed(tx: Tx, rules: Rules, slot: date | None) -> str:
    held = slot and _waits(tx, rules, slot, choice_for(tx, rules, slot).tip)
    return _HELD if held else _TOO_LATE


def publish_early(store: Store, press: Press, rules: Rules, now: datetime) -> IssueFacts:
    """Freeze the coming slot's issue before its time; that slot is then done. The command is the owner's approval.

    Raises Refused when it went already, is skipped or held, or when nobody would get it.
    """
    slot = rules.schedule.next_slot(now)
    with store.write() as tx:
        if tx.subscribers.mailable() == 0:
            raise Refused(_NOBODY, fix="See: newsletter subscribers list")
        wish = tx.calendar.wishes().get(slot)
        if wish and wish.wish is not Wish.APPROVE:
            words = {Wish.SKIP: "skipped", Wish.HOLD: "held back"}[wish.wish]
            raise Refused(f"the issue of {slot} is {words}", fix=f"First: newsletter calendar approve {slot}")
        issue = tx.issues.plan(slot, rules.schedule.starts_at(slot), now)
    if is_over(issue):
        raise Refused(f"the issue of {slot} is {issue.state} already", fix="See: newsletter issues list")
    return _to_the_end(store, press, issue, replace(rules, approval=False), now)


def publish_extra(store: Store, press: Press, tip_key: str, rules: Rules, now: datetime) -> IssueFacts:
    """Freeze an issue outside the calendar. Raises NotFound, and Refused for a tip that is only a teaser."""
    with store.write() as tx:
        tip = tx.tips.get(tip_key)
        if not tip.card.complete:
            raise Refused(f"{tip_key} cannot be sent: {_TEASER}")
        if tx.subscribers.mailable() == 0:
            raise Refused(_NOBODY, fix="See: newsletter subscribers list")
        issue = tx.issues.plan(None, now, now)
        tx.issues.change(issue.number, IssueEvent.PREPARE, now)
        tx.issues.bind(issue.number, tip.card.id, now)
        issue = tx.issues.get(issue.number)
    return _to_the_end(store, press, issue, rules, now)


def finish_preparing(store: Store, press: Press, rules: Rules, now: datetime) -> None:
    """Take up what a crash left between T0 and T1, if it is not too late for its slot."""
    with store.read() as tx:
        left = [issue for issue in tx.issues.open() if issue.state is IssueState.PREPARING]
        somebody = bool(left) and tx.subscribers.mailable() > 0
    for issue in left:
        if issue.slot and now - issue.due_at > rules.late_window:
            _miss(store, rules, issue, now)
        elif somebody:
            _freeze(store, press, issue, rules, now)


def _miss(store: Store, rules: Rules, issue: IssueFacts, now: datetime) -> None:
    with store.write() as tx:
        if tx.issues.get(issue.number).state is IssueState.PREPARING:
            reason = _HELD if _waits(tx, rules, issue.slot, issue.tip_key) else _TOO_LATE
            tx.issues.change(issue.number, IssueEvent.MISS, now, reason=reason)


def _to_the_end(store: Store, press: Press, issue: IssueFacts, rules: Rules, now: datetime) -> IssueFacts:
    if issue.state in (IssueState.PLANNED, IssueState.NO_CONTENT):
        issue = _choose(store, issue, rules, now)
    if issue.state is IssueState.PREPARING:
        issue = _freeze(store, press, issue, rules, now)
    return issue


def _choose(store: Store, issue: IssueFacts, rules: Rules, now: datetime) -> IssueFacts:
    """Bind the next tip to the issue; without one the slot says so and stays open for a tip that comes in time."""
    with store.write() as tx:
        issue = tx.issues.get(issue.number)
        if issue.slot is None or issue.state not in (IssueState.PLANNED, IssueState.NO_CONTENT):
            return issue  # another process chose meanwhile
        choice = choice_for(tx, rules, issue.slot)
        if choice.kind is Kind.SKIPPED or _waits(tx, rules, issue.slot, choice.tip):
            return issue  # the owner spoke meanwhile
        if choice.tip is None:
            if issue.state is IssueState.PLANNED:
                tx.issues.change(issue.number, IssueEvent.FIND_NOTHING, now, reason=choice.reason)
            return tx.issues.get(issue.number)
        tx.issues.change(issue.number, IssueEvent.PREPARE, now)
        tx.issues.bind(issue.number, tx.tips.get(choice.tip).card.id, now)
        return tx.issues.get(issue.number)


def _freeze(store: Store, press: Press, issue: IssueFacts, rules: Rules, now: datetime) -> IssueFacts:
    """Compile outside any transaction (it takes a moment), then keep letters and audience in one."""
    key, letters = issue.tip_key or "", dict[str, OtherLetter]()
    with store.read() as tx:
        offers = offers_for(tx, rules, issue.slot, key)
        wanted = {key, *(tx.issues.shares(offers) if offers else ())} - {""}
    while True:
        with store.read() as tx:
            sources = [_source(tx, rules, issue, tip) for tip in sorted(wanted - letters.keys())]
        for source in sources:
            letters[source.tip.card.key] = _compiled(press, source)
        try:
            return _freeze_with(store, issue.number, letters, offers, rules, now)
        except LettersMissing as missing:  # who came meanwhile gets a tip that nobody needed before
            wanted |= missing.tips


def _freeze_with(
    store: Store,
    number: int,
    letters: Mapping[str, OtherLetter],
    offers: Sequence[Offer],
    rules: Rules,
    now: datetime,
) -> IssueFacts:
    with store.write() as tx:
        issue = tx.issues.get(number)
        key = issue.tip_key or ""
        held = _waits(tx, rules, issue.slot, key)
        if issue.state is IssueState.PREPARING and tx.subscribers.mailable() and not held:
            own = letters[key]
            tx.issues.freeze(number, own.subject, own.compiled, now, offers=offers, others=letters)
        return tx.issues.get(number)


@dataclass(frozen=True, slots=True)
class _Source:
    """What a letter is made of."""

    tip: TipFull
    number: int
    day: date
    secret: bytes
    beside: Beside


def _source(tx: Tx, rules: Rules, issue: IssueFacts, key: str) -> _Source:
    day = issue.slot or rules.schedule.day_of(issue.due_at)
    tip = _dated(tx, tx.tips.get(key), rules, day)
    return _Source(tip, issue.number, day, tx.issues.secret(issue.number), tx.archive.beside(tip.card.id, day))


def _compiled(press: Press, source: _Source) -> OtherLetter:
    subject, compiled = compile_issue(press, source.tip, source.number, source.day, source.secret, source.beside)
    return OtherLetter(subject, compiled.dumps())


def _dated(tx: Tx, tip: TipFull, rules: Rules, day: date) -> TipFull:
    """The tip with its title as it is on that day; `{{ year }}` is bound when the letter is."""
    card = titled(tip.card, plan_of(tx, rules), day) if "{" in tip.card.title else tip.card
    return tip.titled(card.title)


# -- the letter --------------------------------------------------------------------------------------


def compile_issue(
    press: Press, tip: TipFull, number: int, day: date, secret: bytes, beside: Beside = NOTHING_BESIDE
) -> tuple[str, Compiled]:
    """The subject and the letter with holes. Raises TemplateError. The same input gives the same bytes."""
    nonce = f"z{secret.hex()[:12]}q"
    first, second = twin_sentinels(nonce)
    one, two = (
        press.renderer.issue(tip.text, tip_key=tip.card.key, number=number, slot=day, person=person, beside=beside)
        for person in (first, second)
    )
    headers = issue_headers(
        press.site,
        subject=one.subject,
        issue=number,
        slot_or_date=day,
        archived_at=press.site.url(f"/tips/{tip.card.key}"),
        person=first,
    )
    return one.subject, compile_letter(headers, one, two, first, second, nonce)


class Letter:
    """One frozen issue, ready to be written to each reader: by filling holes, or the slow way where it must be.

    `message(claim, now)` may be called by several threads.
    """

    def __init__(
        self,
        press: Press,
        compiled: Compiled,
        tip: TipFull,
        number: int,
        day: date,
        secret: bytes,
        beside: Beside = NOTHING_BESIDE,
    ) -> None:
        self._press = press
        self._compiled = compiled
        self._tip = tip
        self._number = number
        self._day = day
        self._secret = secret
        self._beside = beside
        self._date = (0, "")

    def message(self, claim: Claim, now: datetime) -> bytes:
        """The whole message for one reader: CRLF lines, not dot-stuffed."""
        values = personal(
            claim, site=self._press.site, signer=self._press.signer, secret=self._secret, date=self._date_at(now)
        )
        dkim, compiled = self._press.dkim, self._compiled
        if not compiled.uniform:
            message = self._slow(values)
            return dkim.sign(message, now) if dkim else message
        if dkim is None:
            return compiled.fill(values)
        message, body = compiled.fill_to_sign(values)
        return dkim.sign(message, now, body=body)

    def _slow(self, values: dict[str, str]) -> bytes:
        rendered: Rendered = self._press.renderer.issue(
            self._tip.text,
            tip_key=self._tip.card.key,
            number=self._number,
            slot=self._day,
            person=values,
            beside=self._beside,
        )
        headers = issue_headers(
            self._press.site,
            subject=rendered.subject,
            issue=self._number,
            slot_or_date=self._day,
            archived_at=self._press.site.url(f"/tips/{self._tip.card.key}"),
            person=values,
        )
        return build(headers, rendered, f"z{self._secret.hex()[:12]}q")

    def _date_at(self, now: datetime) -> str:
        """The Date header, made once a second."""
        second = int(now.timestamp())
        known, text = self._date
        if known != second:
            text = format_date(now)
            self._date = (second, text)
        return text


def open_letter(store: Store, press: Press, number: int, rules: Rules) -> Letter:
    """The frozen letter of an issue's own tip; raises NotFound before it was frozen."""
    with store.read() as tx:
        issue = tx.issues.get(number)
        return _opened(press, _source(tx, rules, issue, issue.tip_key or ""), tx.issues.compiled(number))


def composer(store: Store, press: Press, number: int, rules: Rules) -> Callable[[Claim, datetime], bytes]:
    """What writes the message for a claim: mostly one letter's `message`, else that of the letter the claim names."""
    own = open_letter(store, press, number, rules)
    with store.read() as tx:
        issue = tx.issues.get(number)
        letters = {
            tip_id: _opened(press, _source(tx, rules, issue, tx.tips.by_id(tip_id).card.key), compiled)
            for tip_id, compiled in tx.issues.others(number).items()
        }
    if not letters:
        return own.message
    return lambda claim, now: (letters[claim.tip_id] if claim.tip_id else own).message(claim, now)


def _opened(press: Press, source: _Source, compiled: bytes) -> Letter:
    return Letter(press, Compiled.loads(compiled), source.tip, source.number, source.day, source.secret, source.beside)


def sample_letter(store: Store, press: Press, rules: Rules, now: datetime, tip_key: str | None) -> Letter:
    """The letter that would go out, of the next tip or of one that is named; nothing is written. Raises NotFound."""
    coming = next_issue(store, rules, now)
    key = tip_key or (coming.tip.key if coming.tip else None)
    if key is None:
        raise NotFound(f"there is no tip to show: {coming.reason}", fix="See: newsletter tips list")
    with store.read() as tx:
        tip = _dated(tx, tx.tips.get(key), rules, coming.slot)
        number = tx.issues.last_number() + 1
        beside = tx.archive.beside(tip.card.id, coming.slot)
    if not tip.card.complete:
        raise Refused(f"{key} cannot be sent: {_TEASER}")
    secret = b"preview: nobody's"
    compiled = compile_issue(press, tip, number, coming.slot, secret, beside)[1]
    return Letter(press, compiled, tip, number, coming.slot, secret, beside)
