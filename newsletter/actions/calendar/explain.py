"""Explain to the owner why a date has its tip, and when a tip goes out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from newsletter.actions.calendar.plan import Rules, upcoming_slots, weeks_until
from newsletter.actions.issues.audience import shares_for, shares_of
from newsletter.domain.calendar.forecast import HORIZON, ForecastSlot
from newsletter.domain.calendar.plan import Kind
from newsletter.domain.calendar.substitutes import Shares
from newsletter.domain.calendar.why_not import why_not
from newsletter.domain.delivery.issue import IssueState
from newsletter.domain.errors import NotFound
from newsletter.domain.tips.links import LinkChecker, finding_for, links_of
from newsletter.domain.tips.lint import Finding, lint
from newsletter.domain.tips.season_rule import parse_rule
from newsletter.domain.tips.similarity import SimilarityIndex
from newsletter.domain.tips.tip import TipCard, TipState, TipText
from newsletter.ports.store import Store, Tx

EXPLANATIONS = {
    Kind.SKIPPED: "You skipped this date. The tip that would have been sent comes a week later.",
    Kind.PINNED: "You pinned this tip to this date, and a pin comes before everything else.",
    Kind.SEASONAL: "No tip is pinned to this date, and this tip is in season this week.",
    Kind.SERIES: "A series is running. Its parts follow week after week, unless a pinned or seasonal tip comes between them.",
    Kind.FRESH: "No tip is pinned to this date or in season, and no series is running. So the next tip in the queue is sent.",
    Kind.RERUN: "Every tip that could be sent on this date has run before. So the tip that has rested longest runs again.",
    Kind.FALLBACK: "No fresh tip is left, and no other tip has rested long enough. So a tip that you marked as a fallback is sent.",
    Kind.NONE: "No tip can be sent on this date. Import tips (newsletter tips import), or mark some with fallback: true.",
}
BOUND = "The issue for this date is already being prepared with this tip."


@dataclass(frozen=True, slots=True)
class WhyDate:
    """What goes out in one slot, as a line of the calendar and explained in a sentence.

    shares: for the next slot and for slots of the past, when some subscribers do not get its tip; else None.
    """

    line: ForecastSlot
    because: str
    shares: Shares | None = None


@dataclass(frozen=True, slots=True)
class WhyTip:
    """One tip: when it goes out (None: not within ten years), and why not in the next slot ("" when it does).

    runs: the days on which it ran.
    """

    key: str
    title: str
    line: ForecastSlot | None
    next_slot: date
    why_not: str
    runs: tuple[date, ...]


def why_date(tx: Tx, rules: Rules, slot: date, now: datetime) -> WhyDate:
    """What goes out, or went out, in a slot. Raises NotFound for a slot without a plan, and for one too far away."""
    issue = tx.issues.for_slot(slot)
    if issue and issue.tip_key and issue.state is not IssueState.PREPARING:
        title = issue.subject or tx.tips.get(issue.tip_key).dated(slot).card.title
        line = ForecastSlot(slot, issue.tip_key, title, Kind.PINNED, f"issue {issue.number}, {issue.state}")
        shares = shares_of(tx, tx.issues.get(issue.number))
        return WhyDate(line, f"This date already has an issue. See: newsletter issues status {issue.number}.", shares)
    weeks = weeks_until(rules, slot, now)
    if weeks > HORIZON:
        raise NotFound(f"{slot} is more than ten years away", fix="See: newsletter calendar")
    lines = upcoming_slots(tx, rules, now, weeks).lines()
    found = next((line for line in lines if line.date == slot), None)
    if found is None:
        known = f"issue {issue.number} is {issue.state}" if issue else "there was no issue"
        raise NotFound(f"nothing is planned for {slot}: {known}", fix="See: newsletter calendar")
    because = BOUND if found.reason.startswith("bound") else EXPLANATIONS[found.kind]
    # Later slots depend on issues that are not frozen yet, so their shares cannot be counted now.
    is_next = slot == lines[0].date
    return WhyDate(found, because, shares_for(tx, rules, slot, found.tip) if is_next and found.tip else None)


def why_tip(store: Store, rules: Rules, key: str, now: datetime, on: date | None = None) -> WhyTip:
    """When a tip goes out, and why not on a date, which is the next slot if none is named. Raises NotFound."""
    with store.read() as tx:
        tx.tips.get(key)
        weeks = max(HORIZON, weeks_until(rules, on, now)) if on else HORIZON
        ahead = upcoming_slots(tx, rules, now, weeks)
        lines = ahead.lines()
        plans = {tip.key: tip for tip in tx.calendar.plans()}
    line = next((line for line in lines if line.tip == key), None)
    slot = on or next((line.date for line in lines if line.kind is not Kind.SKIPPED), lines[0].date)
    reason = why_not(key, slot, ahead.chooser_at(slot))
    title = line.title if line else plans[key].title_on(plans[key].last_run if plans[key].runs else slot)
    return WhyTip(key, title, line, slot, reason, plans[key].runs)


@dataclass(frozen=True, slots=True)
class LintResult:
    """What an editor would mark in one tip."""

    key: str
    title: str
    findings: tuple[Finding, ...]


def lint_tips(store: Store, keys: tuple[str, ...], today: date) -> list[LintResult]:
    """Those tips, or all that are whole and not retired; each held against all others. Raises NotFound."""
    with store.read() as tx:
        tips = {tip.card.key: tip for tip in tx.tips.all()}
    for key in keys:
        if key not in tips:
            raise NotFound(f"there is no tip {key[:80]!r}", fix="See: newsletter tips list")
    usable = {key: tip.text for key, tip in tips.items() if _is_usable(tip.card)}
    library = SimilarityIndex(usable)
    return [
        LintResult(key, tips[key].card.title, tuple(_lint(tips[key].text, today, library, key)))
        for key in (keys or tuple(usable))
    ]


def lint_links(store: Store, keys: tuple[str, ...], ask: LinkChecker) -> list[LintResult]:
    """What became of the links of those tips, or of all that are whole and not retired. Raises NotFound."""
    with store.read() as tx:
        tips = [tx.tips.get(key) for key in keys] or [tip for tip in tx.tips.all() if _is_usable(tip.card)]
    links = {tip.card.key: tuple(links_of(tip.text)) for tip in tips}
    answers = ask([link.url for of_tip in links.values() for link in of_tip])
    found = {key: [finding_for(link, answers[link.url]) for link in of_tip] for key, of_tip in links.items()}
    return [
        LintResult(tip.card.key, tip.card.title, tuple(finding for finding in found[tip.card.key] if finding))
        for tip in tips
    ]


def _is_usable(card: TipCard) -> bool:
    return card.complete and card.state is not TipState.RETIRED


def _lint(text: TipText, today: date, library: SimilarityIndex, key: str) -> list[Finding]:
    season = parse_rule(text.rules.season) if text.rules.season else None
    return lint(text, today=today, season=season, library=library, key=key)
