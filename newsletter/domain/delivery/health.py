"""Judge an issue that has ended: which refusals are about mailboxes, and which may be a mail server's bad hour.

A relay in trouble may reply 550 5.1.1 to every address, so a reply alone loses nobody. An address is suppressed when its
issue ends, and only if nearly all other emails arrived: in the whole issue, at its domain, and around it in time. An
address that is not suppressed gets the next issue, and if it is refused again, that issue decides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from newsletter.domain.english import plural

ONE_IN = 10
"""Of so many addresses, one may be refused. A list that is sent to each week loses far fewer."""
RUN = 3
"""As many refusals without an accepted email between them may be trouble of the relay."""
FEW = 5
"""The most addresses at one domain that a second refusal, in a later issue, suppresses."""
LITTLE = 3
"""The fewest rejections that pause an issue of which little arrived, or of which the owner is alerted."""


class DeadMailbox(NamedTuple):
    """A delivery that was rejected because its mailbox does not exist, as the reply says.

    in_a_row: how many rejections, this one included, had no accepted email between them. again: the reply to the issue
    before, at least a few days earlier, was the same. is_suppressed: its address gets no emails now.
    """

    subscriber_id: int
    domain: str
    reply: str = ""
    in_a_row: int = 1
    again: bool = False
    is_suppressed: bool = False


@dataclass(frozen=True, slots=True)
class Results:
    """What came of an issue. sent, tried: deliveries, of which open and skipped ones are none.

    dead: the mailboxes that do not exist. sent_to: accepted emails by domain, for the domains of `dead`.
    """

    sent: int = 0
    tried: int = 0
    dead: Sequence[DeadMailbox] = ()
    sent_to: Mapping[str, int] = field(default_factory=dict)

    @property
    def most_arrived(self) -> bool:
        """Were at least two thirds accepted? Of three subscribers, one may be gone."""
        return self.sent * 3 >= self.tried * 2

    @property
    def little_arrived(self) -> bool:
        """Was less than half accepted, of enough emails to say something?"""
        return self.tried - self.sent >= LITTLE and self.sent * 2 < self.tried


@dataclass(frozen=True, slots=True)
class Verdict:
    """suppress: the mailboxes that do not exist. doubtful: those that may. why: clauses about the doubtful ones."""

    suppress: tuple[DeadMailbox, ...] = ()
    doubtful: tuple[DeadMailbox, ...] = ()
    why: tuple[str, ...] = ()


def is_plausible(refused: int, tried: int) -> bool:
    """May so many of the mailboxes really not exist? One always may."""
    return refused <= max(1, tried // ONE_IN)


def judge(results: Results) -> Verdict:
    """Decide about the mailboxes that do not exist, once nothing of the issue is open."""
    dead = tuple(results.dead)
    if not dead:
        return Verdict()
    number = plural(len(dead), "address")
    if not results.most_arrived:
        of = f"only {results.sent:,} of {plural(results.tried, 'email')} arrived"
        return Verdict(doubtful=dead, why=(f"{of}, so the mail server may be wrong about {number}",))
    if not is_plausible(len(dead), results.tried):
        many = f"{number} of {results.tried:,} were refused as unknown"
        return Verdict(doubtful=dead, why=(f"{many}, which is too many for a list that is sent to each week",))
    by_domain = Counter(one.domain for one in dead)
    odd = {d: n for d, n in by_domain.items() if not is_plausible(n, n + results.sent_to.get(d, 0))}
    return _split(dead, odd, results.sent_to)


def _split(dead: Sequence[DeadMailbox], odd: Mapping[str, int], sent_to: Mapping[str, int]) -> Verdict:
    """odd: the domains that refused too many of their addresses, with the number of these."""
    doubtful, why = list[DeadMailbox](), list[str]()
    for domain, number in sorted(odd.items()):
        found = [one for one in dead if one.domain == domain and not (one.again and number <= FEW)]
        if found:
            doubtful += found
            why.append(
                f"{number:,} of {plural(number + sent_to.get(domain, 0), 'email')} to {domain} were refused as unknown"
            )
    row = [one for one in dead if one.domain not in odd and one.in_a_row >= RUN and not one.again]
    if row:
        doubtful += row
        why.append(f"{len(row):,} addresses were refused one after the other")
    kept = {one.subscriber_id for one in doubtful}
    return Verdict(tuple(one for one in dead if one.subscriber_id not in kept), tuple(doubtful), tuple(why))
