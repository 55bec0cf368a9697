"""Styles into style attributes. The only file that knows premailer, so that it can be replaced."""

from __future__ import annotations

import logging
from typing import Any

_AS_STYLES = ["width", "height", "align", "valign", "bgcolor"]  # said in CSS already; as attributes they are obsolete


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
