"""The links of a tip: where they stand, and what an editor should know of what they answered; asks none of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from newsletter.domain.tips.lint import Finding, Level
from newsletter.domain.tips.tip import TipText

# One pair of round brackets may stand in an address: …/Ada_(language)
_ADDRESS = re.compile(r"https?://(?:[^\s<>\"'()\[\]]|\([^\s<>\"'()]{0,200}\)){1,1900}", re.IGNORECASE)
_TRAILING_PUNCTUATION = ".,;:!?*_…”’"


@dataclass(frozen=True, slots=True)
class Link:
    """An address and where it stands; line: within the part, from 1."""

    part: str
    line: int
    url: str


class LinkProblem(StrEnum):
    """Why there is no answer."""

    NO_HOST = "no such host is known"
    PRIVATE = "it leads to a private network, where no reader gets"
    TIMEOUT = "no answer came in time"
    LOOP = "it leads from one address to the next without end"
    BROKEN = "the connection broke"
    ENCRYPTION = "its certificate is not valid"
    NOT_CHECKED = "it was not asked, for there are too many links at once"


@dataclass(frozen=True, slots=True)
class LinkAnswer:
    """What an address answered in the end: a status of HTTP, or why there is none. moved_to: where it is for good now."""

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


_PROBLEM_LEVELS = {
    LinkProblem.NO_HOST: Level.ERROR,
    LinkProblem.PRIVATE: Level.ERROR,
    LinkProblem.NOT_CHECKED: Level.NOTE,
}
_GONE = (404, 410)
_REFUSES_BOTS = (401, 402, 403, 407, 429, 451, 999)
"""What sites say to programs where they show people a page."""
_ELSEWHERE = "Link to where it is now, or leave the link out"


def links_of(tip: TipText) -> Iterator[Link]:
    """Every address in the takeaway and in the body."""
    for part, text in (("takeaway", tip.takeaway), ("body", tip.body)):
        for found in _ADDRESS.finditer(text):
            yield Link(part, text.count("\n", 0, found.start()) + 1, found[0].rstrip(_TRAILING_PUNCTUATION))


def finding_for(link: Link, answer: LinkAnswer) -> Finding | None:
    """What an editor should know; None where all is well."""
    verdict = _level_and_reason(answer)
    if verdict is None:
        return None
    level, reason, suggestion = verdict
    return Finding(link.part, link.line, link.url[:200], "link", reason, suggestion, level)


def _level_and_reason(answer: LinkAnswer) -> tuple[Level, str, str] | None:
    if answer.trouble:
        level = _PROBLEM_LEVELS.get(answer.trouble, Level.WARNING)
        return level, str(answer.trouble), "Try it yourself" if level is not Level.ERROR else _ELSEWHERE
    if answer.status in _GONE:
        return Level.ERROR, f"the page is gone ({answer.status})", _ELSEWHERE
    if answer.status in _REFUSES_BOTS:
        return Level.NOTE, f"it does not answer programs ({answer.status})", "Try it yourself"
    if answer.status >= 400:
        return (
            Level.WARNING,
            f"the site answers with a fault ({answer.status})",
            "Try it yourself, and once more tomorrow",
        )
    if answer.moved_to:
        return Level.NOTE, "it has moved for good", f"Write {answer.moved_to[:200]}"
    return None
