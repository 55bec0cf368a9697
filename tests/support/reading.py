"""Adds tips to an archive, and reads which tips a page lists."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Any

from newsletter.app import App
from newsletter.domain.tips.tip import TipState, TipText, identity
from tests.support.web import FRIDAY

NEWEST = date(2025, 4, 29)


def add(app: App, title: str, ran_on: date | None = NEWEST, **more: Any) -> str:
    """Add a tip that has run; returns its key."""
    key = re.sub(r"\W+", "-", title.lower()).strip("-")
    text = TipText(title, **{"body": f"{title} is what this is about. It is short.", "published_on": ran_on, **more})
    with app.store.write() as tx:
        tx.tips.add(text, identity(title, ran_on), key, TipState.ARCHIVE if ran_on else TipState.FRESH, FRIDAY)
    return key


def add_many(app: App, number: int) -> None:
    with app.store.write() as tx:
        for n in range(number):
            text = TipText(
                f"Tip number {n}",
                f"The text of {n} is here. " * 10,
                published_on=NEWEST - timedelta(weeks=n),
                categories=("Calls & Letters",),
                tags=("phone", f"tag{n % 3}"),
            )
            tx.tips.add(text, identity(text.title, text.published_on), f"tip-{n}", TipState.ARCHIVE, FRIDAY)


def titles(page: str) -> list[str]:
    return re.findall(r'<h2><a href="/tips/([^"]+)"', page)
