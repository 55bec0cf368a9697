"""What is offered when a tip runs again for those only who have not had it; who has had what is the store's to know.

The others get the best tip that they have not had.

What stands in for an issue's own tip is no run of its tip: the calendar depends on no reader. So that it cannot come to
the same reader again too soon, its next run passes over those to whom it came as a stand-in within its rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from newsletter.domain.calendar.choose import TipChooser
from newsletter.domain.calendar.plan import Policy, TipPlan
from newsletter.domain.english import plural

MAX_SUBSTITUTES = 100
"""How many tips are offered to those who have had the issue's own; each that anybody gets is one more compiled letter."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A tip for every reader who has not had it.

    since: None, and every letter counts, and so does a run before this system for who was a reader by then;
    a day, and only letters since then in which it stood in for another.
    """

    tip: str
    since: date | None = None


@dataclass(frozen=True, slots=True)
class SubstituteEmail:
    """A letter of an issue that is not about its own tip: the subject, and `mail.compiled` bytes."""

    subject: str
    compiled: bytes


class SubstitutesMissing(Exception):
    """An audience needs letters of other tips than were compiled; tips: their keys."""

    def __init__(self, tips: Iterable[str]) -> None:
        super().__init__(tips)
        self.tips = frozenset(tips)


NO_SUBSTITUTES: Mapping[str, SubstituteEmail] = {}


def own_candidate(tip: TipPlan, slot: date, policy: Policy) -> Candidate | None:
    """To whom an issue's own tip is offered; None: to everybody."""
    if tip.is_fresh:
        return None
    if policy.is_for_unseen(tip):
        return Candidate(tip.key)
    rest = policy.rest_of(tip)
    if rest is None:
        return None
    return Candidate(tip.key, slot - (min(rest, policy.fallback_rest) if tip.fallback else rest))


def substitute_candidates(
    key: str, slot: date, programme: TipChooser, useful: Mapping[str, int]
) -> tuple[Candidate, ...]:
    """What may stand in for the tip `key`: rested tips that are in no series, the most useful first, then the longest rest.

    useful: by key, how many readers said so.
    """
    rested = [other for other in programme.rested(slot) if other != key and not programme.tips[other].series]
    rested.sort(key=lambda other: -useful.get(other, 0))
    return tuple(Candidate(other) for other in rested[:MAX_SUBSTITUTES])


@dataclass(frozen=True, slots=True)
class Share:
    """One tip of an issue and how many readers get it."""

    key: str
    title: str
    readers: int


@dataclass(frozen=True, slots=True)
class Shares:
    """An issue whose tip not everybody gets. own: how many get that; had_it: how many get nothing."""

    own: int
    others: tuple[Share, ...]
    had_it: int

    def words(self) -> str:
        """Sentences for the owner."""
        words = [f"It runs again, for {plural(self.own, 'reader')}"]
        if self.others:
            given = (f"{share.readers} {_get(share.readers)} “{share.title}”" for share in self.others)
            words.append(f"Of those who have had it, {', '.join(given)}")
        if self.had_it:
            words.append(
                f"{self.had_it} {_get(self.had_it)} no letter, for there is no tip left that they have not had"
            )
        return ". ".join(words) + "."


def _get(number: int) -> str:
    return "gets" if number == 1 else "get"
