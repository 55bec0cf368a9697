"""Inline CSS: move rules into style attributes, which email programs support best. Only this file uses premailer."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

_AS_STYLES = [
    "width",
    "height",
    "align",
    "valign",
    "bgcolor",
]  # these are in CSS already; as HTML attributes they are obsolete

# Links and addresses without a character that HTML escapes. No markup and no style looks like one.
_PLAIN = re.compile(r"(?:https?://|[A-Za-z0-9._+-]+@)[A-Za-z0-9:/._~-]{4,}")
_SHEETS = 16  # style sheets whose rules are kept


class CachedInliner:
    """`inline` for emails that differ only in links and addresses: it runs for the first, and the others are filled in.

    Without it, thirty sign-ups a second would use a whole core. values: the template's. inlined: `inline` with a cache.
    """

    def __init__(self, values: Mapping[str, object], inlined: Callable[[str], str]) -> None:
        found = {value for value in values.values() if isinstance(value, str) and _PLAIN.fullmatch(value)}
        self._plain = sorted(found, key=len, reverse=True)  # longest first: one may be the beginning of another
        self._inlined = inlined

    def __call__(self, html: str) -> str:
        """As `inline`."""
        marks = [f"https://value.invalid/{number:03d}" for number in range(len(self._plain))]
        if "https://value.invalid/" in html:
            return inline(html)
        for plain, mark in zip(self._plain, marks, strict=True):
            html = html.replace(plain, mark)
        done = self._inlined(html)
        for plain, mark in zip(self._plain, marks, strict=True):
            done = done.replace(mark, plain)
        return done


def inline(html: str) -> str:
    """The document with the rules of its `<style>` inlined. Takes 50 ms, so it runs once per issue and not per recipient.

    Rules that cannot be inlined (dark mode, phones) must be in a `<style data-premailer="ignore">`. Nothing is loaded.
    """
    premailer = _offline_premailer()(
        html,
        allow_network=False,
        cache_css_parsing=False,
        disable_validation=True,
        strip_important=False,
        align_floating_images=False,
        disable_basic_attributes=_AS_STYLES,
        cssutils_logging_level=logging.CRITICAL,
    )
    return str(premailer.transform(pretty_print=False))


@cache
def _offline_premailer() -> Any:
    """A subclass of Premailer: `allow_network=False` does not stop @import, and the shared cache drops rules."""
    import cssutils  # noqa: PLC0415 - slow, comes with premailer
    from premailer import Premailer  # noqa: PLC0415 - slow

    known: dict[tuple[str, int], tuple[list[object], list[object]]] = {}

    class OfflinePremailer(Premailer):  # type: ignore[misc] # premailer has no types
        def _parse_style_rules(self, css_body: str, ruleset_index: int) -> tuple[list[object], list[object]]:
            """As premailer, which takes 100 ms for a style sheet; all emails of one kind have the same ones."""
            key = (css_body, ruleset_index)
            if key not in known:
                rules, leftover = super()._parse_style_rules(css_body, ruleset_index)
                if not all(isinstance(rule, tuple) for rule in leftover):  # premailer changes the others later
                    return rules, leftover
                if len(known) >= _SHEETS:
                    known.clear()
                known[key] = rules, leftover
            return list(known[key][0]), list(known[key][1])

        def _parse_css_string(self, css_body: str, validate: bool = True) -> Any:  # noqa: FBT001, FBT002 - its signature
            parser = cssutils.CSSParser(fetcher=lambda _url: None, loglevel=logging.CRITICAL, validate=validate)
            return parser.parseString(css_body, validate=validate)

    return OfflinePremailer
