"""Lint tips: find what will not age well or is bad for delivery, tips that are nearly the same, and dead links."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date

from newsletter.domain.tips.links import LinkChecker, finding_for, links_of
from newsletter.domain.tips.lint import Finding, Level, lint
from newsletter.domain.tips.season_rule import parse_rule
from newsletter.domain.tips.similarity import SimilarityIndex
from newsletter.domain.tips.tip import TipCard, TipState, TipText
from newsletter.ports.store import Store


@dataclass(frozen=True, slots=True)
class LintResult:
    """The findings in one tip; none when it is fine."""

    key: str
    title: str
    findings: tuple[Finding, ...]


def lint_tips(store: Store, keys: tuple[str, ...], today: date) -> list[LintResult]:
    """Lint these tips, or (without keys) all that can be sent; each is compared with all others. Raises NotFound.

    today: in the time zone of the newsletter; years near it are findings.
    """
    with store.read() as tx:
        tips = {tip.card.key: tip for tip in tx.tips.all()}
        tips |= {key: tx.tips.get(key) for key in keys if key not in tips}  # of another list
    usable = {key: tip.text for key, tip in tips.items() if _is_usable(tip.card)}
    library = SimilarityIndex(usable)
    return [
        LintResult(key, tips[key].card.title, tuple(_lint(tips[key].text, today, library, key)))
        for key in (keys or tuple(usable))
    ]


def with_problem(linted: LintResult, problem: str) -> LintResult:
    """The result with one finding more, if no email can be made of the tip. problem: why, as a clause."""
    if not problem:
        return linted
    fix = "Fix it; until then, other tips are sent"
    found = Finding("email", 1, linted.title[:60], "email", problem, fix, Level.ERROR)
    return replace(linted, findings=(*linted.findings, found))


def lint_links(
    store: Store,
    keys: tuple[str, ...],
    check_links: LinkChecker,
    progress: Callable[[int, int], None] | None = None,
) -> list[LintResult]:
    """Check the links of these tips, or (without keys) of all that can be sent. Raises NotFound."""
    with store.read() as tx:
        tips = [tx.tips.get(key) for key in keys] or [tip for tip in tx.tips.all() if _is_usable(tip.card)]
    links = {tip.card.key: tuple(links_of(tip.text)) for tip in tips}
    # The web is asked after the transaction: a slow site must not keep the database from being checkpointed.
    answers = check_links([link.url for of_tip in links.values() for link in of_tip], on_progress=progress)
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
