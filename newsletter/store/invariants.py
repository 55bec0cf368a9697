"""The invariants of delivery as SQL: what must hold at any moment, even after a crash. See docs/delivery.md for I1-I7."""

from __future__ import annotations

import sqlite3

from newsletter.domain.delivery.delivery import OPEN

HAS_OPEN = " OR ".join(
    f"EXISTS (SELECT 1 FROM delivery d INDEXED BY delivery_{state} WHERE d.issue_id = issue.id AND d.state = '{state}')"  # noqa: S608  (states)
    for state in sorted(OPEN)
)
"""Does `issue` have open deliveries? Each open state has a partial index, so this is cheap even with a million rows."""

CHECKS = {
    "I1 an issue's deliveries do not add up to its frozen audience": """
        SELECT i.id, i.audience, count(d.subscriber_id) FROM issue i LEFT JOIN delivery d ON d.issue_id = i.id
        GROUP BY i.id, i.audience HAVING count(d.subscriber_id) <> i.audience""",
    "I2 a slot has more than one issue": """
        SELECT list_id, slot, count(*) FROM issue WHERE slot IS NOT NULL GROUP BY list_id, slot HAVING count(*) > 1""",
    "I2 a quarter has more than one issue": """
        SELECT list_id, quarter, count(*) FROM issue WHERE quarter IS NOT NULL GROUP BY list_id, quarter HAVING count(*) > 1""",
    "I2 a tip had its first run more than once": """
        SELECT tip_id, count(*) FROM issue WHERE run = 1 GROUP BY tip_id HAVING count(*) > 1""",
    # RFC 5321 section 4.2.1: every reply 2yz accepts. Erasing a subscriber deletes the replies of the deliveries to them.
    "I3 a delivery is `sent`, but the server did not accept the message": """
        SELECT issue_id, subscriber_id FROM delivery WHERE state = 'sent' AND coalesce(reply, '') NOT LIKE 'dot 2__%'
        AND (coalesce(reply, '') <> '' OR EXISTS (SELECT 1 FROM subscriber s WHERE s.id = subscriber_id)) LIMIT 5""",
    "I4 a delivery is `sending`, but not by the latest sender run": """
        SELECT issue_id, subscriber_id FROM delivery INDEXED BY delivery_sending
        WHERE state = 'sending' AND owner IS NOT (SELECT max(id) FROM sender_run) LIMIT 5""",
    "a delivery has a substitute tip for which its issue has no email": """
        SELECT d.issue_id, d.subscriber_id, d.tip_id FROM delivery d INDEXED BY delivery_by_tip
        LEFT JOIN other_letter o ON o.issue_id = d.issue_id AND o.tip_id = d.tip_id
        WHERE d.tip_id IS NOT NULL AND o.tip_id IS NULL LIMIT 5""",
    "I7 an issue is done with open deliveries": f"SELECT id FROM issue WHERE state = 'done' AND ({HAS_OPEN})",  # noqa: S608  (a constant)
    "I7 an issue is cancelled, but some of its deliveries are open": """
        SELECT DISTINCT i.id FROM issue i JOIN delivery d ON d.issue_id = i.id
        WHERE i.state = 'cancelled' AND d.state IN ('pending', 'deferred')
        AND NOT EXISTS (SELECT 1 FROM delivery f WHERE f.issue_id = i.id AND f.state = 'sending')""",
}


def broken_invariants(db: sqlite3.Connection) -> list[str]:
    """A sentence for each invariant that does not hold, with up to five of the rows that break it."""
    broken = []
    for sentence, sql in CHECKS.items():
        rows = db.execute(sql).fetchmany(5)
        if rows:
            broken.append(f"{sentence}: {', '.join(str(tuple(row)) for row in rows)}")
    return broken
