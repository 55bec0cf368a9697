"""The SQL of the tables `delivery` and `attempt`: all that writes to them, and what is read for each email.

T1, T2, T3 and Tr are explained in docs/delivery.md. Only `domain.delivery.delivery` decides which state follows.
"""

# ruff: noqa: S608 - only constants are joined here; values are parameters

from __future__ import annotations

from newsletter.domain.delivery.delivery import Event, State, transition
from newsletter.domain.delivery.one_a_day import ONE_A_DAY
from newsletter.store.subscriptions import AUDIENCE

REACHED = "d.subscriber_id = s.subscriber_id AND (d.state NOT IN ('skipped', 'rejected', 'failed') OR d.crashes > 0)"
"""The condition that delivery `d` has reached, or may have reached, the person of subscription `s`."""

# -- T1: the audience ------------------------------------------------------------------------------

_INSERT = "INSERT INTO delivery (issue_id, subscriber_id, state, attempts, crashes, tip_id, reason)"
FREEZE = f"""{_INSERT}
    SELECT :issue, s.subscriber_id, 'pending', 0, 0, NULL, NULL FROM {AUDIENCE} WHERE {{audience}} ORDER BY s.subscriber_id"""
# `shares` is a query for (id, pick); see store.substitutes.
FREEZE_SHARES = f"""{_INSERT}
    SELECT :issue, id, CASE pick WHEN 0 THEN :skipped ELSE 'pending' END, 0, 0,
        nullif(nullif(pick, :own), 0), CASE pick WHEN 0 THEN :reason END FROM ({{shares}})"""

# At most one email a day. issues: those of these days, which are few; so each subscriber costs two look-ups for each of them.
# A delivery that has waited counts for the day on which it is or was sent, every other one for the day of its issue.
WAIT_A_DAY = f"""UPDATE delivery SET state = :to, reason = '{ONE_A_DAY}', next_attempt_at = :at
    WHERE issue_id = :issue AND state = :before AND attempts = 0 AND next_attempt_at IS :waited
    AND subscriber_id IN (SELECT id FROM subscriber WHERE one_a_day)
    AND EXISTS (SELECT 1 FROM issue i CROSS JOIN delivery o
        ON o.issue_id = i.id AND o.subscriber_id = delivery.subscriber_id AND o.state <> 'skipped'
        WHERE i.id IN ({{issues}}) AND CASE WHEN o.reason IS '{ONE_A_DAY}'
            THEN coalesce(o.next_attempt_at, o.last_at) >= :begins_ms AND coalesce(o.next_attempt_at, o.last_at) < :ends_ms
            ELSE i.started_at >= :begins AND i.started_at < :ends END)"""
STARTED_SINCE = "SELECT id FROM issue WHERE started_at >= ? AND id <> ? AND state <> 'missed'"
WAITS = f"""SELECT count(*), max(next_attempt_at) FROM delivery INDEXED BY delivery_deferred
    WHERE issue_id = :issue AND state = 'deferred' AND reason = '{ONE_A_DAY}' AND attempts = 0"""
IS_OPEN_OTHERWISE = f"""SELECT EXISTS (SELECT 1 FROM delivery INDEXED BY delivery_pending WHERE issue_id = :issue AND state = 'pending')
    OR EXISTS (SELECT 1 FROM delivery INDEXED BY delivery_sending WHERE issue_id = :issue AND state = 'sending')
    OR EXISTS (SELECT 1 FROM delivery INDEXED BY delivery_deferred WHERE issue_id = :issue AND state = 'deferred'
        AND (reason IS NOT '{ONE_A_DAY}' OR attempts > 0))"""

# -- T2: the claim ---------------------------------------------------------------------------------

MAY_CLAIM = "SELECT quarter IS NOT NULL FROM issue WHERE id = ? AND state = 'sending'"
# The status is that of the issue's list. `quarterly`: former subscribers who asked for one tip every three months may get that issue, and no other.
# INDEXED BY: without it SQLite takes the primary key and walks over every row that is done already.
_DUE = """SELECT d.subscriber_id, d.attempts, d.first_attempt_at, d.state,
        p.key, p.address, p.name,
        iif(s.quarterly_at IS NULL OR s.status IN ('confirmed', 'paused'), s.status, 'quarterly'), s.confirmed_at, d.tip_id,
        EXISTS (SELECT 1 FROM suppression x WHERE x.address_key = p.address_key), d.troubles
    FROM delivery d INDEXED BY {index} LEFT JOIN subscriber p ON p.id = d.subscriber_id
    LEFT JOIN subscription s ON s.list_id = :list AND s.subscriber_id = d.subscriber_id"""
DUE_PENDING = f"""{_DUE.format(index="delivery_pending")} WHERE d.issue_id = :issue AND d.state = 'pending'
    ORDER BY d.troubles, d.subscriber_id LIMIT :limit"""
