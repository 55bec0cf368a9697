"""Lists as values: their keys, and the ids of their issues."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.domain.errors import InputError
from newsletter.domain.lists import (
    FIRST_LIST,
    checked_key,
    issue_argument,
    issue_by_number,
    issue_id,
    issue_name,
    list_of_issue,
    list_option,
    shown_number,
)


@given(st.integers(FIRST_LIST, 100), st.integers(1, 9_999_999))
def test_an_id_of_an_issue_tells_its_list_and_its_number(list_id: int, number: int) -> None:
    found = issue_id(list_id, number)

    assert (list_of_issue(found), shown_number(found)) == (list_id, number)


def test_the_ids_of_the_first_list_are_its_numbers() -> None:
    assert issue_id(FIRST_LIST, 614) == 614


def test_a_missed_issue_shows_the_number_it_has() -> None:
    assert shown_number(-3) == -3


@pytest.mark.parametrize("written", ["advice", " Advice ", "b2b-advice", "7"])
def test_a_key_is_lower_case_letters_digits_and_hyphens(written: str) -> None:
    assert checked_key(written) == written.strip().lower()


@pytest.mark.parametrize("written", ["", "-advice", "business advice", "a/b", "x" * 41, "..", "é"])
def test_other_keys_are_refused_with_an_example(written: str) -> None:
    with pytest.raises(InputError, match="cannot be the key of a list") as refused:
        checked_key(written)

    assert "advice" in refused.value.fix


@pytest.mark.parametrize(
    ("written", "found"),
    [(3, 20_000_003), (10_000_000, 30_000_000), (10_000_001, 10_000_001), (20_000_003, 20_000_003), (-2, -2)],
)
def test_an_issue_is_named_by_its_number_in_the_list_or_by_its_id(written: int, found: int) -> None:
    assert issue_by_number(3, written) == found


def test_texts_name_every_list_but_the_first() -> None:
    assert (issue_name(12, ""), issue_argument(12, ""), list_option("")) == ("issue 12", "12", "")
    assert issue_name(10_000_003, "advice") == "issue 3 of advice"
    assert f"issues resume {issue_argument(10_000_003, 'advice')}" == "issues resume 3 --list advice"
