"""Tests of when two texts are one tip, how they are merged, and the state in which a tip starts."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from itertools import permutations

import pytest

from newsletter.domain.tips.tip import TipState, TipText, first_state, identity, merge, merge_labels

DAY = date(2014, 8, 12)
WHOLE = TipText("Bread", "The whole text.", published_on=DAY, categories=("Baking",), tags=("a",), takeaway="Bake.")
TEASER = TipText("Bread", "", complete=False, published_on=DAY, tags=("b",), teaser="The whole")


@pytest.mark.parametrize("other", ["It's “Not” My Job!", "It’s Not My  Job", "ITS NOT MY JOB", "It’s not – my job"])
def test_quotes_apostrophes_dashes_and_case_make_no_difference_to_the_identity(other: str) -> None:
    assert identity(other, DAY) == identity("It’s Not My Job", DAY)


def test_another_word_or_day_is_another_identity() -> None:
    one = identity("It’s Not My Job", DAY)
    assert (
        len(
            {
                one,
                identity("It’s My Job", DAY),
                identity("It’s Not My Job", date(2015, 8, 11)),
                identity("It’s Not My Job", None),
            }
        )
        == 4
    )


def test_labels_are_joined_in_order_without_regard_to_case() -> None:
    assert merge_labels(["b", "A"], ["a", "c", "B"]) == ("b", "A", "c")


def test_a_complete_article_completes_a_teaser() -> None:
    found = merge(TEASER, WHOLE)
    assert (found.complete, found.body, found.takeaway) == (True, "The whole text.", "Bake.")
    assert (found.categories, found.tags) == (("Baking",), ("b", "a"))


def test_a_teaser_never_replaces_a_complete_article() -> None:
    assert merge(WHOLE, TEASER) == replace(WHOLE, tags=("a", "b"))


def test_of_two_complete_articles_the_new_one_wins_but_empties_no_field() -> None:
    found = merge(
        replace(WHOLE, teaser="By the owner"), replace(WHOLE, title="Bread!", body="A better text.", takeaway="")
    )
    assert (found.title, found.body, found.takeaway, found.teaser) == (
        "Bread!",
        "A better text.",
        "Bake.",
        "By the owner",
    )


def test_of_two_teasers_the_newer_text_is_kept() -> None:
    assert merge(TEASER, replace(TEASER, teaser="")).teaser == "The whole"
    assert merge(TEASER, replace(TEASER, teaser="The whole t")).teaser == "The whole t"


def test_merging_the_same_texts_again_changes_nothing_in_any_order() -> None:
    for texts in permutations([TEASER, WHOLE, replace(TEASER, tags=("c",))]):
        once = merge(merge(texts[0], texts[1]), texts[2])
        again = once
        for text in texts:
            again = merge(again, text)
        assert again == once
        assert (once.complete, once.body, sorted(once.tags)) == (True, "The whole text.", ["a", "b", "c"])


@pytest.mark.parametrize(
    ("text", "queue", "state"),
    [
        (TipText("Bread", "x"), False, TipState.FRESH),
        (TipText("Bread", "x", published_on=DAY), False, TipState.ARCHIVE),
        (TipText("Bread", "x", already_run=True), False, TipState.ARCHIVE),
        (TipText("Bread", "x", published_on=DAY, already_run=True), True, TipState.FRESH),
    ],
)
def test_a_tip_that_was_published_before_is_archive_unless_it_is_queued(
    text: TipText, *, queue: bool, state: TipState
) -> None:
    assert first_state(text, queue=queue) is state
