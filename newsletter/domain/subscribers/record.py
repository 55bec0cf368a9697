"""The column `tip_record` of our own exports: what no other column says about a subscriber, as JSON.

It is believed only where it cannot make anybody active: a stricter state in the other columns wins, and who has no time of
confirmation is asked like everybody else.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

from newsletter.domain.subscribers.csv_states import SourceStatus
from newsletter.domain.subscribers.subscription import STORED, Status

ONLY_SUPPRESSED = "none"  # the status of an address that is suppressed and belongs to no subscriber
MAX_CONSENTS = 500
MAX_TEXT = 2_000  # characters
_KEY = re.compile(r"[a-z0-9]{16}")
_REASON = re.compile(r"[^\x00-\x1f\x7f]{1,200}")
_TIMES = ("quarterly_at", "confirmation_mailed_at", "reminded_at", "link_mailed_at")
_WHAT = re.compile(r"[a-z-]{1,20}")
_AS_SOURCE = {
    Status.CONFIRMED: SourceStatus.ACTIVE,
    Status.PAUSED: SourceStatus.ACTIVE,
    Status.PENDING: SourceStatus.UNCONFIRMED,
    Status.EXPIRED: SourceStatus.UNSUBSCRIBED,  # as `csv_states` reads the word
    Status.UNSUBSCRIBED: SourceStatus.UNSUBSCRIBED,
}


class BadRecord(Exception):
    """A record that no export of ours contains."""


def read_record(cell: str) -> tuple[str, SourceStatus]:
    """(the record as the store takes it, the state that it says). Raises BadRecord."""
    try:
        given = json.loads(cell)
    except (ValueError, RecursionError):
        raise BadRecord from None
    if not isinstance(given, dict):
        raise BadRecord
    status, suppression = _text(given.get("status")), _suppression(given.get("suppression"))
    if status not in [ONLY_SUPPRESSED, *STORED] or (status == ONLY_SUPPRESSED and suppression is None):
        raise BadRecord
    key = given.get("key", "")
    if not isinstance(key, str) or (key and not _KEY.fullmatch(key)):
        raise BadRecord
    record = {
        "status": status,
        "key": key,
        "source": _text(given.get("source", "")),
        "resting": int(given.get("resting") == 1),
        "consents": _consents(given.get("consents", [])),
        "suppression": suppression,
        **({"one_a_day": 1} if given.get("one_a_day") == 1 else {}),
        **({"last_tip": _text(given["last_tip"])} if given.get("last_tip") else {}),
        **{name: _time(given[name]) for name in _TIMES if given.get(name) is not None},
    }
    said = SourceStatus.CLEANED if status == ONLY_SUPPRESSED else _AS_SOURCE[Status(status)]
    if suppression and suppression[0] != SourceStatus.UNSUBSCRIBED:
        said = SourceStatus.CLEANED
    return json.dumps(record, ensure_ascii=False), said


def _consents(found: object) -> list[list[str]]:
    if not isinstance(found, list) or len(found) > MAX_CONSENTS:
        raise BadRecord
    entries = []
    for entry in found:
        if not isinstance(entry, list) or len(entry) != 4 or not _WHAT.fullmatch(_text(entry[1])):
            raise BadRecord
        entries.append([_time(entry[0]), *map(_text, entry[1:])])
    return entries


def _suppression(found: object) -> list[str | int] | None:
    if found is None:
        return None
    if not isinstance(found, list) or len(found) != 4 or not _REASON.fullmatch(_text(found[0])):
        raise BadRecord
    if found[0] == "erased":
        raise BadRecord
    return [_text(found[0]), _text(found[1]), _time(found[2]), int(found[3] == 1)]


def _text(found: object) -> str:
    if not isinstance(found, str) or len(found) > MAX_TEXT or re.search("[\x00\ud800-\udfff]", found):
        raise BadRecord
    return found


def _time(found: object) -> str:
    """The time as the database has it: UTC, `2026-05-05 12:00:00.000000`."""
    try:
        time = datetime.fromisoformat(_text(found))
        in_utc = (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadRecord from None
    if not 1970 <= in_utc.year < 3000:
        raise BadRecord
    return in_utc.replace(tzinfo=None).isoformat(" ", "microseconds")
