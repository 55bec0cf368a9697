"""Pin a tip to a slot, and write its rule for re-runs."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime

from newsletter.actions.calendar.plan import Rules, must_be_open
from newsletter.domain.errors import Refused
from newsletter.domain.tips.rerun_rule import parse_rerun
from newsletter.domain.tips.tip import TipState
from newsletter.ports.store import Store


def pin(store: Store, rules: Rules, key: str, slot: date, now: datetime) -> str:
    """Give a tip its slot; its title on that day. Raises NotFound, and Refused where it could not go out."""
    with store.write() as tx:
        tip = tx.tips.get(key)
        card = tip.card
        if not card.complete or card.state is TipState.RETIRED:
            what = "retired" if card.state is TipState.RETIRED else "only a teaser"
            raise Refused(f"{key} cannot be sent: it is {what}", fix="See: newsletter tips list")
        must_be_open(tx, rules, slot, now)
        other = next((plan.key for plan in tx.calendar.plans() if plan.pin == slot and plan.key != key), None)
        if other:
            raise Refused(f"{other} is pinned to {slot} already", fix=f"First: newsletter tips unpin {other}")
        tx.calendar.pin(key, slot)
        return tip.dated(slot).card.title


def unpin(store: Store, key: str) -> str:
    """Back into the order of the queue; the title. Raises NotFound."""
    with store.write() as tx:
        tx.calendar.pin(key, None)
        return tx.tips.get(key).card.title


def rerun(store: Store, key: str, rule: str | None, now: datetime, *, unseen: bool | None) -> str:
    """Write a tip's own rule for re-runs: `rule` in its place, `unseen` into it; None leaves that as it is. The rule in words.

    Raises NotFound, and InputError for what is no rule.
    """
    with store.write() as tx:
        tip = tx.tips.get(key)
        wanted = parse_rerun(tip.text.rules.rerun if rule is None else rule)
        if unseen is not None:
            wanted = replace(wanted, never=False, unseen=unseen)
        if wanted != parse_rerun(tip.text.rules.rerun):
            rules = replace(tip.text.rules, rerun=wanted.words())
            tx.tips.rewrite(tip.card.id, replace(tip.text, rules=rules), now, edited=tip.edited)
        return wanted.words()
