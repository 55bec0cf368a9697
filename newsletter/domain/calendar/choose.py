"""Choose the tip for a slot and explain why. The daemon, the forecast and the simulation all use this one function.

The kinds of choices are tried in the order of `Kind`. Series need an explanation:
- A series goes out in consecutive slots. Pins and seasonal tips, which cannot wait, interrupt it. Therefore a series begins
  only where no seasonal tip falls among its slots, and the tips behind it in the queue go first. It begins anyway when nothing
  else is fresh, or when there is no such stretch within a year. Parts that are retired or incomplete are left out.
- A series runs again as a whole, from its first part, when all its parts have rested.
A tip whose pin is still ahead is kept for it. A pin overrides seasons and rests. The pin of a skipped slot moves on to the
next slot that is neither skipped nor pinned.

Starter tips, which came with the program, wait until no tip of the owner is fresh. This is true of seasonal ones too, but a
series of starter tips that has begun is finished.

In a course, pinned and seasonal tips come first too, and each subscriber gets their next tip in all other slots (`course`).

A tip of which no email can be made is passed over and keeps its place; the later parts of its series wait for it. It is
chosen only when nothing else is left, so that the owner hears what stops the issue.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from itertools import islice

from newsletter.domain.calendar.course import Course, Step, busiest, what_goes_out
from newsletter.domain.calendar.plan import Choice, Kind, Plan, TipPlan, last_sent
from newsletter.domain.dates import days_after, days_before
from newsletter.domain.slot_days import slots_from
from newsletter.domain.tips.season_rule import in_words

SEASON_REST = timedelta(days=182)
"""How long a seasonal tip rests at least: it runs once a season, even if a pin made it run early."""
SEASON_SLACK = timedelta(days=35)
"""How much shorter than its own `after` the time between two seasons may be: Easter moves by up to five weeks."""
_LOOK_AHEAD = 53  # slots
_Place = tuple[date, int, str]


def choose(slot: date, plan: Plan) -> Choice:
    """What goes out in this slot, when the tips' runs include everything before it."""
    return TipChooser(plan).choose(slot)


