"""Find tips that are nearly the same, by the words of their titles and the shingles (runs of four words) of their texts."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from newsletter.domain.tips.tip import TipText

_SHINGLE_WORDS = 4  # words
_MIN_SHINGLES = 20  # a shorter text resembles too many others
SAME_BODY = 0.25
"""The share of shingles that two similar texts have in common; two tips on one subject share about 0.01."""
SAME_PART = 0.6
"""The share of the shorter text's shingles that are in the longer text when one quotes the other."""
SAME_TITLE = 0.75
"""The share of words that two similar titles have in common."""
_STOP_WORDS = frozenset(
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
_MAX_TIPS_PER_SHINGLE = 40  # a phrase in more tips than this is one the author uses often


@dataclass(frozen=True, slots=True)
class SimilarTip:
    """Another tip that is nearly the same. shared: what the two have in common, for a message."""

    key: str
    title: str
    shared: str


class SimilarityIndex:
    """An inverted index of a library, built once. A lookup takes time in proportion to the tip, whatever the library's size.

    tips: texts by key.
    """

    def __init__(self, tips: Mapping[str, TipText]) -> None:
        self._titles = {key: _title_words(tip.title) for key, tip in tips.items()}
        self._shingles = {key: _shingles(tip.body or tip.teaser) for key, tip in tips.items()}
        self._names = {key: tip.title for key, tip in tips.items()}
        self._by_word = _index(self._titles)
        self._by_shingle = _index(self._shingles)

    def similar_to(self, tip: TipText, key: str = "") -> list[SimilarTip]:
        """The tips that are nearly the same as this one, most similar texts first. key: the tip's own, which is left out."""
        words, shingles = _title_words(tip.title), _shingles(tip.body or tip.teaser)
        found = []
        for other, count in _shared(shingles, self._by_shingle).most_common():
            if other != key and (shared := _body_overlap(count, len(shingles), len(self._shingles[other]))):
                found.append(SimilarTip(other, self._names[other], shared))
        seen = {similar.key for similar in found} | {key}
        # A title of one or two common words says little, so at least three words must be shared.
        for other, count in _shared(words, self._by_word).most_common():
            union = len(words | self._titles[other])
            if other not in seen and count >= 3 and count / union >= SAME_TITLE:
                found.append(SimilarTip(other, self._names[other], "the words of its title"))
        return found


def _body_overlap(count: int, mine: int, others: int) -> str:
    """What two texts share, in words; "" if it is too little. count: common shingles; mine, others: those of each text."""
    if min(mine, others) < _MIN_SHINGLES:
        return ""
    if count / (mine + others - count) >= SAME_BODY:
        return f"{round(100 * count / max(mine, others))}% of the text"
    if count / min(mine, others) >= SAME_PART:
        return "a long passage"
    return ""


def _words(text: str) -> list[str]:
    plain = unicodedata.normalize("NFKC", text).casefold().replace("’", "'")
    return re.findall(r"[^\W_]+(?:'[^\W_]+)?", plain)


def _title_words(title: str) -> frozenset[str]:
    return frozenset(word for word in _words(title) if word not in _STOP_WORDS)


def _shingles(body: str) -> frozenset[str]:
    words = _words(body)
    return frozenset(
        " ".join(words[place : place + _SHINGLE_WORDS]) for place in range(len(words) - _SHINGLE_WORDS + 1)
    )


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
        if len(keys) <= _MAX_TIPS_PER_SHINGLE:
            counts.update(keys)
    return counts
