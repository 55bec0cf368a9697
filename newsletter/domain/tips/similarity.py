"""How like two tips are, by the words of their titles and the runs of words in their bodies; knows a library at once."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from newsletter.domain.tips.tip import TipText

_RUN = 4  # words
_LEAST = 20  # runs of words: less text than this is like anything
SAME_BODY = 0.25
"""Share of the runs of four words two texts have in common; two tips on one subject have about 0.01."""
SAME_PART = 0.6
"""Share of the shorter text's runs that are in the longer one."""
SAME_TITLE = 0.75
_SMALL = frozenset(
    [
        "a",
        "an",
        "and",
        "are",
        "at",
        "by",
        "do",
        "for",
        "from",
        "how",
        "in",
        "is",
        "it",
        "of",
        "on",
        "or",
        "s",
        "t",
        "the",
        "to",
        "what",
        "when",
        "why",
        "with",
        "you",
        "your",
    ]
)
_COMMON = 40  # a run of words that stands in more tips than this is a phrase of the house


@dataclass(frozen=True, slots=True)
class Likeness:
    """Another tip that is nearly this one: its key and title, and what they share in words."""

    key: str
    title: str
    shared: str


class Library:
    """All tips by their words, made once; asking for one tip takes as long as that tip is long, not as the library is."""

    def __init__(self, tips: Mapping[str, TipText]) -> None:
        self._titles = {key: _title_words(tip.title) for key, tip in tips.items()}
        self._runs = {key: _runs(tip.body or tip.teaser) for key, tip in tips.items()}
        self._names = {key: tip.title for key, tip in tips.items()}
        self._by_word = _index(self._titles)
        self._by_run = _index(self._runs)

    def like(self, tip: TipText, key: str = "") -> list[Likeness]:
        """The tips that are nearly this one, except the one with its own key; the likest bodies first."""
        words, runs = _title_words(tip.title), _runs(tip.body or tip.teaser)
        found = []
        for other, count in _shared(runs, self._by_run).most_common():
            if other != key and (shared := _body_words(count, len(runs), len(self._runs[other]))):
                found.append(Likeness(other, self._names[other], shared))
        seen = {like.key for like in found} | {key}
        for other, count in _shared(words, self._by_word).most_common():
            union = len(words | self._titles[other])
            if other not in seen and count >= 3 and count / union >= SAME_TITLE:
                found.append(Likeness(other, self._names[other], "the words of the title"))
        return found


def _body_words(count: int, mine: int, others: int) -> str:
    if min(mine, others) < _LEAST:
        return ""
    if count / (mine + others - count) >= SAME_BODY:
        return f"{round(100 * count / max(mine, others))} % of the text"
    if count / min(mine, others) >= SAME_PART:
        return "a long passage"
    return ""


def _words(text: str) -> list[str]:
    plain = unicodedata.normalize("NFKC", text).casefold().replace("’", "'")
    return re.findall(r"[^\W_]+(?:'[^\W_]+)?", plain)


def _title_words(title: str) -> frozenset[str]:
    return frozenset(word for word in _words(title) if word not in _SMALL)


def _runs(body: str) -> frozenset[str]:
    words = _words(body)
    return frozenset(" ".join(words[place : place + _RUN]) for place in range(len(words) - _RUN + 1))


def _index(words_of: Mapping[str, Iterable[str]]) -> Mapping[str, list[str]]:
    index: dict[str, list[str]] = defaultdict(list)
    for key, words in words_of.items():
        for word in words:
            index[word].append(key)
    return index


def _shared(words: Iterable[str], index: Mapping[str, list[str]]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for word in words:
        keys = index.get(word, ())
        if len(keys) <= _COMMON:
            counts.update(keys)
    return counts
