"""The language of pages and emails: templates are in English, and `texts/<language>.toml` translates them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import zip_longest
from pathlib import Path

from jinja2 import pass_eval_context
from jinja2.nodes import EvalContext
from markupsafe import Markup, escape

from newsletter.domain.dates import read_time
from newsletter.domain.english import sentence
from newsletter.domain.slot_days import WEEKDAYS, listed
from newsletter.domain.tips.pictures import FOLDER, MAX_WIDTH
from newsletter.domain.tips.season_rule import MONTHS
from newsletter.rendering.catalogs import read_catalog
from newsletter.rendering.markdown import to_html

RIGHT_TO_LEFT = frozenset({"ar", "arc", "ckb", "dv", "fa", "he", "ku", "ps", "sd", "ug", "ur", "yi"})
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
_ANYTHING = r".+?"
_OPTION = r"(?: --list [a-z0-9-]+)?"
_PLACEHOLDER_PATTERNS = {
    "month": "|".join(MONTHS),
    "weekday": "|".join(WEEKDAYS),
    **dict.fromkeys(("count", "day", "line", "part", "parts", "weeks", "year"), r"\d[\d,]*"),
    **dict.fromkeys(("zone", "key"), r"[\w:+.-]+"),
    # As commands take them, with their list if that is not the first.
    "number": rf"\d[\d,]*{_OPTION}",
    "slot": rf"[\w:+.-]+{_OPTION}",
    **dict.fromkeys(("option", "option_again"), _OPTION),
    "date": rf"(?:{'|'.join(MONTHS)}) \d{{1,2}}, \d{{4}}",
    "time": r"\d{1,2}:\d\d [AP]M",
}
"""What a placeholder of a `made` sentence can be, by its name; with any other name, it can be anything."""
_TIME = re.compile(_PLACEHOLDER_PATTERNS["time"])
_DATE_OR_TIME = re.compile(
    rf"\b(?:(?:{_PLACEHOLDER_PATTERNS['month']}) \d{{1,2}}(?:, \d{{4}})?|{_PLACEHOLDER_PATTERNS['time']})\b"
)
_UNTRANSLATED = frozenset({"title", "name", "excerpt", "reply"})
"""Placeholders whose words are not ours, so that they are not translated."""


class Translations:
    """One language, from the catalogs in `dirs`: see `read_catalog`, which also says what is raised.

    A language without a catalog, and a sentence that is not in it, stay English.
    """

    def __init__(self, language: str, dirs: Sequence[Path]) -> None:
        catalog = read_catalog(language, dirs)
        self.language, self._texts, self._composed = language, catalog.texts, catalog.composed
        self.dates = catalog.date_form()
        self.direction = "rtl" if language.partition("-")[0].lower() in RIGHT_TO_LEFT else "ltr"

    def translate(self, text: str, **values: object) -> str:
        """A sentence as plain text; `{name}` is a placeholder for a value."""
        return _PLACEHOLDER.sub(lambda name: str(values.get(name[1], name[0])), self._texts.get(text, text))

    def translate_html(self, text: str, **values: object) -> Markup:
        """The same as HTML: the sentence is escaped, and so is a value that is not markup already."""
        sentence = escape(self._texts.get(text, text))
        if not values:
            return sentence
        return Markup(  # noqa: S704 - escaped piece by piece
            _PLACEHOLDER.sub(lambda name: str(escape(values.get(name[1], name[0]))), str(sentence))
        )

    def told(self, text: str) -> str:
        """What the program said in English, as a reason or an alert, in this language.

        Such sentences come with their values filled in, so they are found by their shape: `next in the queue, {count}
        more behind it`. A period and a capital at the start are carried over. Of a sentence that is not known, only the
        dates and times are rewritten.
        """
        for bare, end in ((text, ""), (text.removesuffix("."), "." if text.endswith(".") else "")):
            for small in (bare, bare[:1].lower() + bare[1:]):
                found = self._find(small)
                if found is not None:
                    return (found if small == bare else sentence(found)) + end
        return _DATE_OR_TIME.sub(lambda part: self._find(part[0]) or part[0], text) if self._composed else text

    def _find(self, text: str) -> str | None:
        if text in self._texts:
            return self._texts[text]
        if _TIME.fullmatch(text):
            return self.dates.time(read_time(text))
        for shape, said in self._patterns:
            if found := shape.fullmatch(text):
                parts = {
                    name: part if name in _UNTRANSLATED else self.told(part) for name, part in found.groupdict().items()
                }
                return _PLACEHOLDER.sub(lambda name, parts=parts: parts[name[1]], said)  # type: ignore[misc]
        return None

    @cached_property
    def _patterns(self) -> list[tuple[re.Pattern[str], str]]:
        """The sentences with placeholders, those with the most words of their own first."""
        ours = sorted(self._composed, key=lambda text: -len(_PLACEHOLDER.sub("", text)))
        return [(_pattern(text), self._composed[text]) for text in ours]

    def gettext_function(self) -> Callable[..., str]:
        """What templates call `_`: HTML or plain text, as the file is."""

        @pass_eval_context
        def underscore(context: EvalContext, text: str, **values: object) -> str:
            return self.translate_html(text, **values) if context.autoescape else self.translate(text, **values)

        return underscore

    def filters(self) -> dict[str, Callable[..., object]]:
        """What templates of emails and pages can make of a value."""
        return {
            "day": self.dates.day,
            "link": link,
            "listed": lambda names: listed(names, self.translate),
            "markdown": in_html,
            "sentence": sentence,
            "strong": strong,
            "told": self.told,
        }

    def number(self, number: int) -> str:
        """A count as people write it, its thousands apart."""
        return f"{number:,}".replace(",", self._texts.get("1,000", "1,000")[1])


def _pattern(text: str) -> re.Pattern[str]:
    pieces = _PLACEHOLDER.split(text)  # words, a name, words, a name …
    fits = (f"(?P<{name}>{_PLACEHOLDER_PATTERNS.get(name, _ANYTHING)})" for name in pieces[1::2])
    return re.compile("".join(map("".join, zip_longest(map(re.escape, pieces[::2]), fits, fillvalue=""))), re.DOTALL)


def strong(value: object) -> Markup:
    """A value that stands out, for a placeholder of a sentence."""
    return Markup("<strong>{}</strong>").format(value)


_DASHED = re.compile(r"\d{4}-\d\d-\d\d")


def unbroken(text: str) -> Markup:
    """The text as HTML in which no date of a command, such as 2026-12-29, breaks over two lines."""
    parts = zip_longest(_DASHED.split(text), _DASHED.findall(text), fillvalue="")
    kept = Markup('{}<span style="white-space: nowrap;">{}</span>')
    return Markup("").join(kept.format(words, day) if day else escape(words) for words, day in parts)


def in_html(text: str, media: str = f"/{FOLDER}/", max_width: int = MAX_WIDTH) -> Markup:
    """Markdown as HTML; media and max_width as in `to_html`."""
    return Markup(to_html(text, media, max_width))  # noqa: S704 - markdown-it escapes raw HTML


def link(words: object, url: str) -> Markup:
    """A link, for a placeholder of a sentence."""
    return Markup('<a href="{}">{}</a>').format(url, words)