class TipChooser:
    """Play a plan forward: `choose` picks the tip for a slot, and `record` adds that run to the history.

    A choice depends only on the plan and on the recorded runs; calling `choose` has no effect on later choices.
    """

    def __init__(self, plan: Plan) -> None:
        self.policy = plan.policy
        self.skips = plan.skips
        self.days = plan.days
        self.course, self.places = plan.course, plan.places
        self._given: dict[str, date] = {}  # what everybody got meanwhile, in a course
        tips = _after_skips(plan)
        self.tips = {tip.key: tip for tip in tips}
        ordered = sorted(tips, key=lambda tip: (tip.starter, tip.position, tip.key))
        self.order = [tip.key for tip in ordered]
        self.series = _series(ordered)
        broken = [tip for tip in ordered if tip.waits_for_repair]
        self._broken = [tip.key for tip in broken]
        # The first part of each series that cannot be sent.
        in_series = sorted((tip for tip in broken if tip.series and not tip.season), key=lambda tip: -tip.part)
        self._blocked = {tip.series: tip.part for tip in in_series}
        self._pins = _pins(ordered)
        self._seasonal = [tip for tip in ordered if tip.is_sendable and tip.season]
        # Caches: seasonal tips by slot for each year, and whether a series of some length fits into a slot.
        self._season_slots: dict[int, dict[date, list[str]]] = {}
        self._fallbacks = [
            tip.key for tip in ordered if tip.fallback and tip.is_sendable and not (tip.season or tip.series)
        ]
        self.queue = [tip.key for tip in ordered if tip.is_fresh and self._leads(tip)]
        self._fresh = {tip.key for tip in ordered if tip.is_fresh and not tip.season}
        # Series that have begun, whether or not a part is left; `_next_part` sorts that out.
        self._open = {tip.series for tip in ordered if tip.series and self._leads(tip) and not tip.is_fresh}
        # Tips that have run, in the order of their last runs, so that `rested` can stop at the first that must rest.
        self._resting: list[_Place] = []
        self._place: dict[str, _Place] = {}
        for tip in ordered:
            if self._leads(tip) and not tip.is_fresh:
                self._add_to_resting(tip)
        self._fit: dict[tuple[date, int], bool] = {}
        rests = (self.policy.rest_of(tip) for tip in ordered)
        self._least_rest = min((rest for rest in rests if rest is not None), default=timedelta.max)

    # -- the choice ----------------------------------------------------------------------------------

    def choose(self, slot: date) -> Choice:
        """What goes out in this slot."""
        if slot in self.skips:
            return Choice(None, Kind.SKIPPED, ": ".join(filter(None, ("skipped", self.skips[slot]))))
        return self._mark_unseen(
            self._pinned(slot)
            or self._in_season(slot)
            or self._in_course(slot)
            or self._next_part(slot)
            or self._fresh_tip(slot)
            or self._rerun(slot)
            or self._fallback(slot)
            or self._problem(slot)
            or Choice(None, Kind.NONE, self._why_none(slot))
        )

    def record(self, slot: date, key: str) -> None:
        """Record that this tip was sent in this slot."""
        tip = self.tips[key] = self.tips[key].sent_on(slot)
        self._given[key] = slot
        self._fresh.discard(key)
        self._fit.clear()  # a seasonal tip that has run is no longer in the way of a series
        if key in self.queue:
            self.queue.remove(key)
        leader = key if self._leads(tip) else self.series.get(tip.series, ("",))[0]
        if tip.series and leader == key:
            self._open.add(tip.series)
        if leader == key or leader in self._place:
            self._add_to_resting(self.tips[leader])

    def record_course(self, slot: date) -> None:
        """Record that each subscriber of a course got their next tip in this slot."""
        self.places = self.course_at(slot).shares(self.places, self._given)

    def course_at(self, slot: date) -> Course:
        """The course as it is in this slot."""
        again_after = self.course.again_after if self.course else None
        policy = replace(self.policy, rerun_after=again_after or self.policy.rerun_after)
        tips = [self.tips[key] for key in self.order]
        steps = [Step(tip.key, self._has_turn(tip, slot), days_before(slot, policy.rest_of(tip))) for tip in tips]
        return Course(tuple(steps), days_before(slot, again_after))

    def _has_turn(self, tip: TipPlan, slot: date) -> bool:
        return tip.is_sendable and not tip.season and self._may_run(tip, slot)

    def _mark_unseen(self, choice: Choice) -> Choice:
        """Mark a re-run that is only for subscribers who have not received the tip."""
        if choice.tip is None or choice.kind is Kind.COURSE or not self.policy.is_for_unseen(self.tips[choice.tip]):
            return choice
        return replace(choice, reason=f"{choice.reason}, for subscribers who have not received it", unseen=True)

    def _pinned(self, slot: date) -> Choice | None:
        for key in self._pins.get(slot, ()):
            if self.tips[key].is_sendable:
                return Choice(key, Kind.PINNED, "pinned to this date")
        return None

    def _in_season(self, slot: date) -> Choice | None:
        for key in self.season_candidates(slot):
            season = self.tips[key].season
            return Choice(key, Kind.SEASONAL, f"seasonal: {season.words() if season else ''}")
        return None

    def _in_course(self, slot: date) -> Choice | None:
        if self.course is None:
            return None
        course = self.course_at(slot)
        shares = course.shares(self.places, self._given)
        tip = busiest(shares)
        if not course.end():
            return Choice(None, Kind.NONE, "no tip of the course can be sent")
        return Choice(tip, Kind.COURSE, what_goes_out(shares), shares=tuple(shares.items()))

    def _next_part(self, slot: date) -> Choice | None:
        running = sorted((self.tips[self.series[name][0]].last_run, name) for name in self._open)
        for _begun, name in running:
            key = self.next_part(name)
            if key is None:
                self._open.discard(name)  # a cycle that is over stays over until its first part runs again
            elif not self.is_kept_for_pin(self.tips[key], slot) and not self._is_blocked(self.tips[key]):
                return Choice(key, Kind.SERIES, self.part_words(self.tips[key]))
        return None

    def _fresh_tip(self, slot: date) -> Choice | None:
        ready = [key for key in self.queue if self._may_run(self.tips[key], slot)]
        own = [key for key in ready if not self.tips[key].starter]
        key = self._first_that_fits(own or ready, slot)
        if key is None:
            return None
        behind = len(self._fresh) - 1  # later parts of series count, seasonal tips do not
        more = f"{behind} more behind it" if behind else "the last fresh tip"
        words = ": ".join(filter(None, ("next in the queue", self.part_words(self.tips[key]))))
        return Choice(key, Kind.FRESH, f"{words}, {more}")

    def _rerun(self, slot: date) -> Choice | None:
        key = self._first_that_fits(self.rested(slot), slot)
        if key is None:
            return None
        tip = self.tips[key]
        part = f"{self.part_words(tip)}, " if tip.series else ""
        return Choice(key, Kind.RERUN, f"runs again: {part}{last_sent(tip, slot)}")

    def _fallback(self, slot: date) -> Choice | None:
        tips = (self.tips[key] for key in self._fallbacks)
        ready = [tip for tip in tips if self._may_run(tip, slot) and self.may_repeat(tip)]
        best = min(ready, key=lambda tip: (tip.starter, tip.last_run, tip.position, tip.key), default=None)
        if best is None or (best.runs and slot - best.last_run < self.policy.fallback_rest):
            return None
        return Choice(best.key, Kind.FALLBACK, f"fallback, because nothing else is left: {last_sent(best, slot)}")

    def _problem(self, slot: date) -> Choice | None:
        tips = (self.tips[key] for key in self._broken)
        waiting = (tip for tip in tips if tip.waits_for_repair and not tip.season and self._may_run(tip, slot))
        tip = next(waiting, None)
        return Choice(tip.key, Kind.PROBLEM, f"held until it is fixed: {tip.problem}") if tip else None

    def _why_none(self, slot: date) -> str:
        days = [day for place in self._resting if (day := self.rests_until(self.tips[place[2]]))]
        again = min((day for day in days if day > slot), default=None)
        rest = f"the next one that may run again rests until {in_words(again)}" if again else "none may run again"
        return f"no fresh tips are left, and {rest}"

    # -- seasons -------------------------------------------------------------------------------------

    def season_candidates(self, slot: date) -> list[str]:
        """The seasonal tips that could go out in this slot; the tip that ran longest ago comes first."""
        keys = self._seasons_of(slot.year).get(slot, ())
        tips = [tip for tip in map(self.tips.__getitem__, keys) if self.is_in_season_again(tip, slot)]
        tips.sort(key=lambda tip: (tip.starter, tip.last_run, tip.position, tip.key))
        found = [tip for tip in tips if not self.is_kept_for_pin(tip, slot)]
        if any(tip.starter for tip in found) and self.own_tip_waits(slot):
            found = [tip for tip in found if not tip.starter]
        return [tip.key for tip in found]

    def own_tip_waits(self, slot: date) -> bool:
        """Could a fresh tip of the owner, other than a seasonal one, go out in this slot?"""
        own = (self.tips[key] for key in self._fresh if not self.tips[key].starter)
        return any(self._may_run(tip, slot) for tip in own)

    def is_in_season_again(self, tip: TipPlan, slot: date) -> bool:
        """Has a seasonal tip rested since its last season, and may it run again?"""
        if not tip.runs or not self.may_repeat(tip):
            return not tip.runs
        rest = max(SEASON_REST, (tip.rerun.after or SEASON_REST) - SEASON_SLACK)
        return slot - tip.last_run >= rest

    def _seasons_of(self, year: int) -> Mapping[date, list[str]]:
        """The seasonal tips by slot, for the slots of one year. A slot may belong to the season of the year before or after."""
        found = self._season_slots.get(year)
        if found is None:
            found = defaultdict(list)
            for tip in self._seasonal:
                for season in (year - 1, year, year + 1):
                    slot = tip.season.slot_in(season, self.days) if tip.season else None
                    if slot and slot.year == year:
                        found[slot].append(tip.key)
            self._season_slots[year] = found
        return found

    # -- series --------------------------------------------------------------------------------------

    def next_part(self, name: str) -> str | None:
        """The next part of a series that has begun; None when it is over.

        Whether a part has rested is decided for the day the series began, so that the answer stays the same until its end.
        """
        leader, *rest = (self.tips[key] for key in self.series[name])
        if leader.is_fresh:
            return None
        begun = leader.last_run
        done = max((place for place, tip in enumerate(rest, start=1) if tip.runs and tip.last_run > begun), default=0)
        for place, tip in enumerate(rest):
            if tip.is_fresh or (place >= done and tip.last_run < begun and self._has_rested(tip, begun)):
                return tip.key
        return None

    def part_words(self, tip: TipPlan) -> str:
        """For example "part 2 of 3 of A series"; "" for a tip outside of series."""
        if not tip.series:
            return ""
        parts = max(self.tips[key].part for key in self.series.get(tip.series, (tip.key,)))
        return f"part {tip.part} of {max(parts, tip.part)} of {tip.series}"

    def fits(self, key: str, slot: date) -> bool:
        """Could this tip begin its series here without a seasonal tip in between? Always true outside of series."""
        tip = self.tips[key]
        count = len(self.series[tip.series]) if tip.series else 1
        if count == 1:
            return True
        known = self._fit.get((slot, count))
        if known is None:
            ahead = islice(slots_from(slot, self.days), 1, _LOOK_AHEAD)
            known = self._fit[slot, count] = not self.first_season(slot, count) or all(
                self.first_season(later, count) for later in ahead
            )
        return known

    def first_season(self, slot: date, count: int) -> tuple[date, str] | None:
        """The first slot with a seasonal tip, and that tip's key, among the next `count` slots that are not skipped."""
        ahead = (later for later in slots_from(slot, self.days) if later not in self.skips)
        for later in islice(ahead, count):
            if keys := self.season_candidates(later):
                return later, keys[0]
        return None

    def _first_that_fits(self, keys: Iterable[str], slot: date) -> str | None:
        """The first tip that fits; if none does, the first of all."""
        first = None
        for key in keys:
            if self.fits(key, slot):
                return key
            first = first or key
        return first

    def _leads(self, tip: TipPlan) -> bool:
        """Does this tip have a turn of its own? Seasonal tips have their dates, and later parts follow the first part."""
        if not tip.is_sendable or tip.season or (tip.series and tip.series not in self.series):
            return False
        if self._is_blocked(tip):
            return False
        return not tip.series or self.series[tip.series][0] == tip.key

    def _is_blocked(self, tip: TipPlan) -> bool:
        """Does it follow a part of its series that cannot be sent before it is fixed?"""
        return bool(tip.series) and tip.part > self._blocked.get(tip.series, tip.part)

    # -- runs and rests ------------------------------------------------------------------------------

    def is_kept_for_pin(self, tip: TipPlan, slot: date) -> bool:
        """Is its pin still ahead? An extra issue on the day of the slot comes later that day, or has been sent."""
        return tip.pin is not None and (tip.pin > slot or (tip.pin_at is not None and tip.pin == slot))

    def may_repeat(self, tip: TipPlan) -> bool:
        """May it run at all, now or later? True for a tip that never ran."""
        return not tip.runs or not (tip.rerun.never or len(tip.runs) >= (tip.rerun.at_most or 1 + len(tip.runs)))

    def rests_until(self, tip: TipPlan) -> date | None:
        """The first date on which it may run again, together with its series; None when it never may."""
        if not self.may_repeat(tip) or self.policy.rest_of(tip) is None:
            return None
        days = []
        for part in self._unit(tip):
            rest = self.policy.rest_of(part)
            if part.runs and rest is not None and self.may_repeat(part):
                days.append(days_after(part.last_run, rest))
        return max(days, default=date.min)

    def rested(self, slot: date) -> Iterator[str]:
        """The tips that may run again, including the first parts of series; the tip that has rested longest comes first."""
        for last, _position, key in self._resting:
            if last != date.min and slot - last < self._least_rest:
                return  # the tips are in the order of their last runs, so all others rest too
            until = self.rests_until(self.tips[key])
            if until is not None and until <= slot and self._may_run(self.tips[key], slot):
                yield key

    def _may_run(self, tip: TipPlan, slot: date) -> bool:
        return not self.is_kept_for_pin(tip, slot) and (not tip.months or slot.month in tip.months)

    def _has_rested(self, tip: TipPlan, day: date) -> bool:
        rest = self.policy.rest_of(tip)
        return rest is not None and self.may_repeat(tip) and (not tip.runs or day - tip.last_run >= rest)

    def _unit(self, tip: TipPlan) -> Iterable[TipPlan]:
        return (self.tips[key] for key in self.series[tip.series]) if tip.series else (tip,)

    def _add_to_resting(self, leader: TipPlan) -> None:
        """Move a tip that has run to its place in the list, which is ordered by the last run."""
        old = self._place.pop(leader.key, None)
        if old:
            del self._resting[bisect_left(self._resting, old)]
        place = (max(part.last_run for part in self._unit(leader)), leader.position, leader.key)
        self._place[leader.key] = place
        insort(self._resting, place)


