"""Courses, as the use cases see them; `Tx.courses`. The rules are in `domain.calendar.course`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Protocol

from newsletter.domain.calendar.course import Course, Places


class Courses(Protocol):
    """Where the subscribers of a list are in its course."""

    def places(self, *, everybody: bool = False) -> Places:
        """How many subscribers of the next audience are at each place. everybody: also those who are paused or rest."""
        ...

    def shares(self, course: Course, dated: str = "") -> Mapping[str, int]:
        """How many subscribers would get which tip if an issue were frozen now.

        dated: a pinned or seasonal tip, which everybody gets who has not received it within its rest.
        """
        ...

    def last_tip(self, day: date) -> str:
        """The key of the last tip that can be sent, without those that are pinned to a later day; "" without any."""
        ...

    def settle(self) -> int:
        """Lead back those whose last email did not arrive; how many. An email that may have arrived counts as received."""
        ...

    def take_out(self, tip_id: int) -> None:
        """Before a tip is moved or leaves the list: who is at it is now at the tip in front of it."""
        ...

    def take_in(self, before: date, now: datetime, *, everywhere: bool = False) -> int:
        """Move those here who have received the last tip of a course that leads here, and log it; how many.

        before: only if their last email is from an earlier day. everywhere: from every course to the list that follows it.
        Nobody who has unsubscribed from that list comes back.
        """
        ...
