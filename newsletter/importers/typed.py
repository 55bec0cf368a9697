"""Turn what editors and word processors write into Markdown files into Markdown: HTML pictures, wiki links, typed bullets.

Without this, subscribers would see the source: `<img src=…>`, `![[counter.jpg]]`, or a list in one paragraph.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import lxml.html
from lxml import etree

from newsletter.domain.tips.pictures import CODE

_PICTURE_FILE = r"\.(?:jpe?g|png|gif|webp|svg|bmp|tiff?|heic|avif)"
_COMMENT = re.compile(r"<!--(?!-?>).{0,20000}?-->\n?", re.DOTALL)
_AROUND = re.compile(r"(?<!\\)</?(?:figure|picture|source)\b[^<>]{0,4000}>[ \t]*", re.IGNORECASE)
_CAPTION = re.compile(r"(?<!\\)\s*</?figcaption\b[^<>]{0,4000}>\s*", re.IGNORECASE)
_IMG = re.compile(r"(?<!\\)<img\b[^<>]{0,4000}>", re.IGNORECASE)
_BREAK = re.compile(r"[ \t]*(?<!\\)<br\s*/?>[ \t]*(?:\n(?!\s*\n)|(?=[^\s]))", re.IGNORECASE)
_LAST_BREAK = re.compile(r"[ \t]*(?<!\\)<br\s*/?>[ \t]*(?=\n|\Z)", re.IGNORECASE)
_WIKI = re.compile(
    rf"(?<!\\)!\[\[(?P<file>[^\[\]|\n]{{1,400}}{_PICTURE_FILE})(?:\|(?P<alt>[^\[\]\n]{{0,400}}))?\]\]", re.IGNORECASE
)
_SPACED = re.compile(
    rf"(?<!\\)!\[(?P<alt>[^\[\]\n]{{0,2000}})\]\([ \t]*(?P<file>[^\s()<>\"'](?:[^()<>\"\n]|\([^()<>\"\n]*\)){{0,400}}{_PICTURE_FILE})[ \t]*\)",
    re.IGNORECASE,
)
_ATTRIBUTES = re.compile(r"(?P<picture>!\[[^\[\]\n]{0,2000}\]\([^()\n]{0,2000}\))\{:?[ ]?[.#\w][^{}\n]{0,200}\}")
_DEFINITION = re.compile(
    r"^ {0,3}\[(?P<label>[^\[\]\n]{1,200})\]:[ \t]*(?:<(?P<wrapped>[^<>\n]+)>|(?P<url>\S+))", re.MULTILINE
)
_REFERENCE = re.compile(r"(?<!\\)!\[(?P<alt>[^\[\]\n]{0,2000})\]\[(?P<label>[^\[\]\n]{0,200})\]")
# Word and Google Docs paste a list as text: a bullet, a tab or spaces, and the words.
_BULLET = re.compile(r"^[ \t]*(?:[•▪●‣∙■·]|(?P<inner>[◦○]|o(?=\t)))[ \t\u00a0]+(?=\S)", re.MULTILINE)


def typed_markdown(body: str) -> str:
    """The Markdown of a tip as it was meant; code in it stays as it is."""
    links = {_label(found["label"]): found["wrapped"] or found["url"] for found in _DEFINITION.finditer(body)}
    return _outside_code(body, lambda text: _meant(text, links)).strip()


def _meant(text: str, links: dict[str, str]) -> str:
    if "<" in text:
        text = _CAPTION.sub("\n\n", _AROUND.sub("", _COMMENT.sub("", text)))
        text = _LAST_BREAK.sub("", _BREAK.sub("\\\\\n", _IMG.sub(_from_html, text)))
    if "![" in text:
        text = _WIKI.sub(_from_wiki, text)
        text = _REFERENCE.sub(lambda found: _from_reference(found, links), text)
        text = _SPACED.sub(_with_spaces, text)
        text = _ATTRIBUTES.sub(lambda found: found["picture"], text)
    return _BULLET.sub(lambda found: "  - " if found["inner"] else "- ", text)


def _outside_code(text: str, change: Callable[[str], str]) -> str:
    parts, at = [], 0
    for code in CODE.finditer(text):
        parts += [change(text[at : code.start()]), code[0]]
        at = code.end()
    return "".join([*parts, change(text[at:])])


def _from_html(found: re.Match[str]) -> str:
    try:
        tag = lxml.html.fragment_fromstring(found[0])
    except etree.LxmlError:
        return found[0]
    return _picture(tag.get("alt", ""), tag.get("src") or tag.get("data-src") or "") or found[0]


def _from_wiki(found: re.Match[str]) -> str:
    alt = found["alt"] or ""
    return _picture("" if re.fullmatch(r"\d+(?:x\d+)?", alt) else alt, found["file"])  # a number is a width


def _from_reference(found: re.Match[str], links: dict[str, str]) -> str:
    url = links.get(_label(found["label"] or found["alt"]))
    return f"![{found['alt']}](<{url}>)" if url else found[0]


def _with_spaces(found: re.Match[str]) -> str:
    return f"![{found['alt']}](<{found['file']}>)" if re.search(r"\s", found["file"]) else found[0]


def _picture(alt: str, url: str) -> str:
    words = re.sub(r"[\\\[\]]", r"\\\g<0>", " ".join(alt.split()))
    return "" if not url.strip() or re.search(r"[<>\n]", url) else f"![{words}](<{url.strip()}>)"


def _label(text: str) -> str:
    return " ".join(text.split()).casefold()
