"""Pass over a tip that cannot be sent: it keeps its place in the queue, and the next one is sent until it is fixed.

What is wrong is recorded with the tip (`TipCard.problem`), so that the calendar knows it, and the owner is told once. An
error that the email of every tip has belongs to the templates or the settings: then no tip is passed over, and the issue
is held.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from newsletter.actions.calendar.plan import Rules, choice_as_it_is, choice_for
from newsletter.actions.issues.errors import Errors, is_of_template
from newsletter.domain.calendar.plan import Choice, Kind
from newsletter.domain.delivery.issue import why_every_email, why_held
from newsletter.domain.tips.tip import TipFull, TipState
from newsletter.ports.store import Store

MAX_PASSED_OVER = 100  # tips in one look; the next look goes on behind them
MAX_TEMPLATE_FAILS = 10
"""If a template fails for so many tips, it is not the fault of the tips, even if it works for a sample."""
RECHECKED = 20  # tips with a problem that are looked at again before one of them is passed over once more
_TOO_MANY = f"{MAX_PASSED_OVER} tips in a row cannot be sent"


Checked = Mapping[str, tuple[TipFull, tuple[str, ...]]]
"""What was found about tips, by their keys: each as it was checked, and its errors."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What goes out in a slot. hold: why nothing can go out now, as a clause; "" if the tip of the choice can be sent.

    errors: of that tip, as sentences. checked: what to record before the choice is made again.
    """

    choice: Choice
    hold: str = ""
    errors: tuple[str, ...] = ()
    checked: Checked = field(default_factory=dict)

    @property
    def passed_over(self) -> dict[str, str]:
        """The problems of the tips that are passed over, by their keys."""
        found = {key: problem_of(errors) for key, (_tip, errors) in self.checked.items() if errors}
        return {key: problem for key, problem in found.items() if key != self.choice.tip}


def settle(store: Store, rules: Rules, errors: Errors | None, slot: date, now: datetime) -> Settled:
    """Choose the tip of a slot, and pass over those that cannot be sent. It compiles emails: call it outside of transactions.

    It writes nothing. errors: None takes the tip as it is.
    """
    if errors is None:
        with store.read() as tx:
            return Settled(choice_as_it_is(tx, rules, slot))
    checked = dict(recheck(store, errors, slot, now))
    for _attempt in range(MAX_PASSED_OVER):
        with store.read() as tx:
            choice = choice_for(tx, rules, slot, {key: problem_of(found) for key, (_tip, found) in checked.items()})
            tip = tx.tips.get(choice.tip) if choice.tip else None
        found = errors.of_tip(tip, slot, now) if tip else ()
        if tip is None or not found:
            return Settled(choice, checked=checked)
        if every := errors.of_every_email(slot, now):
            return Settled(choice, why_every_email(problem_of(every)), every)
        checked[tip.card.key] = tip, found
        if fails := _template_fails(checked):
            return Settled(choice, why_every_email(problem_of(fails)), fails)
        if choice.kind is Kind.PROBLEM:  # no other tip is left
            return Settled(choice, why_held(tip.card.key, found), found, checked)
    return Settled(choice, _TOO_MANY, (_TOO_MANY,), checked)


def _template_fails(checked: Checked) -> tuple[str, ...]:
    """The errors of the first tip for which a template fails, if there are too many of these; else none."""
    fails = [found for _tip, found in checked.values() if any(map(is_of_template, found))]
    return fails[0] if len(fails) >= MAX_TEMPLATE_FAILS else ()


def recheck(store: Store, errors: Errors, slot: date, now: datetime) -> Checked:
    """Look again at tips with a problem: their template, a setting, or a picture may be in order by now."""
    with store.read() as tx:
        keys = [card.key for card in tx.tips.cards() if card.is_passed_over]
        tips = [tx.tips.get(key) for key in keys[:RECHECKED]]
    return {tip.card.key: (tip, errors.of_tip(tip, slot, now)) for tip in tips}


def check(store: Store, errors: Errors, keys: Iterable[str], slot: date, now: datetime) -> Checked:
    """What is wrong with these tips. An error that the email of every tip has is none of theirs."""
    with store.read() as tx:
        tips = [tip for tip in map(tx.tips.get, keys) if tip.card.complete and tip.card.state is not TipState.RETIRED]
    checked = {tip.card.key: (tip, errors.of_tip(tip, slot, now)) for tip in tips}
    every = any(found for _tip, found in checked.values()) and errors.of_every_email(slot, now)
    return {} if every else checked


def record(store: Store, checked: Checked) -> None:
    """Record what is wrong with these tips, or that nothing is."""
    new = [(tip, found) for tip, found in checked.values() if problem_of(found) != tip.card.problem]
    if new:
        with store.write() as tx:
            for tip, found in new:
                tx.tips.set_problem(tip, problem_of(found))


def problem_of(found: tuple[str, ...]) -> str:
    """The errors of a tip as a clause; "" without any."""
    more = f" ({len(found) - 1} more)" if len(found) > 1 else ""
    return f"{found[0]}{more}" if found else ""
