"""From a slot to a frozen issue: take the slot, choose the tip, compile the letter, freeze the audience; sends nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from newsletter.domain.calendar import Due, Schedule, due_slot
from newsletter.domain.delivery import Claim
from newsletter.domain.errors import NotFound, Refused
from newsletter.domain.issues import IssueEvent, IssueFacts, IssueState
from newsletter.domain.ports import Rendered, Renderer, Store, Tx
from newsletter.domain.queue import Choice, choose, why_not
from newsletter.domain.site import Site
from newsletter.domain.tips import TipCard, TipFull
from newsletter.mail.compiled import Compiled, compile_letter, twin_sentinels
from newsletter.mail.dkim import Dkim
from newsletter.mail.headers import format_date, issue_headers
from newsletter.mail.message import build
from newsletter.mail.personal import personal
from newsletter.mail.tokens import Signer

ENDED = (IssueState.DONE, IssueState.CANCELLED, IssueState.MISSED)
_TOO_LATE = "found after the late window"
_UNSENT = (IssueState.PLANNED, IssueState.PREPARING, IssueState.NO_CONTENT)


@dataclass(frozen=True, slots=True)
class NextIssue:
    """What goes out next: slot, when it is due (aware), the tip or None, why, and to how many."""

    slot: date
    due_at: datetime
    tip: TipCard | None
    reason: str
    audience: int


@dataclass(frozen=True, slots=True)
class Press:
    """What it takes to make letters: the templates, who we are, the keys of the links, and what signs the whole."""

    renderer: Renderer
    site: Site
    signer: Signer
    dkim: Dkim | None = None


# -- which slot --------------------------------------------------------------------------------------


def next_issue(store: Store, schedule: Schedule, now: datetime, late_window: timedelta) -> NextIssue:
    """The slot that is due and not sent yet, else the coming one; the function `publish_due` goes by. Reads only."""
    with store.read() as tx:
        slot = _open_slot(tx, schedule, now, late_window)
        while slot is None or _is_ended(tx.issues.for_slot(slot)):
            slot = schedule.next_slot(now) if slot is None else slot + timedelta(days=7)
        issue = tx.issues.for_slot(slot)
        bound = tx.tips.by_id(issue.tip_id).card if issue and issue.tip_id else None
        choice = Choice(bound, f"bound to issue {issue.number}") if issue and bound else choose(tx.tips.cards())
        return NextIssue(slot, schedule.starts_at(slot), choice.tip, choice.reason, tx.subscribers.mailable())


def _open_slot(tx: Tx, schedule: Schedule, now: datetime, late_window: timedelta) -> date | None:
    due = due_slot(schedule, now, late_window)
    return None if due.missed or _is_ended(tx.issues.for_slot(due.slot)) else due.slot


def _is_ended(issue: IssueFacts | None) -> bool:
    return issue is not None and issue.state in ENDED


# -- T0 to T1 ----------------------------------------------------------------------------------------


def publish_due(
    store: Store, press: Press, schedule: Schedule, now: datetime, late_window: timedelta
) -> IssueFacts | None:
    """Freeze the issue of the slot that is due; None when none is. Safe to call by anybody, at any time, again.

    A slot found too late is written down as missed, but only where an issue went before: a newsletter that is
    a day old has missed nothing.
    """
    due = due_slot(schedule, now, late_window)
    with store.read() as tx:  # rung every two seconds: look before taking the write lock
        if not _is_work(tx, due):
            return None
    with store.write() as tx:
        if not _is_work(tx, due):
            return None
        issue = tx.issues.plan(due.slot, due.due_at, now)
        if due.missed:
            tx.issues.change(issue.number, IssueEvent.MISS, now, reason=_TOO_LATE)
            return None
    return _to_the_end(store, press, issue, schedule, now)


def _is_work(tx: Tx, due: Due) -> bool:
    """Is there anything to write down for this slot? It waits for the first reader: no tip is spent on nobody."""
    issue = tx.issues.for_slot(due.slot)
    if due.missed:
        last = tx.issues.last_slot()  # a day-old newsletter has missed nothing, nor has a clock that was set back
        return issue.state in _UNSENT if issue else last is not None and last < due.slot
    if (issue and issue.state not in _UNSENT) or tx.subscribers.mailable() == 0:
        return False
    return not issue or issue.state is not IssueState.NO_CONTENT or choose(tx.tips.cards()).tip is not None


def publish_early(store: Store, press: Press, schedule: Schedule, now: datetime) -> IssueFacts:
    """Freeze the coming slot's issue before its time; that slot is then done. Raises Refused when it went already."""
    slot = schedule.next_slot(now)
    with store.write() as tx:
        if tx.subscribers.mailable() == 0:
            raise Refused("nobody would get it: no reader is confirmed", fix="See: newsletter subscribers list")
        issue = tx.issues.plan(slot, schedule.starts_at(slot), now)
    if issue.state in ENDED:
        raise Refused(f"the issue of {slot} is {issue.state} already", fix="See: newsletter issues list")
    return _to_the_end(store, press, issue, schedule, now)


def publish_extra(store: Store, press: Press, tip_key: str, schedule: Schedule, now: datetime) -> IssueFacts:
    """Freeze an issue outside the calendar. Raises NotFound, and Refused for a tip that is only a teaser."""
    with store.write() as tx:
        tip = tx.tips.get(tip_key)
        if not tip.card.complete:
            raise Refused(f"{tip_key} cannot be sent: {why_not(tip.card)}")
        if tx.subscribers.mailable() == 0:
            raise Refused("nobody would get it: no reader is confirmed", fix="See: newsletter subscribers list")
        issue = tx.issues.plan(None, now, now)
        tx.issues.change(issue.number, IssueEvent.PREPARE, now)
        tx.issues.bind(issue.number, tip.card.id, now)
        issue = tx.issues.get(issue.number)
    return _to_the_end(store, press, issue, schedule, now)


