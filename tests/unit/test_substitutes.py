"""Who gets a tip that runs again, and which tips can be its substitutes."""

from __future__ import annotations

from datetime import date, timedelta

from newsletter.domain.calendar.choose import TipChooser
from newsletter.domain.calendar.forecast import forecast
from newsletter.domain.calendar.plan import Kind, Plan, Policy, TipPlan
from newsletter.domain.calendar.simulation import simulate
from newsletter.domain.calendar.substitutes import Candidate, Share, Shares, own_candidate, substitute_candidates
from newsletter.domain.tips.rerun_rule import Rerun
from newsletter.domain.tips.tip import TipState

SLOT = date(2026, 3, 3)
WEEK = timedelta(weeks=1)
REST = Policy(timedelta(weeks=4))
UNSEEN = Rerun(unseen=True)


def ran(key: str, weeks_ago: int, rerun: Rerun = Rerun(), **more: object) -> TipPlan:  # noqa: B008 - it is frozen
    values = {"position": 1, "state": TipState.SENT, "runs": (SLOT - weeks_ago * WEEK,), **more}
    return TipPlan(key, key.title(), rerun=rerun, **values)  # type: ignore[arg-type]


def test_a_first_run_goes_to_everyone_whatever_its_rule() -> None:
    fresh = TipPlan("new", "New", 1, rerun=UNSEEN)

    assert own_candidate(fresh, SLOT, Policy(unseen=True)) is None


def test_a_re_run_for_the_unseen_counts_every_email_and_one_for_everyone_only_recent_substitutes() -> None:
    assert own_candidate(ran("a", 9, UNSEEN), SLOT, REST) == Candidate("a")
    assert own_candidate(ran("a", 9), SLOT, Policy(unseen=True)) == Candidate("a")
    assert own_candidate(ran("a", 9, Rerun(unseen=False)), SLOT, Policy(REST.rerun_after, unseen=True)) == Candidate(
        "a", SLOT - 4 * WEEK
    )
    assert own_candidate(ran("a", 9), SLOT, REST) == Candidate("a", SLOT - 4 * WEEK)
    assert own_candidate(ran("a", 9), SLOT, Policy(None)) is None


def test_a_fallback_rests_only_as_long_as_fallbacks_do() -> None:
    policy = Policy(timedelta(weeks=50), fallback_rest=timedelta(weeks=3))

    assert own_candidate(ran("a", 9, fallback=True), SLOT, policy) == Candidate("a", SLOT - 3 * WEEK)


def test_the_best_substitute_is_the_most_useful_and_then_the_one_that_has_rested_longest() -> None:
    tips = (
        ran("own", 30, UNSEEN),
        ran("old", 20),
        ran("older", 21),
        ran("loved", 5),
        ran("tired", 3),
        ran("never", 20, Rerun(never=True)),
        ran("summer", 20, months=frozenset({7})),
        ran("part", 20, series="A story", part=1),
        TipPlan("fresh", "Fresh", 1),
        TipPlan("teaser", "Teaser", 1, complete=False, state=TipState.ARCHIVE),
    )
    found = substitute_candidates("own", SLOT, TipChooser(Plan(tips, REST)), {"loved": 3, "tired": 9, "never": 9})

    assert [offer.tip for offer in found] == ["loved", "older", "old"]


def test_the_reason_says_for_whom_a_tip_runs_again() -> None:
    plan = Plan((ran("a", 30, UNSEEN), ran("b", 20)), REST)
    first, second = forecast([SLOT, SLOT + WEEK], plan)
    changed = forecast([SLOT + WEEK], plan.with_change("unseen b").with_change("retire a"))[0]

    assert (first.kind, first.unseen, second.unseen, changed.unseen) == (Kind.RERUN, True, False, True)
    assert first.reason.endswith(", 7 months ago, for subscribers who have not received it")


def test_a_run_for_the_unseen_is_not_a_repeat_in_a_simulation() -> None:
    tips = tuple(TipPlan(f"tip{n}", f"Tip {n}", n) for n in range(10))
    to_all = simulate(Plan(tips, REST), SLOT, years=1, subscribers=20, churn=0.2)
    to_unseen = simulate(Plan(tips, Policy(REST.rerun_after, unseen=True)), SLOT, years=1, subscribers=20, churn=0.2)

    assert to_all.repeats > 0
    assert to_unseen.repeats == 0
    assert (to_all.unseen, to_unseen.unseen) == (0, to_all.kinds[Kind.RERUN])


def test_shares_are_described_in_sentences() -> None:
    shares = Shares(120, (Share("a", "Say the name", 300), Share("b", "Listen", 1)), 3)

    assert shares.words() == (
        "It runs again for 120 subscribers. Of those who have received it, 300 get “Say the name”, 1 gets “Listen”. "
        "3 get no email because there is no tip left that they have not received."
    )
