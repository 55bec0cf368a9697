"""Substitute tips: what subscribers get when an issue's tip runs again and they have already received it.

They get the best tip that they have not received. A substitute does not count as a run of its tip, because the calendar must
not depend on single subscribers. So when that tip runs next, subscribers who got it as a substitute within its rest are
passed over. `store.substitutes` knows who has received what.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from newsletter.domain.calendar.choose import TipChooser
from newsletter.domain.calendar.plan import Policy, TipPlan
from newsletter.domain.english import plural

MAX_NAMED = 10
"""How many tips of a course a text for the owner names."""
MAX_SUBSTITUTES = 100
"""How many substitutes an issue has at most; each one that someone gets is one more compiled message."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A tip for every subscriber who has not received it.

    since: which emails count as received. None: all of them, and the run before this system for anyone who was subscribed by
    then. A date: only emails since that date in which the tip was a substitute.
    """

    tip: str
    since: date | None = None


@dataclass(frozen=True, slots=True)
class SubstituteEmail:
    """The email of a substitute tip. compiled: what `mail.compiled.CompiledEmail.dumps` returns."""

    subject: str
    compiled: bytes


class SubstitutesMissing(Exception):
    """Raised while an audience is frozen, when someone needs a substitute that is not compiled yet. tips: their keys."""

    def __init__(self, tips: Iterable[str]) -> None:
        super().__init__(tips)
        self.tips = frozenset(tips)


NO_SUBSTITUTES: Mapping[str, SubstituteEmail] = {}


def own_candidate(tip: TipPlan, slot: date, policy: Policy) -> Candidate | None:
    """Who gets the issue's own tip; None: everyone."""
    if tip.is_fresh:
        return None
    if policy.is_for_unseen(tip):
        return Candidate(tip.key)
    rest = policy.rest_of(tip)
    if rest is None:
        return None
    return Candidate(tip.key, slot - (min(rest, policy.fallback_rest) if tip.fallback else rest))


def substitute_candidates(
    key: str, slot: date, chooser: TipChooser, useful: Mapping[str, int]
) -> tuple[Candidate, ...]:
    """The substitutes for the tip `key`: rested tips outside of series, the most useful first, then the longest rested.

    useful: by key, how many subscribers found a tip useful.
    """
    rested = [other for other in chooser.rested(slot) if other != key and not chooser.tips[other].series]
    rested.sort(key=lambda other: -useful.get(other, 0))
    return tuple(Candidate(other) for other in rested[:MAX_SUBSTITUTES])


@dataclass(frozen=True, slots=True)
class Share:
    """One tip of an issue, and how many subscribers get it."""

    key: str
    title: str
    readers: int


@dataclass(frozen=True, slots=True)
class Shares:
    """How an issue is shared out among several tips, in subscribers.

    own: they get the issue's own tip. others: they get a substitute. had_it: they have received all of them and get no email.
    course: each of them gets the next tip of a course, and own is the one that most of them get.
    """

    own: int
    others: tuple[Share, ...]
    had_it: int
    course: bool = False

    def words(self) -> str:
        """Sentences for the owner."""
        if self.course:
            return self._course_words()
        words = [f"It runs again for {plural(self.own, 'subscriber')}"]
        if self.others:
            given = (f"{share.readers} {_get(share.readers)} “{share.title}”" for share in self.others)
            words.append(f"Of those who have received it, {', '.join(given)}")
        if self.had_it:
            words.append(
                f"{self.had_it} {_get(self.had_it)} no email because there is no tip left that they have not received"
            )
        return ". ".join(words) + "."

    def _course_words(self) -> str:
        """In the order of the course, without the last ones of many."""
        shown = [f"“{share.title}” ({share.readers})" for share in self.others[:MAX_NAMED]]
        rest = self.others[MAX_NAMED:]
        if rest:
            shown.append(f"{plural(len(rest), 'other tip')} ({sum(share.readers for share in rest)})")
        return f"{plural(self.own, 'subscriber')} of the course {_get(self.own)} it. The others get {', '.join(shown)}."


def _get(number: int) -> str:
    return "gets" if number == 1 else "get"