# Somewhere in the list, while the mail server seems to be in trouble with the front of it.
DUE_SPREAD = f"""{_DUE.format(index="delivery_pending")} WHERE d.issue_id = :issue AND d.state = 'pending'
    AND d.troubles = 0 AND d.subscriber_id >= (SELECT low + CAST(:spread * (high - low) AS INTEGER) FROM (SELECT
        (SELECT min(subscriber_id) FROM delivery INDEXED BY delivery_pending
            WHERE issue_id = :issue AND state = 'pending' AND troubles = 0) AS low,
        (SELECT max(subscriber_id) FROM delivery INDEXED BY delivery_pending
            WHERE issue_id = :issue AND state = 'pending' AND troubles = 0) AS high))
    ORDER BY d.subscriber_id LIMIT :limit"""
DUE_DEFERRED = f"""{_DUE.format(index="delivery_deferred")} WHERE d.issue_id = :issue AND d.state = 'deferred'
    AND d.next_attempt_at <= :due ORDER BY d.next_attempt_at LIMIT :limit"""
HAS_PENDING = "SELECT 1 FROM delivery INDEXED BY delivery_pending WHERE issue_id = ? AND state = 'pending' LIMIT 1"
FIRST_DEFERRED = """SELECT min(next_attempt_at) FROM delivery INDEXED BY delivery_deferred
    WHERE issue_id = ? AND state = 'deferred'"""
CLAIM = """UPDATE delivery SET state = ?, owner = ?, attempts = attempts + 1, first_attempt_at = ?,
    next_attempt_at = NULL WHERE issue_id = ? AND subscriber_id = ?"""
SKIP = "UPDATE delivery SET state = ?, reason = ?, next_attempt_at = NULL, last_at = ? WHERE issue_id = ? AND subscriber_id = ?"
CLAIMED_SINCE = """SELECT d.last_at, s.address FROM delivery d JOIN subscriber s ON s.id = d.subscriber_id
    WHERE d.last_at > ? AND d.state = 'sent' AND d.issue_id IN
        (SELECT id FROM issue WHERE state IN ('sending', 'paused') OR done_at > ?)
    UNION ALL SELECT CAST(strftime('%s', a.at) AS INTEGER) * 1000, s.address FROM attempt a
    JOIN subscriber s ON s.id = a.subscriber_id WHERE a.at > ? ORDER BY 1"""

# -- T3: the outcome. The owner is checked, since another process may have recovered the row ---------

_OURS = "WHERE issue_id = ? AND subscriber_id = ? AND state = 'sending' AND owner = ?"
FINISH = f"UPDATE delivery SET state = ?, owner = NULL, reply = ?, next_attempt_at = ?, last_at = ? {_OURS}"
FINISH_SENT = f"""UPDATE delivery SET state = '{transition(State.SENDING, Event.ACCEPT)}', owner = NULL, reply = ?,
    next_attempt_at = NULL, last_at = ? {_OURS}"""
# A first attempt that never reached the next hop must not start the 48 hours after which we give up.
_NOT_TRIED = "attempts = attempts - 1, first_attempt_at = CASE WHEN attempts > 1 THEN first_attempt_at END"
REQUEUE = f"UPDATE delivery SET state = ?, owner = NULL, {_NOT_TRIED} {_OURS}"
POSTPONE = f"UPDATE delivery SET state = ?, owner = NULL, next_attempt_at = ?, {_NOT_TRIED} {_OURS}"
# Before the outcome, while the row is still ours. It makes the row the last of those that are pending.
ADD_TROUBLE = f"UPDATE delivery SET troubles = troubles + 1 {_OURS}"
ADD_ATTEMPT = """INSERT INTO attempt (issue_id, subscriber_id, at, event, stage, code, enhanced, text)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)"""

# -- Tr: what a dead process leaves ------------------------------------------------------------------

# Counted from the list of attempts, so that nothing that requeues a delivery can forget them.
_DOUBTS = """(SELECT count(*) FROM attempt a
    WHERE a.issue_id = d.issue_id AND a.subscriber_id = d.subscriber_id AND a.event = 'in_doubt')"""
DOUBTS = f"SELECT {_DOUBTS}, d.crashes FROM delivery d WHERE d.issue_id = ? AND d.subscriber_id = ?"
SENDING = f"""SELECT d.issue_id, d.subscriber_id, d.crashes, {_DOUBTS} FROM delivery d INDEXED BY delivery_sending
    WHERE d.state = 'sending' AND (? IS NULL OR d.owner = ?)"""
RECOVER = """UPDATE delivery SET state = ?, owner = NULL, crashes = crashes + 1
    WHERE issue_id = ? AND subscriber_id = ? AND state = 'sending'"""
# Emails in flight when an issue was cancelled may have been requeued after that.
SKIP_CANCELLED = """UPDATE delivery INDEXED BY delivery_{state}
    SET state = ?, reason = ?, next_attempt_at = NULL, last_at = ?
    WHERE state = '{state}' AND issue_id IN (SELECT id FROM issue WHERE state = 'cancelled')"""
