"""What came of an issue, for the judgment of its refusals in `domain.delivery.health`: the SQL, which only reads.

The replies of rejected deliveries are what survives a crash, so nothing else is kept until the issue ends.
"""

from __future__ import annotations

import itertools
import sqlite3
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta

from newsletter.domain.delivery.health import DeadMailbox, Results
from newsletter.mail.replies import is_of_a_dead_mailbox
from newsletter.store.times import from_ms, from_text, to_text

ISSUES_APART = timedelta(days=4)
"""A refusal of an issue that is less far away says nothing new."""
# `heard_at`: whoever confirmed, unsubscribed, or changed the address after the refusal has a mailbox that works.
_REJECTED = """SELECT d.subscriber_id, d.last_at, d.reply, s.address_key,
        (SELECT max(c.at) FROM consent c WHERE c.subscriber_id = d.subscriber_id) AS heard_at,
        EXISTS (SELECT 1 FROM suppression x WHERE x.address_key = s.address_key)
    FROM delivery d JOIN subscriber s ON s.id = d.subscriber_id
    WHERE d.issue_id = ? AND d.state = 'rejected' AND d.reply <> '' ORDER BY d.last_at, d.subscriber_id"""
_SENT = """SELECT d.last_at, s.address_key FROM delivery d LEFT JOIN subscriber s ON s.id = d.subscriber_id
    WHERE d.issue_id = ? AND d.state = 'sent'"""
_BEFORE = """SELECT d.reply FROM delivery d JOIN issue i ON i.id = d.issue_id
    WHERE d.subscriber_id = ? AND d.issue_id <> ? AND i.started_at <= ? AND d.state IN ('sent', 'rejected', 'failed')
    ORDER BY i.started_at DESC LIMIT 1"""
_STARTED = "SELECT started_at FROM issue WHERE id = ?"

_Row = tuple[int, int, str, str, str | None, int]


def results_of(db: sqlite3.Connection, issue: int, counts: Mapping[str, int]) -> Results:
    """The results of an issue. counts: its deliveries by state.

    It reads every accepted delivery if there are several refusals, so call it outside of a write transaction.
    """
    sent = counts.get("sent", 0)
    tried = sent + sum(counts.get(state, 0) for state in ("rejected", "failed", "held"))
    rejected: list[_Row] = db.execute(_REJECTED, (issue,)).fetchall()
    dead = [row for row in rejected if _is_dead(row)]
    if len(dead) <= 1:  # nothing to compare it with
        return Results(sent, tried, [_mailbox(row) for row in dead])
    domains = {_domain(row[3]) for row in dead}
    sent_to, runs = _around(db, issue, domains, [row[1] for row in rejected])
    in_a_row = {row[0]: length for row, length in zip(rejected, runs, strict=True)}
    started = db.execute(_STARTED, (issue,)).fetchone()[0]
    before = to_text(from_text(started) - ISSUES_APART) if started else ""
    found = [_mailbox(row)._replace(in_a_row=in_a_row[row[0]], again=_again(db, row[0], issue, before)) for row in dead]
    return Results(sent, tried, found, sent_to)


def _is_dead(row: _Row) -> bool:
    _, last_at, reply, _, heard_at, _ = row
    return is_of_a_dead_mailbox(reply) and not (heard_at and heard_at > to_text(from_ms(last_at or 0)))


def _mailbox(row: _Row) -> DeadMailbox:
    return DeadMailbox(row[0], _domain(row[3]), row[2].partition(" ")[2], is_suppressed=bool(row[5]))


def _domain(address_key: str) -> str:
    return address_key.rpartition("@")[2]


def _around(
    db: sqlite3.Connection, issue: int, domains: set[str], times: Sequence[int]
) -> tuple[Counter[str], list[int]]:
    """Accepted emails by domain, and for each rejection the length of its run. times: of the rejections, ascending."""
    sent_to: Counter[str] = Counter()
    ended = {0}  # the rejections that are not in one run with the one before
    for last_at, key in db.execute(_SENT, (issue,)):
        if key and (domain := _domain(key)) in domains:
            sent_to[domain] += 1
        ended.update(range(bisect_left(times, last_at), bisect_right(times, last_at) + 1))
    starts = [*sorted(place for place in ended if place < len(times)), len(times)]
    return sent_to, [end - start for start, end in itertools.pairwise(starts) for _ in range(start, end)]


def _again(db: sqlite3.Connection, subscriber: int, issue: int, before: str) -> bool:
    row = db.execute(_BEFORE, (subscriber, issue, before)).fetchone()
    return bool(row and row[0] and is_of_a_dead_mailbox(row[0]))
