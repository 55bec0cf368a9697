"""Every word of every mail can be read, by day and by night: WCAG 2.2, 4.5:1, computed from the finished HTML."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import lxml.html  # type: ignore[import-untyped]
import pytest
from lxml.cssselect import CSSSelector  # type: ignore[import-untyped]

from newsletter.domain.site import Site
from newsletter.domain.tips import TipText
from newsletter.mail.compiled import sentinels
from newsletter.rendering.data import data_dir
from newsletter.rendering.letters import Letters

LETTERS = Letters(
    Site("Tips", "Tips", "tips@news.example", "https://news.example", postal_address="12 Harbor Street"),
    [data_dir() / "templates"],
)
EVERYTHING = "a [link](https://x.example) `code`\n\n## b\n\n### c\n\n1. d\n\n> e\n\n    f\n\n---\n\n**g** *h*"
PAGES = {
    "issue": LETTERS.issue(
        TipText("A tip", EVERYTHING, takeaway="Do."),
        tip_key="a",
        number=1,
        slot=date(2025, 6, 3),
        person=sentinels("x"),
    ),
    "confirm": LETTERS.notice("confirm", {"confirm_url": "https://news.example/confirm/x"}),
    "welcome": LETTERS.notice("welcome", sentinels("x")),
    "alarm": LETTERS.notice("alarm", {"headline": "a", "lines": ["b"], "next_step": "c"}),
}


def luminance(colour: str) -> float:
    """Relative luminance of #rgb or #rrggbb, WCAG 2.2."""
    digits = colour.lstrip("#")
    pairs = [digit * 2 for digit in digits] if len(digits) == 3 else re.findall("..", digits)
    red, green, blue = (int(pair, 16) / 255 for pair in pairs)
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in (red, green, blue)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def paint(html: str, *, dark: bool) -> Any:
    """The page with `ink` and `paper` on each element that sets them."""
    root = lxml.html.document_fromstring(html)
    for node in root.iter(lxml.html.etree.Element):
        declared(node, node.get("style", ""))
    if dark:
        rules = html.split("@media (prefers-color-scheme: dark) {", 1)[1].split("</style>", 1)[0]
        for selector, style in re.findall(r"^  ([^{]+) \{ ([^}]+) \}", rules, re.MULTILINE):
            for node in CSSSelector(selector)(root):
                declared(node, style)
    return root


def declared(node: Any, style: str) -> None:
    for name, place in (("color", "ink"), ("background-color", "paper")):
        for colour in re.findall(rf"(?<![-\w]){name}: ?(#[0-9a-f]+)", style):
            node.set(place, colour)


def nearest(node: Any, place: str) -> str:
    return next(str(at.get(place)) for at in (node, *node.iterancestors()) if at.get(place))


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("kind", sorted(PAGES))
def test_every_word_has_contrast_enough(kind: str, *, dark: bool) -> None:
    body = paint(PAGES[kind].html, dark=dark).find("body")
    faint = [
        (node.tag, node.get("class"), nearest(node, "ink"), nearest(node, "paper"))
        for node in body.iter(lxml.html.etree.Element)
        if ((node.text or "").strip() or any((child.tail or "").strip() for child in node))
        and contrast(nearest(node, "ink"), nearest(node, "paper")) < 4.5
    ]
    assert faint == []


def test_the_measure_itself_is_right() -> None:
    assert round(contrast("#000", "#ffffff"), 1) == 21
    assert round(contrast("#767676", "#fff"), 2) == 4.54
    assert contrast("#777", "#fff") < 4.5
