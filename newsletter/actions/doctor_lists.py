"""The part of `newsletter doctor` about one list: what it sends next, and what became of its last issue."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from newsletter.actions.calendar.course import has_nobody, is_course
from newsletter.actions.calendar.plan import LastSlotStatus, Rules, last_slot, upcoming_slots
from newsletter.actions.check import Check, error, fine, warning
from newsletter.actions.doctor_sending import key_check, last_issue, stuck_checks
from newsletter.actions.trouble import ListInUse, find_blocked
from newsletter.domain.calendar.forecast import HORIZON, runway
from newsletter.domain.delivery.issue import IssueState
from newsletter.domain.english import plural
from newsletter.domain.errors import NewsletterError
from newsletter.domain.tips.tip import TipState
from newsletter.mail.tokens import Signer
from newsletter.ports.store import Tx


@dataclass(frozen=True, slots=True)
class ListToCheck:
    """A list after the first one. preview: composes its next email, or raises."""

    found: ListInUse
    preview: Callable[[], object]


def other_list(
    one: ListToCheck, now: datetime, signer: Callable[[], Signer] | None, *, is_sending: bool
) -> Iterator[Check]:
    """The checks of a list after the first one; their messages begin with its key."""
    for found in _of_list(one, now, signer, is_sending=is_sending):
        yield replace(found, message=f"{one.found.key}: {found.message}")


def _of_list(
    one: ListToCheck, now: datetime, signer: Callable[[], Signer] | None, *, is_sending: bool
) -> Iterator[Check]:
    key, rules = one.found.key, one.found.rules
    if one.found.problem:
        yield error("list", f"the list cannot be used: {one.found.problem}", f"See: newsletter lists show {key}")
        return
    with one.found.store.read() as tx:
        yield from tip_checks(tx, rules, now)
        yield from sent_checks(tx, rules, now, signer, is_sending=is_sending)
        has_tips = bool(tx.tips.cards()) and not has_nobody(tx)
    if has_tips:
        yield next_email(one.preview)


def next_email(preview: Callable[[], object]) -> Check:
    """Can the next email be composed?"""
    try:
        preview()
    except NewsletterError as found:
        return error("letter", f"the next issue cannot be composed: {found.message}", found.fix)
    return fine("letter", "the next issue can be composed")


def sent_checks(
    tx: Tx, rules: Rules, now: datetime, signer: Callable[[], Signer] | None, *, is_sending: bool
) -> Iterator[Check]:
    """What became of the last issue, what is stuck, and whether the links of emails still work."""
    last = last_slot(tx, rules, now)
    blocked = list(find_blocked(tx, now, is_sending=is_sending))
    if not (blocked and last.state is IssueState.PAUSED):  # it would be reported twice
        yield _last_slot(last, rules.option)
    yield from stuck_checks(blocked)
    yield from last_issue(tx)
    if signer:
        yield key_check(tx, signer(), now)


def tip_checks(tx: Tx, rules: Rules, now: datetime) -> Iterator[Check]:
    """What goes out next, which tips cannot be sent, and how long the fresh ones last."""
    lines, import_ = upcoming_slots(tx, rules, now, rules.schedule.slots_in(HORIZON)).lines(), _import(rules)
    first, left = next((line for line in lines if line.skip_reason is None), lines[0]), runway(lines)
    if first.tip is None and not tx.tips.cards() and not tx.issues.last_number():
        yield warning("next_tip", "there are no tips yet", import_)
        return
    if first.tip is None and has_nobody(tx) and tx.courses.last_tip(rules.schedule.day_of(now)):
        yield fine("next_tip", "nobody waits for a tip of this course; new subscribers begin with its first one")
    elif first.tip is None:
        yield error("next_tip", first.reason, import_)
        return
    else:
        yield fine("next_tip", f"the next tip is “{first.title}”")
    broken = [card for card in tx.tips.cards() if card.problem and card.state is not TipState.RETIRED]
    if broken:
        what = f"{plural(len(broken), 'tip')} cannot be sent and {'is' if len(broken) == 1 else 'are'} passed over"
        named = "; ".join(f"{card.key}: {card.problem}" for card in broken[:3])
        yield warning("passed_over", f"{what}: {named}", f"Fix it: newsletter tips edit {broken[0].key}")
    if is_course(tx):
        yield fine("runway", "a course does not run out: new subscribers begin with its first tip")
    elif few := left.warning():
        fallback = f"{import_}; or mark some as fallbacks with fallback: true in their front matter"
        yield warning("runway", few, import_ if left.with_reruns is None else fallback)
    else:
        yield fine("runway", f"the fresh tips last for {plural(left.fresh_weeks, 'week')}")


def _last_slot(last: LastSlotStatus, option: str) -> Check:
    if last.ok:
        return fine("last_slot", last.words)
    if not last.explained:
        return error(
            "last_slot",
            last.words,
            f"If it is not too late, run: newsletter issues send{option}; and keep the daemon running: newsletter run",
        )
    if last.fix:
        fix = last.fix
    elif last.state is None:
        fix = f"Approve it: newsletter calendar approve {last.slot}{option}; or skip it: newsletter calendar skip {last.slot}{option}"
    elif last.state is IssueState.NO_CONTENT:
        fix = f"Import tips: newsletter tips import PATH…{option}"
    elif last.state is IssueState.MISSED:
        fix = (
            "Keep the daemon running: newsletter run; to send an issue outside the calendar: "
            f"newsletter issues send --extra --tip KEY{option}"
        )
    else:
        fix = f"Find out why: newsletter issues status {last.argument}; then run: newsletter issues resume {last.argument}"
    return warning("last_slot", last.words, fix)


def _import(rules: Rules) -> str:
    return f"Import tips: newsletter tips import PATH…{rules.option}"
