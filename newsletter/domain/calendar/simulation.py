"""Simulate years of the newsletter with the real choice of tips, for subscribers who come and go."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

from newsletter.domain.calendar.choose import TipChooser
from newsletter.domain.calendar.course import CourseSimulation, simulate_course
from newsletter.domain.calendar.forecast import ForecastSlot, forecast, slots_within
from newsletter.domain.calendar.plan import Kind, Plan

_WEEKS_A_YEAR = 365.2425 / 7


@dataclass(frozen=True, slots=True)
class Simulation:
    """The result of a simulation.

    skipped: slots the owner skipped. empty: other slots without a tip. longest_gap: between two consecutive issues.
    reruns_begin: the first slot with a re-run or a fallback. kinds: how many slots of each kind. subscribers: everyone who was
    subscribed at some time. subscribers_with_repeats: how many received a tip more than once. repeats, most_repeats: how many
    emails were repeats, in all and for one subscriber. soonest_repeat: the shortest time between two emails with the same tip
    to the same subscriber. unseen: issues whose tip goes only to subscribers who have not received it.
    """

    slots: int
    issues: int
    skipped: int
    empty: tuple[date, ...]
    longest_gap: timedelta
    reruns_begin: date | None
    kinds: dict[Kind, int]
    subscribers: int
    subscribers_with_repeats: int
    repeats: int
    most_repeats: int
    soonest_repeat: timedelta | None
    unseen: int


@dataclass(frozen=True, slots=True)
class Stay:
    """A subscriber gets the slots from index `joined` up to, but not including, index `left`."""

    joined: int
    left: int


def simulate(plan: Plan, first: date, *, years: int, subscribers: int, churn: float, seed: int = 1) -> Simulation:
    """Play a plan from the slot `first` for `years`.

    subscribers: how many there are at any time. churn: the share of them, 0 to 1, that unsubscribes in a year and is
    replaced. seed: for the random numbers; the same arguments give the same result.

    A seasonal tip that returns counts as a repeat. A tip that runs only for subscribers who have not received it does not,
    and its substitutes are not simulated, because they are new to everyone who gets them.
    """
    lines = [
        line for line in forecast(slots_within(first, round(years * _WEEKS_A_YEAR), plan.days), plan) if line.at is None
    ]
    stays = _stays(len(lines), subscribers, _leaving(churn, plan), seed)
    repeats, soonest = _repeats(lines, stays)
    kinds: dict[Kind, int] = defaultdict(int)
    for line in lines:
        kinds[line.kind] += 1
    issues = [line.date for line in lines if line.tip]
    return Simulation(
        slots=len(lines),
        issues=len(issues),
        skipped=kinds[Kind.SKIPPED],
        empty=tuple(line.date for line in lines if line.kind is Kind.NONE),
        longest_gap=max((after - before for before, after in pairwise(issues)), default=timedelta()),
        reruns_begin=next((line.date for line in lines if line.kind in (Kind.RERUN, Kind.FALLBACK)), None),
        kinds=dict(kinds),
        subscribers=len(stays),
        subscribers_with_repeats=sum(1 for count in repeats if count),
        repeats=sum(repeats),
        most_repeats=max(repeats, default=0),
        soonest_repeat=soonest,
        unseen=sum(line.unseen for line in lines),
    )


def play_course(
    plan: Plan, first: date, *, years: int, subscribers: int, churn: float, seed: int = 1
) -> CourseSimulation:
    """Play a course as `simulate` plays a newsletter of so many subscribers: those who replace others begin with its first tip."""
    chooser, slots = TipChooser(plan), list(slots_within(first, round(years * _WEEKS_A_YEAR), plan.days))
    leaving = _leaving(churn, plan)
    courses = [chooser.course_at(slot) if chooser.choose(slot).kind is Kind.COURSE else None for slot in slots]
    return simulate_course(
        courses, plan.places, joining=subscribers * leaving, leaving=leaving, random=_random_numbers(seed)
    )


def _leaving(churn: float, plan: Plan) -> float:
    """The share that unsubscribes between two slots. churn: in a year."""
    staying: float = (1 - min(max(churn, 0.0), 1.0)) ** (1 / (_WEEKS_A_YEAR * plan.days.slots_per_week))
    return 1 - staying


def _stays(slots: int, subscribers: int, leaving: float, seed: int) -> list[Stay]:
    """Replace everyone who unsubscribes by a new subscriber in the same slot, so that the size of the list is constant.

    leaving: the share that unsubscribes between two slots, 0 to 1.
    """
    numbers = _random_numbers(seed)
    stays = []
    for _seat in range(subscribers):
        joined = 0
        for place in range(1, slots):
            if next(numbers) < leaving:
                stays.append(Stay(joined, place))
                joined = place
        stays.append(Stay(joined, slots))
    return stays


def _repeats(lines: Sequence[ForecastSlot], stays: Sequence[Stay]) -> tuple[list[int], timedelta | None]:
    """How many repeats each subscriber received, and the shortest time between two."""
    runs: dict[str, list[int]] = defaultdict(list)
    for place, line in enumerate(lines):
        if line.tip:
            runs[line.tip].append(place)
    twice = [places for places in runs.values() if len(places) > 1]
    counts, soonest = [], None
    for stay in stays:
        count = 0
        for places in twice:
            seen = places[bisect_left(places, stay.joined) : bisect_left(places, stay.left)]
            # A run for subscribers who have not received the tip reaches only those for whom it is the first.
            seen = [place for nth, place in enumerate(seen) if not (nth and lines[place].unseen)]
            count += max(len(seen) - 1, 0)
            for before, after in pairwise(seen):
                apart = lines[after].date - lines[before].date
                soonest = apart if soonest is None or apart < soonest else soonest
        counts.append(count)
    return counts, soonest


def _random_numbers(seed: int) -> Iterator[float]:
    """Pseudorandom numbers, 0 <= number < 1: SplitMix64 (Steele, Lea and Flood 2014).

    Written out, because the domain does not import `random`.
    """
    mask = (1 << 64) - 1
    state = seed & mask
    while True:
        state = (state + 0x9E3779B97F4A7C15) & mask
        mixed = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & mask
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & mask
        yield ((mixed ^ (mixed >> 31)) >> 11) / (1 << 53)
