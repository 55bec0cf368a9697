"""Remove WordPress shortcodes from HTML and keep the words between them."""

from __future__ import annotations

import re

_KNOWN_WORDS = """archives audio button caption code column columns contact-form contact-form-7 divider embed feed form gallery gist
    googlemaps googlevideo gravityform instagram-feed map more nextpage ninja_form ninja_forms playlist polldaddy recipe
    recent-posts row section show_more sidebar sitemap slideshow soundcloud spacer spotify tab tabs toc toggle tweet
    twitter-follow video vimeo wp_caption wpforms youtube"""
_KNOWN = frozenset(_KNOWN_WORDS.split())
_TAG = re.compile(
    r"(?P<open>\[?)\[(?P<end>/?)(?P<name>[A-Za-z][\w-]{0,60})(?P<rest>(?:[\s/=:][^\[\]]*)?)\](?P<close>\]?)"
)
_VALUE = re.compile(r"\w\s*=|\A\s*(?:[\"“”«'&]|https?:)")
_URL = re.compile(r"\A\s*[\"“”']?(?P<url>https?://[^\s\"“”'<>\[\]]+)")


def without_shortcodes(html: str) -> tuple[str, tuple[str, ...]]:
    """The HTML without shortcodes, and the names of those that were removed.

    A bracket is a shortcode if its first word is closed further down, has values as in `id="4"`, or is a name that only
    a program would write. Everything else is an aside by the author. `[[name]]` is how WordPress writes `[name]`.
    """
    if "[" not in html:
        return html, ()
    closed = frozenset(found["name"] for found in _TAG.finditer(html) if found["end"])
    removed: dict[str, None] = {}

    def replaced(found: re.Match[str]) -> str:
        if found["open"] and found["close"]:
            return found[0][1:-1]
        if not _is_shortcode(found, closed):
            return found[0]
        removed[found["name"]] = None
        url = _URL.match(found["rest"])
        return f"{found['open']}{url['url'] if url else ''}{found['close']}"

    return _TAG.sub(replaced, html), tuple(removed)


def _is_shortcode(found: re.Match[str], closed: frozenset[str]) -> bool:
    name, rest = found["name"], found["rest"].strip().rstrip("/").strip()
    if found["end"]:
        return True
    if name in closed or "_" in name or _VALUE.search(rest):
        return True
    return name.lower() in _KNOWN and (not rest or rest.isdecimal())
