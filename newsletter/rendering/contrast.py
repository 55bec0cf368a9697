"""Find text with too little contrast in the HTML of a finished email, in light or in dark mode."""

from __future__ import annotations

import re

import lxml.html
from lxml.cssselect import CSSSelector, SelectorError
from lxml.html import HtmlElement

from newsletter.domain.colors import MIN_CONTRAST, contrast

_DARK = "@media (prefers-color-scheme: dark) {"
_RULE = re.compile(r"^\s*([^{}@]+?) \{ ([^{}]+) \}", re.MULTILINE)
_COLOR = r"(?<![-\w]){}:\s*(#[0-9a-fA-F]{{6}}|#[0-9a-fA-F]{{3}})\b"
_PLACES = (("color", "ink"), ("background-color", "paper"))


def low_contrast_text(html: str, *, dark: bool) -> list[tuple[str, str, str, float]]:
    """(text, color, background, ratio) of everything under 4.5:1 (WCAG 2.2, criterion 1.4.3).

    Only hexadecimal colors are read. Black on white is assumed where nothing is set.
    """
    body = _painted(html, dark=dark).find("body")
    found = []
    for node in body.iter() if body is not None else ():
        words = (
            " ".join(filter(None, [node.text, *(child.tail for child in node)])) if isinstance(node.tag, str) else ""
        )
        if words.strip():
            ink, paper = _nearest(node, "ink", "#000000"), _nearest(node, "paper", "#ffffff")
            ratio = contrast(ink, paper)
            if ratio < MIN_CONTRAST:
                found.append((" ".join(words.split()), ink, paper, ratio))
    return found


def _painted(html: str, *, dark: bool) -> HtmlElement:
    """The document, with the attributes `ink` and `paper` on each element that sets its color or background.

    dark: the rules for dark mode are applied after the inline styles, as `!important` makes email programs do.
    """
    root = lxml.html.document_fromstring(html or "<p></p>")
    for node in root.iter():
        if isinstance(node.tag, str):
            _declare(node, node.get("style", ""))
    if dark and _DARK in html:
        rules = html.split(_DARK, 1)[1].split("</style>", 1)[0]
        for selector, style in _RULE.findall(rules):
            try:
                nodes = CSSSelector(selector)(root)
            except SelectorError:
                continue
            for node in nodes:
                _declare(node, style)
    return root


def _declare(node: HtmlElement, style: str) -> None:
    for name, place in _PLACES:
        for color in re.findall(_COLOR.format(name), style):
            node.set(place, color)


def _nearest(node: HtmlElement, place: str, otherwise: str) -> str:
    return next((str(at.get(place)) for at in (node, *node.iterancestors()) if at.get(place)), otherwise)
