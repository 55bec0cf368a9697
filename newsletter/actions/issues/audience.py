"""Who gets which tip of an issue, on a real store; freezes nothing. The rules are `domain.calendar.substitutes`'s."""

from __future__ import annotations

from datetime import date

from newsletter.actions.calendar.plan import Rules, plan_of
from newsletter.domain.calendar.choose import TipChooser
from newsletter.domain.calendar.substitutes import Candidate, Share, Shares, own_candidate, substitute_candidates
from newsletter.domain.delivery.delivery import SkipReason
from newsletter.domain.delivery.issue import IssueFacts
from newsletter.domain.tips.tip import TipState
from newsletter.ports.store import Tx


def offers_for(tx: Tx, rules: Rules, slot: date | None, key: str) -> tuple[Candidate, ...]:
    """What each reader gets the first of that they have not had; () when all get the issue's tip, as outside the calendar."""
    if slot is None or tx.tips.get(key).card.state is TipState.FRESH:
        return ()
    programme = TipChooser(plan_of(tx, rules))
    own = own_candidate(programme.tips[key], slot, rules.policy)
    if own is None or (own.since and not tx.issues.was_substitute(own)):
        return ()
    return (own, *substitute_candidates(key, slot, programme, tx.tips.useful()))


def shares_for(tx: Tx, rules: Rules, slot: date, key: str) -> Shares | None:
    """How many would get which tip if this slot's issue, of the tip `key`, froze now; None when all would get that one."""
    candidates = offers_for(tx, rules, slot, key)
    if not candidates:
        return None
    titles = {tip.key: tip.title_on(slot) for tip in tx.calendar.plans()}
    counts = tx.issues.shares(candidates)
    others = tuple(Share(tip, titles[tip], readers) for tip, readers in counts.items() if tip not in ("", key))
    return Shares(counts.get(key, 0), others, counts.get("", 0))


def shares_of(tx: Tx, issue: IssueFacts) -> Shares | None:
    """How many readers of a frozen issue, with its counts, have which tip; None when all have its own."""
    had_it = issue.skipped_for.get(SkipReason.ALREADY_RECEIVED, 0)
    if not issue.tips and not had_it:
        return None
    day = issue.slot or issue.due_at.date()
    titles = {tip.key: tip.title_on(day) for tip in tx.calendar.plans()}
    others = tuple(Share(key, titles[key], readers) for key, readers in issue.tips.items() if key != issue.tip_key)
    return Shares(issue.audience - had_it - sum(share.readers for share in others), others, had_it)
