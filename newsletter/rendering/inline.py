"""Styles into style attributes. The only file that knows premailer, so that it can be replaced."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from typing import Any

_AS_STYLES = ["width", "height", "align", "valign", "bgcolor"]  # said in CSS already; as attributes they are obsolete


# Links and addresses of which no sign is escaped in HTML; no markup or style looks like one.
_PLAIN = re.compile(r"(?:https?://|[A-Za-z0-9._+-]+@)[A-Za-z0-9:/._~-]{4,}")


class CachedInliner:
    """`inline` for mails that differ in links and addresses alone: the work is done for the first, the rest is filled in.

    values: what the template was given. inlined: `inline`, with a memory. Thirty sign-ups a second would else cost a core.
    """

    def __init__(self, values: Mapping[str, object], inlined: Callable[[str], str]) -> None:
        found = {value for value in values.values() if isinstance(value, str) and _PLAIN.fullmatch(value)}
        self._plain = sorted(found, key=len, reverse=True)  # one may begin with another
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
    """The same page with the rules of `<style>` on its elements; 50 ms, so once per issue, never per reader.

    What must stay a rule (dark mode, phones) stands in a `<style data-premailer="ignore">`. Loads nothing.
    """
    import cssutils
    from premailer import Premailer

    class Offline(Premailer):  # type: ignore[misc] # premailer has no types
        """`allow_network=False` does not stop @import, and the shared cache drops rules."""

        def _parse_css_string(self, css_body: str, validate: bool = True) -> Any:  # noqa: FBT001, FBT002 - its signature
            parser = cssutils.CSSParser(fetcher=lambda _url: None, loglevel=logging.CRITICAL, validate=validate)
            return parser.parseString(css_body, validate=validate)

    premailer = Offline(
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
