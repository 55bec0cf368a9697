"""What the XML formats share: reading piece by piece without following anything, and the bounds of a tip."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from email.utils import parsedate_to_datetime
from io import BytesIO
from typing import TYPE_CHECKING

from newsletter.domain.tips.tip import Rejected, TipText
from newsletter.importers.limits import MAX_FIELD, MAX_LABEL, MAX_LABELS, problem

if TYPE_CHECKING:
    from lxml.etree import _Element

_DAY = re.compile(r"(\d{4})-(\d\d)-(\d\d)")


def looks_like_xml(raw: bytes) -> bool:
    """Does it begin like a feed or an export?"""
    return raw[:200].removeprefix(b"\xef\xbb\xbf").lstrip().startswith((b"<?xml", b"<rss", b"<feed", b"<rdf"))


def items(raw: bytes, source: str, names: set[str]) -> Iterator[_Element | Rejected]:
    """The elements of these local names, one after the other. Entities, networks and DTDs are left alone."""
    from lxml import etree

    try:
        for _, element in etree.iterparse(
            BytesIO(raw), events=("end",), resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False
        ):
            if isinstance(element.tag, str) and etree.QName(element).localname in names:
                yield element
                element.clear()
    except etree.XMLSyntaxError as error:
        yield Rejected(source, error.lineno or 1, f"the file is not whole XML: {str(error)[:120]}; export it again")


def children(item: _Element, name: str) -> list[_Element]:
    """The children of a local name, whatever their namespace."""
    from lxml import etree

    return [child for child in item if isinstance(child.tag, str) and etree.QName(child).localname == name]


def child_text(item: _Element, name: str, namespace: str = "") -> str:
    """The text of the first such child; namespace: a word in its namespace, or any."""
    from lxml import etree

    for child in children(item, name):
        if namespace in (etree.QName(child).namespace or ""):
            return (child.text or "").strip()
    return ""


def day_of(text: str) -> date | None:
    """The day in `2014-08-12 09:00:00`, in ISO, or in RFC 2822; None for what is no day."""
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
    """The tip, or why it cannot be one. link: where it appeared, which is its source from now on."""
    title = _line(title)
    if reason := problem(title, body):
        return Rejected(source, line, reason)
    if complete and not body:
        return Rejected(source, line, f"nothing stands below the title {title!r}")
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
    """Names of one line each, within the bounds of a label."""
    lines = (_line(name)[:MAX_LABEL].strip() for name in names)
    return tuple(dict.fromkeys(line for line in lines if line))[:MAX_LABELS]


def _line(text: str) -> str:
    """One line of printable characters."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())
