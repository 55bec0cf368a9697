"""All text of all emails has enough contrast in light and dark mode (WCAG 2.2, 4.5:1), computed from the finished HTML."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from newsletter.domain.archive.entries import ArchiveLinks, Mention
from newsletter.domain.colors import GREEN
from newsletter.domain.site import Site
from newsletter.domain.tips.tip import TipText
from newsletter.mail.compiled import sentinels
from newsletter.ports.rendering import Rendered
from newsletter.rendering.contrast import low_contrast_text
from newsletter.rendering.data import data_dir
from newsletter.rendering.emails import EmailTemplates

SITE = Site("Tips", "Tips", "tips@news.example", "https://news.example", postal_address="12 Harbor Street")
EVERYTHING = "a [link](https://x.example) `code`\n\n## b\n\n### c\n\n1. d\n\n> e\n\n    f\n\n---\n\n**g** *h*"
BESIDE = ArchiveLinks(Mention("a", "Near"), Mention("b", "Then"), 10)


def pages(color: str) -> dict[str, Rendered]:
    templates = EmailTemplates(replace(SITE, color=color), [data_dir() / "templates"])
    tip = TipText("A tip", EVERYTHING, takeaway="Do.")
    recipient = sentinels("x")
    return {
        "issue": templates.issue(
            tip, tip_key="a", number=1, slot=date(2025, 6, 3), recipient=recipient, archive_links=BESIDE
        ),
        "confirm": templates.transactional("confirm", {"confirm_url": "https://news.example/confirm/x"}),
        "welcome": templates.transactional("welcome", sentinels("x")),
        "alert": templates.transactional("alert", {"headline": "a", "lines": ["b"], "next_step": "c"}),
    }


PAGES = {(kind, color): page for color in (GREEN.accent, "#8a1538", "#1f4fbf") for kind, page in pages(color).items()}


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("kind", sorted(PAGES), ids="-".join)
def test_all_text_has_enough_contrast(kind: tuple[str, str], *, dark: bool) -> None:
    assert low_contrast_text(PAGES[kind].html, dark=dark) == []


@pytest.mark.parametrize("dark", [False, True])
def test_text_with_low_contrast_is_named_with_its_colors(*, dark: bool) -> None:
    html = PAGES["issue", GREEN.accent].html
    faint = html.replace("color: #a8a59b", "color: #444444") if dark else html.replace("color:#65625a", "color:#ccc")
    assert faint != html
    found = low_contrast_text(faint, dark=dark)
    assert found
    assert all(ratio < 4.5 for *_, ratio in found)
