"""Tell the owner which tips cannot be sent, once for each problem, and check the coming ones before their day."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Sequence
from datetime import datetime

from newsletter.actions.calendar.plan import NextIssue, Rules, upcoming_slots
from newsletter.actions.issues.errors import Errors
from newsletter.actions.issues.pass_over import check, recheck, record, settle
from newsletter.domain.delivery.issue import why_every_email
from newsletter.domain.english import ended, plural
from newsletter.domain.errors import TemplateError
from newsletter.domain.tips.tip import TipCard
from newsletter.ports.store import Store, Tx

NAMED = 10  # tips in one email
ROUNDS = 3
"""How often the calendar is looked at again after a tip in it was found to have a problem."""
_TOLD = "problem"


def errors_of_next(
    store: Store, rules: Rules, coming: NextIssue, now: datetime, errors: Callable[[], Errors]
) -> tuple[str, ...]:
    """Settle what goes out next; the errors that stop it, as sentences, if no other tip can be sent in its place."""
    try:
        checks = errors()
    except TemplateError as error:
        return (why_every_email(str(error)),)
    settled = settle(store, rules, checks, coming.slot, now)
    record(store, settled.checked)
    return settled.errors


def check_coming(store: Store, rules: Rules, weeks: int, now: datetime, errors: Callable[[], Errors]) -> None:
    """Check the tips of the next weeks, and those that had a problem before. Broken templates are nobody's problem here."""
    try:
        checks = errors()
    except TemplateError:
        return
    today, known = rules.schedule.day_of(now), set[str]()
    record(store, recheck(store, checks, today, now))
    for _round in range(ROUNDS):
        with store.read() as tx:
            lines = upcoming_slots(tx, rules, now, weeks).lines(extras=True)
        new = {line.tip: line.date for line in lines if line.tip and line.tip not in known}
        found = {key: one for tip, day in new.items() for key, one in check(store, checks, [tip], day, now).items()}
        record(store, found)
        known |= new.keys()
        if not any(errors_ for _tip, errors_ in found.values()):
            return


def problem_alert(tx: Tx, held: Collection[str], now: datetime) -> tuple[str, Sequence[str], str] | None:
    """Headline, lines, and next step of an alert about tips that cannot be sent; None if the owner knows them all.

    held: tips whose issue is held for their problem, so that another alert is about them.
    """
    cards = [card for card in tx.tips.cards() if card.is_passed_over]
    marks = {_mark(card): card for card in cards if card.key not in held}
    for old in tx.calendar.notified(_TOLD).keys() - {_mark(card) for card in cards}:  # it was fixed
        tx.calendar.clear_notified(_TOLD, only=old)
    new = [card for mark, card in marks.items() if tx.calendar.mark_notified(_TOLD, mark, now)]
    if not new:
        return None
    lines = [f"“{card.title[:100]}” cannot be sent: {ended(card.problem)}" for card in new[:NAMED]]
    more = [f"{plural(len(new) - NAMED, 'other tip')} cannot be sent either."] if len(new) > NAMED else []
    what = "It is passed over" if len(new) == 1 else "They are passed over"
    then = f"{what}, and other tips are sent, until this is fixed. Then {'it comes' if len(new) == 1 else 'they come'} next."
    commands = "; ".join(f"newsletter tips edit {card.key}" for card in new[:NAMED])
    return f"{plural(len(new), 'tip')} cannot be sent", [*lines, *more, then], f"To fix this, run {commands}"


def _mark(card: TipCard) -> str:
    problem = re.sub(r"\d+", "0", card.problem)  # a size in bytes is no other problem
    return f"{card.id} {hashlib.blake2b(problem.encode(), digest_size=8).hexdigest()}"
