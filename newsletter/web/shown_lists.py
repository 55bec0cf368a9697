"""Lists as the pages about a subscription show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property

from newsletter.app import App
from newsletter.domain.lists import FIRST_LIST
from newsletter.web.pages import Pages


@dataclass(frozen=True)
class ShownList:
    """A list on a page. when: the end of a sentence, such as "every Tuesday"."""

    app: App
    when: str

    @property
    def key(self) -> str:
        """Its key, for the fields of forms."""
        return self.app.list_key

    @property
    def title(self) -> str:
        """Its title."""
        return self.app.site.title

    @property
    def description(self) -> str:
        """What the owner says about it, or ""."""
        return self.app.site.description

    @property
    def is_weekly(self) -> bool:
        """Does it have one issue per week?"""
        return self.app.schedule.days.slots_per_week == 1

    @cached_property
    def coming_day(self) -> date:
        """The day of its next issue."""
        return self.app.calendar.coming_day()


def shown_lists(app: App, pages: Pages, list_ids: Sequence[int]) -> list[ShownList]:
    """Lists by their ids, in their order; none for the first list alone, whose pages do not speak of lists."""
    if tuple(list_ids) in ((), (FIRST_LIST,)):
        return []
    return [shown_list(app, pages, one) for one in list_ids]


def shown_list(app: App, pages: Pages, list_id: int) -> ShownList:
    """One list by its id, retired or not."""
    of_list = app.of_list_id(list_id)
    return ShownList(of_list, of_list.schedule.days.when(pages.translations.translate))
