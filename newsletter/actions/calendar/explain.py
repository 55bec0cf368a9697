"""Why this tip, why this date: answers in words for a newcomer, from the same forecast; changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from newsletter.actions.calendar.overrides import weeks_until
from newsletter.actions.calendar.plan import Rules, upcoming_slots
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
from newsletter.ports.store import Store

EXPLANATIONS = {
    Kind.SKIPPED: "You skipped this date. The tip that would have gone comes a week later.",
    Kind.PINNED: "You gave this tip this very date, and that comes before everything else.",
    Kind.SEASONAL: "No tip is pinned to this date, and this tip has its season in this week.",
    Kind.SERIES: "A series is running: its parts follow week after week, until a pin or a season comes between.",
    Kind.FRESH: "Nothing is pinned to this date, no season falls on it and no series is running. So the queue goes on.",
    Kind.RERUN: "Every tip that may run on this date has run before. So the one that rested longest runs again.",
    Kind.FALLBACK: "No fresh tip is left and none has rested long enough. So a tip that you marked as fallback stands in.",
    Kind.NONE: "No tip may run on this date. Bring tips in (newsletter tips import), or mark some with fallback: true.",
}


@dataclass(frozen=True, slots=True)
class WhyDate:
    """One slot: what goes out in it, in one line and in a sentence.

    shares: of the next slot, or of one that went, if not everybody gets its tip.
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


def why_date(store: Store, rules: Rules, slot: date, now: datetime) -> WhyDate:
    """What goes, or went, out in a slot. Raises NotFound for one before this newsletter, or too far away."""
    with store.read() as tx:
        issue = tx.issues.for_slot(slot)
        if issue and issue.tip_key and issue.state is not IssueState.PREPARING:
            title = issue.subject or tx.tips.get(issue.tip_key).dated(slot).card.title
            line = ForecastSlot(slot, issue.tip_key, title, Kind.PINNED, f"issue {issue.number}, {issue.state}")
            shares = shares_of(tx, tx.issues.get(issue.number))
            return WhyDate(line, f"This is history: see newsletter issues status {issue.number}.", shares)
        weeks = weeks_until(rules, slot, now)
        if weeks > HORIZON:
            raise NotFound(f"{slot} is more than ten years away", fix="See: newsletter calendar")
        lines = upcoming_slots(tx, rules, now, weeks).lines()
    line_of = next((line for line in lines if line.date == slot), None)
    if line_of is None:
        known = f"issue {issue.number} is {issue.state}" if issue else "there was no issue"
        raise NotFound(f"nothing is planned for {slot}: {known}", fix="See: newsletter calendar")
    bound = line_of.reason.startswith("bound")
    because = "The letter is being made." if bound else EXPLANATIONS[line_of.kind]
    return WhyDate(line_of, because, _shares(store, rules, line_of) if slot == lines[0].date else None)


def _shares(store: Store, rules: Rules, line: ForecastSlot) -> Shares | None:
    with store.read() as tx:
        return shares_for(tx, rules, line.date, line.tip) if line.tip else None


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
    reason = why_not(key, slot, ahead.programme_at(slot))
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
