"""Reports of commands write dates and times as the newsletter's language does."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from newsletter.cli.context import parse_time
from newsletter.cli.output import Output
from newsletter.domain.errors import UsageError
from newsletter.domain.written_dates import WrittenDates
from newsletter.rendering.catalogs import date_form
from newsletter.rendering.data import data_dir

TUESDAY = datetime(2026, 12, 1, 13, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("language", "zone", "written"),
    [
        ("en", "America/New_York", "Tue, December 1, 2026, 8:00 AM EST"),
        ("fr", "America/New_York", "Tue, December 1, 2026, 8:00 AM EST"),  # there is no French catalog
        ("en-GB", "Europe/London", "Tue, 1 December 2026, 13:00 GMT"),
        ("de", "Europe/Berlin", "1. Dezember 2026, 14:00 CET"),
        ("en", "Asia/Tokyo", "Tue, December 1, 2026, 10:00 PM JST"),
        ("en", "Pacific/Auckland", "Wed, December 2, 2026, 2:00 AM NZDT"),
    ],
)
def test_a_time_is_written_in_the_language_and_time_zone(language: str, zone: str, written: str) -> None:
    output = Output(zone, date_form(language, [data_dir() / "templates"]))
    assert output.when(TUESDAY) == written


def test_a_date_without_a_time_has_its_weekday() -> None:
    assert Output("UTC").day(date(2027, 3, 2)) == "Tue, March 2, 2027"


def test_an_unknown_time_is_a_dash() -> None:
    assert (Output("UTC").when(None), Output("UTC").day(None)) == ("–", "–")


@pytest.mark.parametrize("text", ["0001-01-01", "1969-12-31T23:00", "9999-12-31T23:59:59", "3000-01-01"])
def test_a_year_that_nobody_means_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="Use a year from 1970 to 2999"):
        parse_time(text, "America/New_York")
    with pytest.raises(UsageError, match="Use a year from 1970 to 2999"):
        WrittenDates(datetime(2026, 5, 5, tzinfo=UTC), ZoneInfo("America/New_York")).moment(text)
