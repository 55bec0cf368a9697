"""Read the XML formats safely and item by item, and make tips from items within the limits."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from email.utils import parsedate_to_datetime
from io import BytesIO
from typing import TYPE_CHECKING

from lxml import etree

from newsletter.domain.tips.tip import Rejected, TipText
from newsletter.importers.limits import MAX_FIELD, MAX_LABEL, MAX_LABELS, problem

if TYPE_CHECKING:
    from lxml.etree import _Element

_DAY = re.compile(r"(\d{4})-(\d\d)-(\d\d)")


def looks_like_xml(raw: bytes) -> bool:
    """Does the file begin like a feed or an export?"""
    return raw[:200].removeprefix(b"\xef\xbb\xbf").lstrip().startswith((b"<?xml", b"<rss", b"<feed", b"<rdf"))


def items(raw: bytes, source: str, names: set[str]) -> Iterator[_Element | Rejected]:
    """The elements with these local names, one after the other; a file that breaks off ends with a Rejected.

    Entities are not resolved, and neither DTDs nor the network are used: the file may come from anywhere (XXE, and the
    "billion laughs" of nested entities).
    """
    try:
        for _, element in etree.iterparse(
            BytesIO(raw), events=("end",), resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False
        ):
            # Comments and processing instructions have a function as their tag.
            if isinstance(element.tag, str) and etree.QName(element).localname in names:
                yield element
                element.clear()  # keeps memory constant however long the file is
    except etree.XMLSyntaxError as error:
        yield Rejected(source, error.lineno or 1, f"the file is not complete XML: {str(error)[:120]}; export it again")


def children(item: _Element, name: str) -> list[_Element]:
    """The children with this local name, in any namespace."""
    return [child for child in item if isinstance(child.tag, str) and etree.QName(child).localname == name]


def child_text(item: _Element, name: str, namespace: str = "") -> str:
    """The text of the first such child, or "". namespace: a part of its namespace; "" allows any."""
    for child in children(item, name):
        if namespace in (etree.QName(child).namespace or ""):
            return (child.text or "").strip()
    return ""


def day_of(text: str) -> date | None:
    """The date in `2014-08-12 09:00:00`, in ISO 8601, or in RFC 5322 section 3.3, in the zone it names; None if there is none."""
    try:
        if found := _DAY.match(text.strip()):
            return date(int(found[1]), int(found[2]), int(found[3]))
        at: datetime = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return None
    return at.date()


def tip_from(
    *,
    title: str,
    body: str,
    published_on: date | None,
    categories: Iterable[str],
    tags: Iterable[str],
    teaser: str,
    link: str,
    source: str,
    line: int,
    complete: bool = True,
) -> TipText | Rejected:
    """The tip, or why it cannot be one. link: the URL of the published post, which becomes the source of the tip."""
    title = _line(title)
    if reason := problem(title, body):
        return Rejected(source, line, reason)
    if complete and not body:
        return Rejected(source, line, f"there is no text below the title {title!r}")
    return TipText(
        title=title,
        body=body,
        complete=complete,
        published_on=published_on,
        categories=labels(categories),
        tags=labels(tags),
        teaser=_line(teaser)[:MAX_FIELD] if len(_line(teaser)) <= MAX_FIELD or not complete else "",
        already_run=True,
        source=link if re.match(r"https?://", link) else source,
        line=0 if link else line,
    )


def labels(names: Iterable[str]) -> tuple[str, ...]:
    """Labels without duplicates, each on one line and within the limits."""
    lines = (_line(name)[:MAX_LABEL].strip() for name in names)
    return tuple(dict.fromkeys(line for line in lines if line))[:MAX_LABELS]


def _line(text: str) -> str:
    """The text on one line, without characters that cannot be printed."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())
