"""The templates of the public pages, with their globals and filters. `web.pages` turns them into responses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from urllib.parse import urlsplit

from markupsafe import Markup, escape

from newsletter.domain.archive.entries import Entry
from newsletter.domain.calendar.schedule import Schedule
from newsletter.domain.site import Site
from newsletter.domain.slot_days import WEEKDAYS, is_weekly
from newsletter.domain.tips.pictures import FOLDER
from newsletter.rendering.templates import Templates
from newsletter.rendering.translations import Translations, in_html


class PageTemplates:
    """The pages of one newsletter, before HTTP. template_dirs: each has a folder `web`; the owner's directory comes first.

    coming_day: the day of the next issue that a new subscriber gets; without it, the next day of the schedule.
    """

    def __init__(
        self,
        site: Site,
        schedule: Schedule,
        template_dirs: Sequence[Path],
        coming_day: Callable[[], date] | None = None,
    ) -> None:
        self.templates = Templates([directory / "web" for directory in template_dirs])
        self._root = urlsplit(site.base_url).path
        self._site = site
        self._title = folded(site.title)
        self.translations = Translations(site.language, template_dirs)
        self.templates.environment.globals |= {
            "site": site,
            "_": self.translations.gettext_function(),
            "language": self.translations.language,
            "direction": self.translations.direction,
            "when": schedule.days.when(self.translations.translate),
            "weekday": schedule.days.words(self.translations.translate),
            "is_weekly": is_weekly(schedule.days),
            "coming_day": coming_day or (lambda: schedule.next_slot(datetime.now(UTC))),
            "path": self.path,
            "newsletters": tuple,
        }
        self.templates.environment.filters |= {
            **self.translations.filters(),
            "byline": self._byline,
            "markdown": lambda text: in_html(text, self.path(f"/{FOLDER}/")),
            "weekday": lambda day: self.translations.translate(WEEKDAYS[day.weekday()]),
        }
        self.templates.environment.tests["own_name"] = self._is_own_name

    def _byline(self, tip: Entry) -> Markup:
        """The date a tip ran, and its categories. Python is ten times as fast here as a template, and lists have many tips."""
        ran = (
            [f'<time datetime="{tip.ran_on}">{escape(self.translations.dates.day(tip.ran_on))}</time>']
            if tip.ran_on
            else []
        )
        folder = self.path("/categories/")
        labels = [
            f'<a href="{escape(folder + one.slug)}">{escape(one.name)}</a>'
            for one in tip.categories
            if one.slug and not self._is_own_name(one.name)
        ]
        return Markup(" · ".join([*ran, *labels]))  # noqa: S704 - escaped piece by piece

    def _is_own_name(self, category: str) -> bool:
        """Is a category named like the newsletter? Every tip would be in it, so it sorts nothing."""
        return folded(category) == self._title

    def path(self, path: str) -> str:
        """An address on this site as links write it: base_url may have a path of its own, and a list its own pages."""
        return f"{self._root}{self._site.path(path)}"

    def root(self, path: str) -> str:
        """The same without a list."""
        return f"{self._root}{path}"


def folded(name: str) -> str:
    """The letters and digits of a name, without case: `Tip of the Week!` and `tip-of-the-week` are one name."""
    return "".join(char for char in name.casefold() if char.isalnum())
