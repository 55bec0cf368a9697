"""Make what Word, Google Docs, and other editors paste into plain HTML: real lists, and `<b>` and `<i>` for bold and italic."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lxml import etree

if TYPE_CHECKING:
    from lxml.html import HtmlElement

_BLOCKS_WORDS = """address article aside blockquote dd div dl dt figcaption figure footer h1 h2 h3 h4 h5 h6 header hr li main ol p pre
    section table tbody td tfoot th thead tr ul"""
BLOCKS = frozenset(_BLOCKS_WORDS.split())
_LEAVES_WORDS = "dd dt h1 h2 h3 h4 h5 h6 li p td th"
_LEAVES = frozenset(_LEAVES_WORDS.split())
_BOLD = re.compile(r"(?<![\w-])font-weight\s*:\s*(?:bold|bolder|[6-9]00)", re.IGNORECASE)
_NOT_BOLD = re.compile(r"(?<![\w-])font-weight\s*:\s*(?:normal|lighter|[1-5]00)", re.IGNORECASE)
_ITALIC = re.compile(r"(?<![\w-])font-style\s*:\s*(?:italic|oblique)", re.IGNORECASE)
_NOT_ITALIC = re.compile(r"(?<![\w-])font-style\s*:\s*normal", re.IGNORECASE)
_WORD_LIST = re.compile(r"mso-list\s*:(?!\s*none)|\bMsoList(?:Bullet|Number)", re.IGNORECASE)
_WORD_PARAGRAPH = re.compile(r"\bMsoList", re.IGNORECASE)
_LEVEL = re.compile(r"\blevel(\d)", re.IGNORECASE)
_MARKER = re.compile(
    r"[\s\xa0]*(?:(?P<number>\(?(?:\d{1,3}|[a-zA-Z]|[ivxIVX]{1,5})[.)])|[·•§ØoüvΟ▪◦●○\uf0b7\uf0a7-])[\s\xa0]+"
)
_LONE_MARKER = re.compile(r"[\s\xa0]*(?:\(?(?:\d{1,3}|[a-zA-Z])[.)]|[·•§Øoüv▪◦●○\uf0b7\uf0a7-])[\s\xa0]*\Z")
MAX_LEVEL = 9


def clean_paste(root: HtmlElement) -> None:
    """Change the tree in place."""
    for node in list(root.iter("span", "b", "strong", "i", "em", "font", "u")):
        _read_style(node)
    for node in list(root.iter("b", "strong", "i", "em", "span", "u", "a", "small")):
        if any(child.tag in BLOCKS for child in node.iterdescendants()):
            _move_inside(node)
    _make_lists(root)
    for node in list(root.iter("ul", "ol")):
        _only_items(node)


def _read_style(node: HtmlElement) -> None:
    """Replace styles by elements. Google Docs encloses a whole document in a <b> that is not bold."""
    style = node.get("style") or ""
    if (node.tag in ("b", "strong") and _NOT_BOLD.search(style)) or (
        node.tag in ("i", "em") and _NOT_ITALIC.search(style)
    ):
        node.tag = "span"
    if node.tag not in ("span", "font", "u"):
        return
    bold, italic = _BOLD.search(style), _ITALIC.search(style)
    if bold or italic:
        node.tag = "b" if bold else "i"
    if bold and italic:
        _enclose(node, "i")


def _move_inside(node: HtmlElement) -> None:
    """Make an inline element with paragraphs in it a <div>, and apply the element to the text of each paragraph."""
    tag, node.tag = node.tag, "div"
    if tag not in ("b", "strong", "i", "em"):
        return
    for child in node.iterdescendants():
        if child.tag in _LEAVES and not any(inner.tag in BLOCKS for inner in child.iterdescendants()):
            _enclose(child, tag)


def _enclose(node: HtmlElement, tag: str) -> None:
    """Put everything in a node into one new child."""
    inner = etree.SubElement(node, tag)
    inner.text, node.text = node.text, None
    for child in list(node)[:-1]:
        inner.append(child)


def _only_items(node: HtmlElement) -> None:
    """Put what is between the items of a list into items: Google Docs writes an inner list beside them."""
    if (node.text or "").strip():
        item = node.makeelement("li", {})
        item.text, node.text = node.text, None
        node.insert(0, item)
    for child in list(node):
        before = child.getprevious()
        if child.tag != "li":
            is_list = child.tag in ("ul", "ol")
            item = before if is_list and before is not None else node.makeelement("li", {})
            if item is not before:
                node.insert(node.index(child), item)
            item.append(child)
        elif (child.tail or "").strip():
            etree.SubElement(child, "span").text = f" {child.tail}"
            child.tail = None


def _make_lists(root: HtmlElement) -> None:
    """Turn the paragraphs that Word writes for list items into lists."""
    for first in list(root.iter("p")):
        parent = first.getparent()
        if parent is None or not _is_item(first):
            continue
        items = [first]
        while (after := items[-1].getnext()) is not None and not (items[-1].tail or "").strip() and _is_item(after):
            items.append(after)
        holder = first.makeelement("div", {})
        parent.insert(parent.index(first), holder)
        holder.tail = items[-1].tail
        _fill(holder, items)


def _is_item(node: HtmlElement) -> bool:
    if node.tag != "p":
        return False
    facts = f"{node.get('style') or ''} {node.get('class') or ''}"
    return bool(_WORD_LIST.search(facts) or (_WORD_PARAGRAPH.search(facts) and _MARKER.match(_text(node))))


def _fill(holder: HtmlElement, items: list[HtmlElement]) -> None:
    """Nested lists of these paragraphs, by the levels that Word gives them."""
    open_lists: list[HtmlElement] = []
    for item in items:
        found = _LEVEL.search(item.get("style") or "")
        level = min(int(found[1]) if found else 1, len(open_lists) + 1, MAX_LEVEL)
        is_numbered = _take_marker(item)
        del open_lists[max(level, 1) :]
        if len(open_lists) < level:
            owner = open_lists[-1][-1] if open_lists else holder
            open_lists.append(etree.SubElement(owner, "ol" if is_numbered else "ul"))
        item.tail = None
        item.tag = "li"
        open_lists[-1].append(item)


def _take_marker(item: HtmlElement) -> bool:
    """Remove the bullet or number that Word puts before the text; whether it was a number."""
    marker = _MARKER.match(_text(item))
    is_numbered = bool(marker and marker["number"]) or "MsoListNumber" in (item.get("class") or "")
    left = len(marker[0]) if marker else 0
    for part in item.xpath(".//text()"):
        if not left:
            break
        owner, name = part.getparent(), "tail" if part.is_tail else "text"
        setattr(owner, name, part[left:])
        left = max(left - len(part), 0)
    return is_numbered


def _text(node: HtmlElement) -> str:
    return "".join(node.itertext())
