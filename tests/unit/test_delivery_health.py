"""Which refusals suppress an address when an issue ends, and which may be the mail server's bad hour."""

from __future__ import annotations

import pytest

from newsletter.domain.delivery.health import FEW, RUN, DeadMailbox, Results, Verdict, judge


def dead(number: int, domain: str = "", *, in_a_row: int = 1, again: bool = False) -> list[DeadMailbox]:
    """Mailboxes of one domain, or each of another one."""
    return [DeadMailbox(n, domain or f"d{n}.example", in_a_row=in_a_row, again=again) for n in range(number)]


def verdict(sent: int, found: list[DeadMailbox], *, others: int = 0, sent_to: dict[str, int] | None = None) -> Verdict:
    return judge(Results(sent, sent + len(found) + others, found, sent_to or {}))


@pytest.mark.parametrize(
    ("sent", "number"),
    [(99, 1), (900, 100), (98, 2), (4, 1), (2, 1), (19, 1), (18, 2)],
)
def test_the_mailboxes_of_a_healthy_issue_are_suppressed(sent: int, number: int) -> None:
    found = verdict(sent, dead(number))

    assert (len(found.suppress), found.doubtful, found.why) == (number, (), ())


@pytest.mark.parametrize(
    ("sent", "number"),
    [(0, 50), (25, 25), (70, 30), (0, 1), (1, 1), (0, 2), (3, 2), (4, 5), (89, 11)],
)
def test_an_issue_with_too_many_refusals_suppresses_nobody(sent: int, number: int) -> None:
    found = verdict(sent, dead(number))

    assert (found.suppress, len(found.doubtful), len(found.why)) == ((), number, 1)


def test_other_refusals_count_as_well() -> None:
    assert verdict(95, dead(2), others=3).suppress
    assert not verdict(60, dead(2), others=38).suppress, "the relay has other trouble"


def test_a_domain_that_stands_out_is_left_alone_and_named() -> None:
    at_gmail = dead(30, "gmail.example")
    elsewhere = [DeadMailbox(100 + n, f"d{n}.example") for n in range(3)]
    found = verdict(400, [*at_gmail, *elsewhere])

    assert [one.subscriber_id for one in found.suppress] == [100, 101, 102]
    assert found.why == ("30 of 30 emails to gmail.example were refused as unknown",)


def test_a_domain_that_accepted_most_is_like_any_other() -> None:
    assert len(verdict(400, dead(3, "gmail.example"), sent_to={"gmail.example": 200}).suppress) == 3
    assert not verdict(400, dead(30, "gmail.example"), sent_to={"gmail.example": 30}).suppress


def test_one_mailbox_of_a_tiny_domain_is_suppressed_and_two_wait_for_the_next_issue() -> None:
    assert len(verdict(50, dead(1, "firm.example")).suppress) == 1
    assert verdict(50, dead(2, "firm.example")).suppress == ()
    assert len(verdict(50, dead(2, "firm.example", again=True)).suppress) == 2
    assert len(verdict(400, dead(FEW, "firm.example", again=True)).suppress) == FEW
    assert verdict(400, dead(FEW + 1, "firm.example", again=True)).suppress == (), "for so many, the owner decides"


def test_refusals_one_after_the_other_wait_for_the_next_issue() -> None:
    assert verdict(400, dead(RUN, in_a_row=RUN)).suppress == ()
    assert len(verdict(400, dead(RUN - 1, in_a_row=RUN - 1)).suppress) == RUN - 1
    assert len(verdict(400, dead(RUN, in_a_row=RUN, again=True)).suppress) == RUN


def test_without_refusals_there_is_nothing_to_say() -> None:
    assert verdict(0, []) == verdict(10, [], others=5) == Verdict()


def test_little_arrived_when_more_than_half_of_some_emails_did_not() -> None:
    cases = [(0, 50, True), (24, 50, True), (25, 50, False), (1, 4, True), (0, 2, False), (1, 3, False), (0, 0, False)]
    assert [Results(sent, tried).little_arrived for sent, tried, _ in cases] == [expected for _, _, expected in cases]