# A clock that was far ahead leaves due times that would be reached only years later.
NOT_TOO_LATE = f"""UPDATE delivery INDEXED BY delivery_deferred SET next_attempt_at = :latest
    WHERE state = 'deferred' AND next_attempt_at > iif(reason IS '{ONE_A_DAY}', :latest_day, :latest)"""

# -- what the owner or the circuit breaker asks for ---------------------------------------------------

REOPEN = """UPDATE delivery SET state = ?, attempts = 0, troubles = 0, first_attempt_at = NULL
    WHERE issue_id = ? AND subscriber_id = ? AND state = 'rejected'"""
# An erased subscriber has no address, and the claim skips the row.
REOPEN_ALL = """UPDATE delivery SET state = :to, attempts = 0, first_attempt_at = NULL
    WHERE issue_id = :issue AND state = 'rejected' AND NOT EXISTS (SELECT 1 FROM subscriber s
        JOIN suppression x ON x.address_key = s.address_key WHERE s.id = delivery.subscriber_id)"""
DUE_NOW = """UPDATE delivery SET next_attempt_at = ?, attempts = 0, troubles = 0, first_attempt_at = NULL
    WHERE issue_id = ? AND subscriber_id = ? AND state = 'deferred'"""
RETRY = """UPDATE delivery SET state = :to, attempts = 0, crashes = 0, troubles = 0, first_attempt_at = NULL,
    next_attempt_at = NULL, reason = NULL
    WHERE issue_id = :issue AND state = :state"""
# Held with a lost reply and another attempt in doubt: only if the owner asks for another copy.
RETRY_HELD_ONCE = f"""UPDATE delivery AS d SET state = :to, attempts = 0, crashes = 0, troubles = 0, first_attempt_at = NULL,
    next_attempt_at = NULL WHERE d.issue_id = :issue AND d.state = 'held'
    AND ({_DOUBTS} = 0 OR {_DOUBTS} + d.crashes <= 1)"""
REJECTED = "SELECT subscriber_id, reply FROM delivery WHERE issue_id = :issue AND state = 'rejected'"
# In a course, the next issue has brought the tip again if it did not arrive.
SKIP_RECEIVED = f"""UPDATE delivery AS o SET state = '{transition(State.PENDING, Event.SKIP)}', reason = :reason, last_at = :now
    WHERE o.issue_id = :issue AND o.state = 'pending' AND o.tip_id IS NOT NULL AND EXISTS (
        SELECT 1 FROM delivery d INDEXED BY delivery_by_tip WHERE d.tip_id = o.tip_id AND d.subscriber_id = o.subscriber_id
        AND d.issue_id > o.issue_id AND d.state NOT IN ('skipped', 'rejected', 'failed'))"""
SKIP_ALL = """UPDATE delivery SET state = :to, reason = :reason, next_attempt_at = NULL, last_at = :now
    WHERE issue_id = :issue AND state = :state"""

# -- the erasure of a subscriber; their rows stay, so that the counts of an issue still add up --------

ERASE_REPLIES = "UPDATE delivery SET reply = NULL WHERE subscriber_id = :id"
ERASE_ATTEMPTS = "DELETE FROM attempt WHERE subscriber_id = :id"

# -- lists --------------------------------------------------------------------------------------------

LIST = """SELECT d.issue_id, i.slot, s.address, d.state, d.reason, d.attempts, d.reply, d.next_attempt_at, t.key
    FROM delivery d JOIN issue i ON i.id = d.issue_id LEFT JOIN subscriber s ON s.id = d.subscriber_id
    LEFT JOIN tip t ON t.id = coalesce(d.tip_id, i.tip_id)"""
OF_ISSUE = f"{LIST} WHERE d.issue_id = :issue ORDER BY d.subscriber_id"
OF_ISSUE_IN_STATE = f"{LIST} WHERE d.issue_id = :issue AND d.state = :state ORDER BY d.subscriber_id"
OF_SUBSCRIBER = f"{LIST} WHERE d.subscriber_id = :id ORDER BY d.issue_id DESC"
# Not those that a rate limit of our own has postponed: they have no reply.
WAITING = """WITH waiting AS (SELECT reply, count(*) AS n, min(next_attempt_at) AS due
        FROM delivery INDEXED BY delivery_deferred
        WHERE issue_id = :issue AND state = 'deferred' AND reply IS NOT NULL GROUP BY reply)
    SELECT sum(n), (SELECT reply FROM waiting ORDER BY n DESC, reply LIMIT 1), min(due),
        coalesce(sum(n) FILTER (WHERE reply LIKE 'dot no reply%'), 0) FROM waiting"""
REPLIES = """SELECT reply, count(*) AS n FROM delivery
    WHERE issue_id = :issue AND state IN ('deferred', 'failed', 'rejected', 'held') AND reply IS NOT NULL
    GROUP BY reply ORDER BY n DESC, reply LIMIT :limit"""
