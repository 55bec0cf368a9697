"""Find the links in a tip, and turn the answers of their servers into findings for the owner."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from newsletter.domain.tips.lint import Finding, Level
from newsletter.domain.tips.tip import TipText

# A URL may contain one pair of parentheses: …/Ada_(language)
_LINK = re.compile(r"https?://(?:[^\s<>\"'()\[\]]|\([^\s<>\"'()]{0,200}\)){1,1900}", re.IGNORECASE)
_TRAILING_PUNCTUATION = ".,;:!?*_…”’"


@dataclass(frozen=True, slots=True)
class Link:
    """A URL in a tip. part: takeaway or body. line: within that part, from 1."""

    part: str
    line: int
    url: str


class LinkProblem(StrEnum):
    """Why a link has no HTTP status."""

    NO_HOST = "its host does not exist"
    PRIVATE = "it leads to a private network that subscribers cannot reach"
    TIMEOUT = "its server did not answer in time"
    LOOP = "it redirects too many times"
    BROKEN = "the connection failed"
    ENCRYPTION = "its TLS certificate is not valid"
    NOT_CHECKED = "it was not checked because there are too many links"


@dataclass(frozen=True, slots=True)
class LinkAnswer:
    """The answer for a URL after all redirects: an HTTP status, or the problem if there is none (status 0).

    moved_to: the new URL if the page has moved permanently (RFC 9110 sections 15.4.2 and 15.4.9).
    """

    status: int = 0
    trouble: LinkProblem | None = None
    moved_to: str = ""


class LinkChecker(Protocol):
    """Requests links on the web; `newsletter.http.link_checker` implements it."""

    def __call__(
        self, urls: Sequence[str], *, on_progress: Callable[[int, int], None] | None = None
    ) -> Mapping[str, LinkAnswer]:
        """The answer of every URL. on_progress: called with (URLs checked so far, URLs in all)."""
        ...


# Every other problem is a warning, since it may be temporary.
_PROBLEM_LEVELS = {
    LinkProblem.NO_HOST: Level.ERROR,
    LinkProblem.PRIVATE: Level.ERROR,
    LinkProblem.NOT_CHECKED: Level.NOTE,
}
_GONE = (404, 410)
_REFUSES_BOTS = (401, 402, 403, 407, 429, 451, 999)
"""Statuses that sites send to programs although people see the page."""
_REPLACE = "Link to its new address, or remove the link"


def links_of(tip: TipText) -> Iterator[Link]:
    """Every link in the takeaway and in the body, in any of the ways Markdown and HTML have to write one."""
    for part, text in (("takeaway", tip.takeaway), ("body", tip.body)):
        for found in _LINK.finditer(text):
            yield Link(part, text.count("\n", 0, found.start()) + 1, found[0].rstrip(_TRAILING_PUNCTUATION))


def finding_for(link: Link, answer: LinkAnswer) -> Finding | None:
    """What the owner should know about this link; None if it works."""
    verdict = _level_and_reason(answer)
    if verdict is None:
        return None
    level, reason, suggestion = verdict
    return Finding(link.part, link.line, link.url[:200], "link", reason, suggestion, level)


def _level_and_reason(answer: LinkAnswer) -> tuple[Level, str, str] | None:
    if answer.trouble:
        level = _PROBLEM_LEVELS.get(answer.trouble, Level.WARNING)
        return level, str(answer.trouble), "Open it in a browser" if level is not Level.ERROR else _REPLACE
    if answer.status in _GONE:
        return Level.ERROR, f"the page is gone ({answer.status})", _REPLACE
    if answer.status in _REFUSES_BOTS:
        return Level.NOTE, f"the site does not answer programs ({answer.status})", "Open it in a browser"
    if answer.status >= 400:
        return (
            Level.WARNING,
            f"the site answers with an error ({answer.status})",
            "Open it in a browser, and check again tomorrow",
        )
    if answer.moved_to:
        return Level.NOTE, "the page has moved permanently", f"Link to {answer.moved_to[:200]}"
    return None
