"""Years of the newsletter in a moment: the real choice, with readers who come and go; draws lots from a given seed only."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

from newsletter.domain.calendar.forecast import ForecastSlot, forecast, weekly
from newsletter.domain.calendar.plan import Kind, Plan

_SLOTS_A_YEAR = 52.18


@dataclass(frozen=True, slots=True)
class Simulation:
    """What happened. All counts are of slots or readers.

    skipped: slots the owner skips. empty: slots without a tip that were not skipped. longest_gap: the days between the
    two issues that lie farthest apart. reruns_begin: the first slot with a re-run or a fallback. readers: everybody who
    was there at some time. readers_with_repeats, most_repeats: how many got some tip again, and how often one reader did.
    soonest_repeat: the days between the two nearest runs of one tip that the same reader got. unseen: issues whose tip
    only those readers get who have not had it; which tips stand in for it is not played.
    """

    slots: int
    issues: int
    skipped: int
    empty: tuple[date, ...]
    longest_gap: timedelta
    reruns_begin: date | None
    kinds: dict[Kind, int]
    readers: int
    readers_with_repeats: int
    repeats: int
    most_repeats: int
    soonest_repeat: timedelta | None
    unseen: int


@dataclass(frozen=True, slots=True)
class Stay:
    """A reader gets the slots from `joined` to before `left` (places in the forecast)."""

    joined: int
    left: int


def simulate(plan: Plan, first: date, *, years: int, readers: int, churn: float, seed: int = 1) -> Simulation:
    """Play `years` of the plan for `readers`, of whom the share `churn` (0 to 1) leaves in a year and is replaced.

    The same arguments give the same result. Seasonal tips count as repeats too. A tip that runs for readers who have
    not had it is nobody's repeat; what the others get in its place is new to them, and not counted.
    """
    lines = forecast(weekly(first, round(years * _SLOTS_A_YEAR)), plan)
    stays = _stays(len(lines), readers, churn, seed)
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
        readers=len(stays),
        readers_with_repeats=sum(1 for count in repeats if count),
        repeats=sum(repeats),
        most_repeats=max(repeats, default=0),
        soonest_repeat=soonest,
        unseen=sum(line.unseen for line in lines),
    )


def _stays(slots: int, readers: int, churn: float, seed: int) -> list[Stay]:
    """Each seat is always taken: who leaves makes room for the next."""
    leaving = 1 - (1 - min(max(churn, 0.0), 1.0)) ** (1 / _SLOTS_A_YEAR)
    lots = _random_numbers(seed)
    stays = []
    for _seat in range(readers):
        joined = 0
        for place in range(1, slots):
            if next(lots) < leaving:
                stays.append(Stay(joined, place))
                joined = place
        stays.append(Stay(joined, slots))
    return stays


def _repeats(lines: Sequence[ForecastSlot], stays: Sequence[Stay]) -> tuple[list[int], timedelta | None]:
    """How many tips each reader got again, and after how long at the soonest."""
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
            seen = [place for nth, place in enumerate(seen) if not (nth and lines[place].unseen)]
            count += max(len(seen) - 1, 0)
            for before, after in pairwise(seen):
                apart = lines[after].date - lines[before].date
                soonest = apart if soonest is None or apart < soonest else soonest
        counts.append(count)
    return counts, soonest


def _random_numbers(seed: int) -> Iterator[float]:
    """Numbers from 0 to under 1 that look drawn: SplitMix64 (Steele, Lea and Flood 2014)."""
    mask = (1 << 64) - 1
    state = seed & mask
    while True:
        state = (state + 0x9E3779B97F4A7C15) & mask
        mixed = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & mask
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & mask
        yield ((mixed ^ (mixed >> 31)) >> 11) / (1 << 53)
