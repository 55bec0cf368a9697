"""The keys of front matter that carry the history of a tip: `tips export` writes them, and every value is checked here."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import date, datetime

from newsletter.domain.tips.tip import TipHistory, TipState
from newsletter.domain.written_dates import YEARS

HISTORY = (
    "state", "order", "sent", "pin", "pin_at", "retired_from", "ran_before", "former_keys", "useful", "not_useful", "edited",
)  # fmt: skip
MOST = 1_000  # days, former keys
_LARGEST = 10_000_000
_KEY = re.compile(r"[a-z0-9][a-z0-9-]{0,99}")


class InvalidKey(Exception):
    """A value that cannot be right; the text ends a sentence that begins with the key."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(reason)
        self.key = key


def read_history(values: Mapping[str, object]) -> TipHistory:
    """The history in a front matter. Raises InvalidKey."""
    return TipHistory(
        state=_state(values, "state"),
        order=_number(values, "order"),
        sent=_days(values, "sent"),
        pin=_day(values.get("pin"), "pin"),
        pin_at=_moment(values, "pin_at"),
        retired_from=_state(values, "retired_from"),
        ran_before=_yes(values, "ran_before"),
        former_keys=_keys(values, "former_keys"),
        useful=_number(values, "useful"),
        not_useful=_number(values, "not_useful"),
        edited=_yes(values, "edited"),
    )


def history_lines(history: TipHistory) -> list[str]:
    """The lines of a history in front matter; `read_history` reads them back as the same."""
    values: dict[str, str | None] = {
        "state": history.state.value if history.state else None,
        "order": str(history.order) if history.order else None,
        "sent": f"[{', '.join(day.isoformat() for day in history.sent)}]" if history.sent else None,
        "pin": history.pin.isoformat() if history.pin else None,
        "pin_at": json.dumps(history.pin_at.isoformat()) if history.pin_at else None,
        "retired_from": history.retired_from.value if history.retired_from else None,
        "ran_before": "true" if history.ran_before else None,
        "former_keys": json.dumps(history.former_keys) if history.former_keys else None,
        "useful": str(history.useful) if history.useful else None,
        "not_useful": str(history.not_useful) if history.not_useful else None,
        "edited": "true" if history.edited else None,
    }
    return [f"{name}: {value}" for name, value in values.items() if value]


def _state(values: Mapping[str, object], key: str) -> TipState | None:
    value = values.get(key)
    known = [state.value for state in TipState if key == "state" or state is not TipState.RETIRED]
    if value is None:
        return None
    if value not in known:
        raise InvalidKey(key, f"is none of {', '.join(known)}; write one of them, or remove the line")
    return TipState(value)


def _number(values: Mapping[str, object], key: str) -> int:
    value = values.get(key)
    if value is None:
        return 0
    if type(value) is not int or not 0 <= value <= _LARGEST:
        raise InvalidKey(key, f"is not a number from 0 to {_LARGEST}; write digits only")
    return value


def _yes(values: Mapping[str, object], key: str) -> bool:
    value = values.get(key)
    if value is not None and not isinstance(value, bool):
        raise InvalidKey(key, "must be true or false")
    return bool(value)


def _days(values: Mapping[str, object], key: str) -> tuple[date, ...]:
    value = values.get(key)
    found = value if isinstance(value, list) else [value] if value is not None else []
    if len(found) > MOST:
        raise InvalidKey(key, f"has more than {MOST} days; remove some")
    return tuple(sorted({day for one in found if (day := _day(one, key))}))


def _day(value: object, key: str) -> date | None:
    if isinstance(value, str):
        try:
            value = date.fromisoformat(value.strip())
        except ValueError:
            raise InvalidKey(key, "is not a valid date; write it as 2026-03-03") from None
    if value is not None and (isinstance(value, datetime) or not isinstance(value, date) or value.year >= YEARS.stop):
        raise InvalidKey(key, "is not a valid date; write it as 2026-03-03")
    return value


def _moment(values: Mapping[str, object], key: str) -> datetime | None:
    value = values.get(key)
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            value = ""
    if value is None:
        return None
    if not isinstance(value, datetime) or value.tzinfo is None or not 1970 <= value.year < 3000:
        raise InvalidKey(key, 'is not a valid time with its zone; write it as "2026-12-22T09:00:00+00:00"')
    return value


def _keys(values: Mapping[str, object], key: str) -> tuple[str, ...]:
    value = values.get(key)
    found = [] if value is None else value
    if (
        not isinstance(found, list)
        or len(found) > MOST
        or not all(isinstance(one, str) and _KEY.fullmatch(one) for one in found)
    ):
        raise InvalidKey(key, "is not a list of keys; write [one, two]")
    return tuple(dict.fromkeys(found))
