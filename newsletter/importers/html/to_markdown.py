"""Convert HTML from anywhere to Markdown: sanitize it, then keep what Markdown can express and the text of the rest."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Iterator
from hashlib import blake2b
from html import unescape
from typing import TYPE_CHECKING
from urllib.parse import unquote, urljoin, urlsplit

import lxml.html
import nh3

from newsletter.importers.html.pastes import BLOCKS, clean_paste
from newsletter.importers.html.shortcodes import without_shortcodes

if TYPE_CHECKING:
    from lxml.html import HtmlElement

DEEP = 2_000  # characters; such HTML may be nested deeper than libxml2 parses (256 levels)
MAX_DEPTH = 60  # levels; the text of deeper elements is kept without Markdown
_INLINE_WORDS = "a b br cite code del em font i img kbd q s small span strong sub sup u"
_INLINE = frozenset(_INLINE_WORDS.split())
_IGNORED_WORDS = (
    "script style iframe object embed form input button select textarea noscript template svg math xml title"
)
_IGNORED = frozenset(_IGNORED_WORDS.split())
_DATA_URL = re.compile(
    r"\b(?P<name>src|href)\s*=\s*(?P<quote>[\"'])\s*data:(?P<data>(?:(?!(?P=quote))[^<>])*+)(?P=quote)", re.IGNORECASE
)
_INLINE_PICTURE = re.compile(r"image/[a-z+.-]+;base64,(?P<base64>[A-Za-z0-9+/=\s%]+)\Z", re.IGNORECASE)
_TINY = re.compile(r"[012](?:px)?\Z")  # the size of a picture that counts who opens a page
_LAZY = ("data-lazy-src", "data-src", "data-original", "data-orig-file")
"""Attributes with the real URL of a picture whose `src` is a placeholder until somebody scrolls there."""
INLINE = "https://inline.invalid/"
"""Begins the URLs that stand for pictures that were part of the HTML."""
_STYLED = {name: {"class", "style"} for name in ("p", "span", "b", "strong", "i", "em", "font", "u")}
_BULLET = re.compile(r"[•·▪◦●‣∙]\s*(?P<text>\S.*)\Z", re.DOTALL)
_SPECIAL_CHARS = re.compile(r"[\\`*\[\]<]|~~|(?<![^\W_])_|_(?![^\W_])|&(?=#?\w+;)")
_WHOLE_EMPHASIS = re.compile(r"\*[^*\s](?:[^*]*[^*\s])?\*")
_SOME_EMPHASIS = re.compile(r"[^*\s][^*]*(?: \*[^*\s](?:[^*]*[^*\s])?\* [^*]*)+[^*\s]")
_START = re.compile(r"(?P<number>\d{1,9})(?=[.)](?:\s|\Z))|(?=#{1,6}(?:\s|\Z)|>|[-+](?:\s|\Z)|(?:[-=] ?)+\Z|~~~)")
_BREAK, _PARAGRAPH = "\ue010", "\ue011"  # a line break and an empty line by the author
_PRIVATE = re.compile("[\ue000-\uf8ff\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


def to_markdown(
    html: str, *, base: str = "", keep_line_breaks: bool = False, pictures: dict[str, bytes] | None = None
) -> str:
    """The HTML as Markdown. base: the URL of the page, for relative links.

    keep_line_breaks: line breaks in the source are kept and empty lines separate paragraphs, as WordPress displays them.
    pictures: gets those that are part of the HTML, by the URLs that stand for them; without it, they are left out.
    """
    html = _DATA_URL.sub(lambda found: _kept_picture(found, pictures), _PRIVATE.sub("", html))
    clean = nh3.clean(
        without_shortcodes(html)[0],
        tags=set(BLOCKS | _INLINE),
        clean_content_tags=set(_IGNORED),
        attributes={"a": {"href"}, "img": {"src", "alt", "width", "height", *_LAZY}, "ol": {"start"}, **_STYLED},
        url_schemes={"http", "https", "mailto"},
        strip_comments=True,
        link_rel=None,
    )
    root = lxml.html.fragment_fromstring(clean.replace("\r\n", "\n").replace("\r", "\n"), create_parent="div")
    clean_paste(root)
    blocks = _with_typed_lists(_Writer(base, keep_line_breaks=keep_line_breaks).blocks(root, 0))
    written = "\n\n".join(blocks)
    if written or len(clean) < DEEP:
        return written
    return "\n\n".join(_paragraphs(_escaped(unescape(re.sub("<[^<>]*>", " ", clean)))))  # the parser gave up


class _Writer:
    """Writes parsed HTML as Markdown."""

    def __init__(self, base: str, *, keep_line_breaks: bool) -> None:
        self._base = base
        self._keep_line_breaks = keep_line_breaks

    # -- blocks --------------------------------------------------------------------------------

    def blocks(self, node: HtmlElement, depth: int) -> list[str]:
        """The Markdown blocks in a node. depth: levels above the node, to limit the recursion."""
        found: list[str] = []
        run = self._text(node.text)
        for child in node:
            if child.tag in BLOCKS and depth < MAX_DEPTH:
                found += [*_paragraphs(run), *self._block(child, depth + 1)]
                run = ""
            else:
                run += self._inline(child, depth + 1)
            run += self._text(child.tail)
        return [*found, *_paragraphs(run)]

    def _block(self, node: HtmlElement, depth: int) -> list[str]:  # noqa: PLR0911 - one answer per kind
        match node.tag:
            case "h1" | "h2" | "h3" | "h4" | "h5" | "h6":
                words = " ".join(" ".join(self.blocks(node, depth)).replace("\\\n", " ").split())
                return [f"{'#' * max(2, int(node.tag[1]))} {words}"] if words else []
            case "ul" | "ol":
                return self._list(node, depth)
            case "blockquote":
                inside = "\n\n".join(self.blocks(node, depth))
                return ["\n".join(f"> {line}".rstrip() for line in inside.split("\n"))] if inside else []
            case "pre":
                text = _PRIVATE.sub("", node.text_content()).strip("\n")
                fence = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", text)), 3)
                return [f"{fence}\n{text}\n{fence}"] if text.strip() else []
            case "hr":
                return ["---"]
            case "tr":
                cells = [" ".join(self.blocks(cell, depth)) for cell in node]
                return [" | ".join(cell for cell in cells if cell)] if any(cells) else []
            case _:
                return self.blocks(node, depth)

    def _list(self, node: HtmlElement, depth: int) -> list[str]:
        items = []
        start = int(node.get("start", "1")) if node.get("start", "1").isdecimal() else 1
        for number, child in enumerate((child for child in node if child.tag == "li"), start=min(start, 999_999)):
            mark = f"{number}. " if node.tag == "ol" else "- "
            parts = self.blocks(child, depth)
            text = "\n\n".join(parts)
            if len(parts) == 2 and parts[1].lstrip().startswith(("- ", "1. ")):
                text = "\n".join(parts)
            if text:
                items.append(mark + text.replace("\n", "\n" + " " * len(mark)))
        loose = any("\n\n" in item for item in items)
        return [re.sub(r"(?<! ) ++(?=\n|\Z)", "", ("\n\n" if loose else "\n").join(items))] if items else []

    # -- inline --------------------------------------------------------------------------------

    def _text(self, text: str | None) -> str:
        if not text:
            return ""
        if self._keep_line_breaks:
            text = re.sub(r"(?<![ \t\xa0])[ \t\xa0]*+\n[ \t\xa0]*", "\n", text)
            text = re.sub(r"\n{2,}", _PARAGRAPH, text).replace("\n", _BREAK)
        return _escaped(text)

    def _inside(self, node: HtmlElement, depth: int) -> str:
        if depth >= MAX_DEPTH:
            return self._text(node.text_content())
        parts = [self._text(node.text)]
        for child in node:
            parts += [self._inline(child, depth + 1), self._text(child.tail)]
        return "".join(parts)

    def _inline(self, node: HtmlElement, depth: int) -> str:  # noqa: PLR0911 - one answer per kind
        match node.tag:
            case "br":
                return _BREAK
            case "img":
                return self._picture(node)
            case "code" | "kbd":
                text = " ".join(node.text_content().split())
                return f"`{text}`" if text and "`" not in text else self._text(text)
            case "a":
                if node.find(".//img") is not None:
                    return self._linked_picture(node)
                return self._link(self._inside(node, depth), node.get("href", ""))
            case "b" | "strong":
                return _wrapped(self._inside(node, depth), "**")
            case "i" | "em" | "cite":
                return _wrapped(self._inside(node, depth), "*")
            case _:
                return self._inside(node, depth)

    def _picture(self, node: HtmlElement) -> str:
        """A picture; nothing for one that only counts who opens the page, or has no usable URL."""
        if _TINY.match(node.get("width", "")) or _TINY.match(node.get("height", "")):
            return ""
        lazy = next((url for name in _LAZY if (url := node.get(name, "").strip())), "")
        alt, url = self._text(node.get("alt")).strip(), lazy or node.get("src", "").strip()
        try:
            target = urljoin(self._base, url) if url else ""
        except ValueError:
            return alt
        if re.search(r"[\s<>\"\\]", target) or not target:
            return alt
        return f"![{alt}]({f'<{target}>' if re.search('[()]', target) else target})"

    def _linked_picture(self, node: HtmlElement) -> str:
        """A link with a picture in it. A link to a larger copy of the picture is left out."""
        words = "".join(self._text(part) for part in _words(node)).strip()
        pictures = "".join(self._picture(image) for image in node.iter("img"))
        if words or not pictures:
            return pictures + self._link(
                words or " ".join(image.get("alt", "") for image in node.iter("img")), node.get("href", "")
            )
        is_copy = re.search(r"(?i)\.(?:jpe?g|png|gif|webp)(?:\?|\Z)", node.get("href", ""))
        return pictures if is_copy or pictures.count("![") > 1 else self._link(pictures, node.get("href", ""))

    def _link(self, words: str, url: str) -> str:
        """A Markdown link, or only its words if the URL is missing, relative without a base, or of another scheme."""
        words = re.sub(f"[{_BREAK}{_PARAGRAPH}]", " ", words)
        try:
            target = urljoin(self._base, url.strip()) if url.strip() else ""
            scheme = urlsplit(target).scheme
        except ValueError:
            return words
        if scheme not in ("http", "https", "mailto") or re.search(r"[\s<>\"\\]", target) or not words.strip():
            return words
        shown = f"<{target}>" if re.search("[()]", target) else target
        lead, trail = words[: len(words) - len(words.lstrip())], words[len(words.rstrip()) :]
        return f"{lead}[{words.strip()}]({shown}){trail}"


def _escaped(text: str) -> str:
    """The text on one line, escaped so that Markdown shows it as it is."""
    return _SPECIAL_CHARS.sub(lambda sign: "".join("\\" + one for one in sign[0]), re.sub(r"[\s\xa0]+", " ", text))


def _words(node: HtmlElement) -> Iterator[str]:
    """The words of a link, without its pictures."""
    for child in node.iter():
        if child.text:
            yield child.text
        if child is not node and child.tail:
            yield child.tail


def _kept_picture(found: re.Match[str], pictures: dict[str, bytes] | None) -> str:
    """The attribute with a URL that stands for the picture; "" for data that is no picture."""
    picture = _INLINE_PICTURE.match(found["data"])
    if picture is None or pictures is None or found["name"].lower() != "src":
        return ""
    try:
        content = b64decode(unquote(picture["base64"]), validate=False)
    except (ValueError, binascii.Error):
        return ""
    url = INLINE + blake2b(content, digest_size=12).hexdigest()
    pictures[url] = content
    return f'src="{url}"'


def _wrapped(text: str, mark: str) -> str:
    """Words between emphasis delimiters, line by line.

    Spaces stay outside, and beside punctuation one is added (CommonMark 0.31 section 6.2).
    """
    parts = re.split(f"([{_BREAK}{_PARAGRAPH}])", text)
    return "".join(part if part in (_BREAK, _PARAGRAPH) else _wrapped_line(part, mark) for part in parts)


def _wrapped_line(text: str, mark: str) -> str:
    core = text.strip(" ")
    # Emphasis of the other kind may be inside; of the same kind, or next to the delimiters, it would not be read back.
    stars = re.sub(r"\\\*", "", core)
    inside = _WHOLE_EMPHASIS.fullmatch(stars) or (_SOME_EMPHASIS.fullmatch(stars) and mark == "**")
    if not core or ("*" in stars and not (inside and mark == "**")):
        return text
    before, _, after = text.partition(core)
    before = before or ("" if core[0].isalnum() or core[0] == "*" else " ")
    after = after or ("" if core[-1].isalnum() or core[-1] == "*" else " ")
    return f"{before}{mark}{core}{mark}{after}"


def _paragraphs(run: str) -> list[str]:
    """The paragraphs in inline Markdown; a backslash at the end of a line is a line break (CommonMark 0.31 section 6.7)."""
    found = []
    for part in run.split(_PARAGRAPH):
        lines = [" ".join(line.split()) for line in part.split(_BREAK)]
        while lines and not lines[0]:
            lines.pop(0)
        while lines and not lines[-1]:
            lines.pop()
        kept = [_safe_start(line) for line in lines if line]
        if kept:
            found.append("\\\n".join(kept))
    return found


def _with_typed_lists(blocks: list[str]) -> list[str]:
    """Turn lines that begin with a typed bullet character into list items; one alone is a list too."""
    found: list[str] = []
    in_list = False
    for block in blocks:
        lines = block.split("\\\n") if _BULLET.search(block) else [block]
        items = [_BULLET.match(line) for line in lines]
        first = next((i for i, item in enumerate(items) if item), len(items))
        if not all(items[first:]) or first == len(items):
            found.append(block)
            in_list = False
            continue
        if first:
            found.append("\\\n".join(lines[:first]))
            in_list = False
        typed = "\n".join(f"- {_safe_start(item['text'])}" for item in items[first:] if item)
        if in_list:
            found[-1] += "\n" + typed
        else:
            found.append(typed)
        in_list = True
    return found


def _safe_start(line: str) -> str:
    """The line, escaped if its start would be Markdown."""
    start = _START.match(line)
    return f"{start['number'] or ''}\\{line[start.end() :]}" if start else line
