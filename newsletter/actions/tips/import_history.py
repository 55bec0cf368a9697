"""What the files of an import say about tips beside their texts: states, days, pins, and the order of the queue."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from functools import cached_property

from newsletter.actions.tips.match_tips import Group
from newsletter.domain.tips.history import joined, of_new_tip, open_pin, problem
from newsletter.domain.tips.tip import (
    NO_HISTORY,
    Rejected,
    Remark,
    TipFull,
    TipHistory,
    TipState,
    TipText,
    first_state,
)
from newsletter.ports.tips import Tips


class Histories:
    """The histories of one import, checked against the library. tips: read while this is made and asked for plans.

    lists: the id of the list of each tip; a date can have one pinned tip in each list.
    """

    def __init__(
        self, tips: Tips, lists: Mapping[int, int], texts: Sequence[TipText], now: datetime, *, queue: bool
    ) -> None:
        self._tips, self._lists = tips, lists
        self._now = now
        self._queue = queue
        self._given = any(text.history != NO_HISTORY for text in texts)
        self._former = {key for text in texts for key in text.history.former_keys}
        self._pins: set[tuple[int, date, datetime | None]] = set()
        self._remarks: list[Remark] = []
        self._is_new_library = self._given and not tips.has_sent()

    @cached_property
    def _known(self) -> dict[int, TipHistory]:
        return dict(self._tips.histories()) if self._given else {}

    def refusal(self, text: TipText, stored: TipFull | None) -> Rejected | None:
        """Why a file cannot be used: its history cannot be true, or it is an older file of a tip that has another key now."""
        _, reason = problem(text.history, self._now.date())
        if text.key and stored is None and (text.key in self._former or self._is_former_key(text.key)):
            reason = f"{text.key!r} is a former key of another tip; delete this file, or give it another key"
        return Rejected(text.source, text.line, reason) if reason else None

    def _is_former_key(self, key: str) -> bool:
        return self._tips.key_taken(key) and not self._tips.is_key(key)

    def of_new(self, text: TipText, list_id: int) -> TipHistory | None:
        """The history of a tip that was not in the library; None if its file says nothing. list_id: where it is added."""
        given = text.history
        if given == NO_HISTORY:
            return None
        state = given.state or (TipState.SENT if given.sent else first_state(text, queue=self._queue))
        return self._with_open_pin(of_new_tip(replace(given, state=state), queue=self._queue), text, list_id)

    def of_known(self, text: TipText, stored: TipFull) -> TipHistory | None:
        """The new history of a tip of the library; None if nothing changes."""
        given, mine = text.history, self._known.get(stored.card.id)
        if given == NO_HISTORY or mine is None:
            return None
        found = joined(mine, given, is_new_library=self._is_new_library)
        if found.pin != mine.pin:
            found = self._with_open_pin(found, text, stored.card.list_id)
        if given.state and given.state is not found.state:
            self._remark(text, f"it is {found.state} here, and {given.state} in the file; the state was not changed")
        elif found.state is not mine.state:
            self._remark(text, f"it was {mine.state} here, and is {found.state} now, as in the file")
        return found if found != mine else None

    def _with_open_pin(self, history: TipHistory, text: TipText, list_id: int) -> TipHistory:
        known = {(self._lists[tip_id], one.pin, one.pin_at) for tip_id, one in self._known.items() if one.pin}
        others = [(pin, at) for of_list, pin, at in {*self._pins, *known} if pin and of_list == list_id]
        reason = open_pin(history, others, self._now)
        if reason:
            self._remark(text, f"it was not pinned to {history.pin}: {reason}")
            return replace(history, pin=None, pin_at=None)
        if history.pin:
            self._pins.add((list_id, history.pin, history.pin_at))
        return history

    def _remark(self, text: TipText, words: str) -> None:
        self._remarks.append(Remark(text.source, text.line, f"{text.title!r}: {words}"))

    def new_remarks(self) -> list[Remark]:
        """The remarks since the last call."""
        found, self._remarks = self._remarks, []
        return found

    def arrangement(self, placed: Iterable[tuple[int, TipText]]) -> list[int]:
        """The tips of the files in their order, if nothing was ever sent; [] to leave all as they are.

        placed: (id, text) of each.
        """
        ordered = sorted(
            ((text.history.order, tip_id) for tip_id, text in placed if text.history.order), key=lambda one: one[0]
        )
        return [tip_id for _, tip_id in ordered] if self._is_new_library and len(ordered) > 1 else []


def in_order(groups: Iterable[Group]) -> list[Group]:
    """The tips in the order that their files give; tips without one follow."""
    return sorted(groups, key=lambda one: one.text.history.order or float("inf"))