def _after_skips(plan: Plan) -> Sequence[TipPlan]:
    """The tips, with the pins of skipped slots moved on. A tip that has run in between keeps its old pin, which has no effect anymore."""
    taken = {tip.pin for tip in plan.tips if tip.pin and not tip.pin_at} | plan.skips.keys()
    moved = {}
    for tip in plan.tips:
        pin = tip.pin
        if pin and pin in plan.skips and not tip.pin_at:
            slot = next(slot for slot in slots_from(pin, plan.days) if slot not in taken)
            taken.add(slot)
            if not any(pin <= day < slot for day in tip.runs):
                moved[tip.key] = replace(tip, pin=slot)
    return [moved.get(tip.key, tip) for tip in plan.tips]


def _pins(tips: Sequence[TipPlan]) -> Mapping[date, list[str]]:
    pins: dict[date, list[str]] = defaultdict(list)
    for tip in tips:
        if tip.pin and not tip.pin_at:
            pins[tip.pin].append(tip.key)
    return pins


def _series(tips: Sequence[TipPlan]) -> Mapping[str, tuple[str, ...]]:
    """The keys of each series, in the order of the parts, without those that cannot be sent."""
    series: dict[str, list[TipPlan]] = defaultdict(list)
    for tip in tips:
        if tip.series and tip.is_sendable and not tip.season:
            series[tip.series].append(tip)
    return {name: tuple(tip.key for tip in sorted(parts, key=lambda tip: tip.part)) for name, parts in series.items()}