def finish_preparing(store: Store, press: Press, schedule: Schedule, now: datetime, late_window: timedelta) -> None:
    """Take up what a crash left between T0 and T1, if it is not too late for its slot."""
    with store.read() as tx:
        left = [issue for issue in tx.issues.open() if issue.state is IssueState.PREPARING]
        somebody = bool(left) and tx.subscribers.mailable() > 0
    for issue in left:
        if issue.slot and now - issue.due_at > late_window:
            _miss(store, issue.number, now)
        elif somebody:
            _freeze(store, press, issue, schedule, now)


def _miss(store: Store, number: int, now: datetime) -> None:
    with store.write() as tx:
        if tx.issues.get(number).state is IssueState.PREPARING:
            tx.issues.change(number, IssueEvent.MISS, now, reason=_TOO_LATE)


def _to_the_end(store: Store, press: Press, issue: IssueFacts, schedule: Schedule, now: datetime) -> IssueFacts:
    if issue.state in (IssueState.PLANNED, IssueState.NO_CONTENT):
        issue = _choose(store, issue, now)
    if issue.state is IssueState.PREPARING:
        issue = _freeze(store, press, issue, schedule, now)
    return issue


def _choose(store: Store, issue: IssueFacts, now: datetime) -> IssueFacts:
    """Bind the next tip to the issue; without one the slot says so and stays open for a tip that comes in time."""
    with store.write() as tx:
        issue = tx.issues.get(issue.number)
        if issue.state not in (IssueState.PLANNED, IssueState.NO_CONTENT):
            return issue  # another process chose meanwhile
        choice = choose(tx.tips.cards())
        if choice.tip is None:
            if issue.state is IssueState.PLANNED:
                tx.issues.change(issue.number, IssueEvent.FIND_NOTHING, now, reason=choice.reason)
            return tx.issues.get(issue.number)
        tx.issues.change(issue.number, IssueEvent.PREPARE, now)
        tx.issues.bind(issue.number, choice.tip.id, now)
        return tx.issues.get(issue.number)


def _freeze(store: Store, press: Press, issue: IssueFacts, schedule: Schedule, now: datetime) -> IssueFacts:
    """Compile outside any transaction (it takes a moment), then keep letter and audience in one."""
    with store.read() as tx:
        tip = tx.tips.by_id(issue.tip_id or 0)
        secret = tx.issues.secret(issue.number)
    subject, compiled = compile_issue(press, tip, issue.number, issue.slot or schedule.day_of(issue.due_at), secret)
    with store.write() as tx:
        if tx.issues.get(issue.number).state is IssueState.PREPARING and tx.subscribers.mailable():
            tx.issues.freeze(issue.number, subject, compiled.dumps(), now)
        return tx.issues.get(issue.number)


# -- the letter --------------------------------------------------------------------------------------


def compile_issue(press: Press, tip: TipFull, number: int, day: date, secret: bytes) -> tuple[str, Compiled]:
    """The subject and the letter with holes. Raises TemplateError. The same input gives the same bytes."""
    nonce = f"z{secret.hex()[:12]}q"
    first, second = twin_sentinels(nonce)
    one = press.renderer.issue(tip.text, tip_key=tip.card.key, number=number, slot=day, person=first)
    two = press.renderer.issue(tip.text, tip_key=tip.card.key, number=number, slot=day, person=second)
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

    def __init__(self, press: Press, compiled: Compiled, tip: TipFull, number: int, day: date, secret: bytes) -> None:
        self._press = press
        self._compiled = compiled
        self._tip = tip
        self._number = number
        self._day = day
        self._secret = secret
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
            self._tip.text, tip_key=self._tip.card.key, number=self._number, slot=self._day, person=values
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


def open_letter(store: Store, press: Press, number: int, schedule: Schedule) -> Letter:
    """The frozen letter of an issue; raises NotFound before it was frozen."""
    with store.read() as tx:
        issue = tx.issues.get(number)
        compiled = Compiled.loads(tx.issues.compiled(number))
        tip = tx.tips.by_id(issue.tip_id or 0)
        secret = tx.issues.secret(number)
    return Letter(press, compiled, tip, number, issue.slot or schedule.day_of(issue.due_at), secret)


def sample_letter(
    store: Store, press: Press, schedule: Schedule, now: datetime, late_window: timedelta, tip_key: str | None
) -> Letter:
    """The letter that would go out, of the next tip or of one that is named; nothing is written. Raises NotFound."""
    coming = next_issue(store, schedule, now, late_window)
    key = tip_key or (coming.tip.key if coming.tip else None)
    if key is None:
        raise NotFound(f"there is no tip to show: {coming.reason}", fix="See: newsletter tips list")
    with store.read() as tx:
        tip = tx.tips.get(key)
        number = tx.issues.last_number() + 1
    if not tip.card.complete:
        raise Refused(f"{key} cannot be sent: {why_not(tip.card)}")
    secret = b"preview: nobody's"
    compiled = compile_issue(press, tip, number, coming.slot, secret)[1]
    return Letter(press, compiled, tip, number, coming.slot, secret)
