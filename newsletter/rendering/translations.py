"""The language of pages and mails: English stands in the templates, `texts/<language>.toml` says it in another."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from functools import cached_property
from itertools import zip_longest
from pathlib import Path

from jinja2 import pass_eval_context
from jinja2.nodes import EvalContext
from markupsafe import Markup, escape

from newsletter.domain.english import sentence
from newsletter.domain.errors import TemplateError
from newsletter.domain.tips.season_rule import MONTHS, WEEKDAYS, in_words
from newsletter.rendering.markdown import to_html

RIGHT_TO_LEFT = frozenset({"ar", "arc", "ckb", "dv", "fa", "he", "ku", "ps", "sd", "ug", "ur", "yi"})
COMPOSED = "made"
"""The table of a catalogue for what the program itself puts together of parts, for its owner: see `Translations.told`."""
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
_ANYTHING = r".+?"
_PLACEHOLDER_PATTERNS = {
    "month": "|".join(MONTHS),
    "weekday": "|".join(WEEKDAYS),
    **dict.fromkeys(("count", "day", "line", "number", "part", "parts", "weeks", "year"), r"\d[\d,]*"),
    **dict.fromkeys(("time", "zone", "slot", "key"), r"[\w:+.-]+"),
}
"""What a hole of a `made` sentence may stand for, by its name; any other name for whatever there is."""
_UNTRANSLATED = frozenset({"title", "name", "excerpt", "reply"})
"""Holes whose words are not ours, so that they are not translated."""


class Translations:
    """One language. dirs: each may hold a folder `texts`; in the first that has the language, the file counts.

    A language without a catalogue, or a sentence that is not in it, is English. Raises TemplateError for a file that
    cannot be read.
    """

    def __init__(self, language: str, dirs: Sequence[Path]) -> None:
        self.language, (self._texts, self._composed) = language, _catalog(language, dirs)
        self.direction = "rtl" if language.partition("-")[0].lower() in RIGHT_TO_LEFT else "ltr"

    def translate(self, text: str, **values: object) -> str:
        """A sentence as plain text; `{name}` is a hole for a value."""
        return _PLACEHOLDER.sub(
            lambda placeholder: str(values.get(placeholder[1], placeholder[0])), self._texts.get(text, text)
        )

    def translate_html(self, text: str, **values: object) -> Markup:
        """The same as HTML: the sentence is escaped, and so is a value that is not markup already."""
        sentence = escape(self._texts.get(text, text))
        if not values:
            return sentence
        return Markup(  # noqa: S704 - escaped piece by piece
            _PLACEHOLDER.sub(lambda placeholder: str(escape(values.get(placeholder[1], placeholder[0]))), str(sentence))
        )

    def told(self, text: str) -> str:
        """What the program said in English, as a reason or an alarm, in this language; as it is if that is not known.

        Such sentences come without their parts, so they are found by their shape: `next in the queue, {count} more
        behind it`. A full stop and a capital at the start are carried over.
        """
        for bare, end in ((text, ""), (text.removesuffix("."), "." if text.endswith(".") else "")):
            for small in (bare, bare[:1].lower() + bare[1:]):
                found = self._find(small)
                if found is not None:
                    return (found if small == bare else sentence(found)) + end
        return text

    def _find(self, text: str) -> str | None:
        if text in self._texts:
            return self._texts[text]
        for shape, said in self._patterns:
            if found := shape.fullmatch(text):
                parts = {
                    name: part if name in _UNTRANSLATED else self.told(part) for name, part in found.groupdict().items()
                }
                return _PLACEHOLDER.sub(lambda placeholder, parts=parts: parts[placeholder[1]], said)  # type: ignore[misc]
        return None

    @cached_property
    def _patterns(self) -> list[tuple[re.Pattern[str], str]]:
        """The sentences with holes, those with the most words of their own first."""
        ours = sorted(self._composed, key=lambda text: -len(_PLACEHOLDER.sub("", text)))
        return [(_pattern(text), self._composed[text]) for text in ours]

    def gettext_function(self) -> Callable[..., str]:
        """What templates call `_`: HTML or plain text, as the file is."""

        @pass_eval_context
        def underscore(context: EvalContext, text: str, **values: object) -> str:
            return self.translate_html(text, **values) if context.autoescape else self.translate(text, **values)

        return underscore

    def filters(self) -> dict[str, Callable[..., object]]:
        """What templates of mails and of pages can make of a value."""
        return {
            "day": self.day,
            "link": link,
            "markdown": in_html,
            "sentence": sentence,
            "strong": strong,
            "told": self.told,
        }

    def number(self, number: int) -> str:
        """A count as people write it, its thousands apart."""
        return f"{number:,}".replace(",", self._texts.get("1,000", "1,000")[1])

    def day(self, day: date) -> str:
        """A date as people write it."""
        if "{day} {month} {year}" not in self._texts:
            return in_words(day)
        return self.translate(
            "{day} {month} {year}", day=day.day, month=self.translate(MONTHS[day.month - 1]), year=day.year
        )


def _pattern(text: str) -> re.Pattern[str]:
    pieces = _PLACEHOLDER.split(text)  # words, a name, words, a name …
    fits = (f"(?P<{name}>{_PLACEHOLDER_PATTERNS.get(name, _ANYTHING)})" for name in pieces[1::2])
    return re.compile("".join(map("".join, zip_longest(map(re.escape, pieces[::2]), fits, fillvalue=""))), re.DOTALL)


def _catalog(language: str, dirs: Sequence[Path]) -> tuple[dict[str, str], dict[str, str]]:
    parts = language.split("-")
    for name in ("-".join(parts[:length]) for length in range(len(parts), 0, -1)):
        for path in (directory / "texts" / f"{name}.toml" for directory in dirs):
            if path.is_file():
                return _read(path)
    return {}, {}


def _read(path: Path) -> tuple[dict[str, str], dict[str, str]]:
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise TemplateError(f"the catalogue cannot be read: {error}", source=str(path)) from None
    made = found.get(COMPOSED, {})
    return _strings(found), _strings(made if isinstance(made, dict) else {})


def _strings(table: Mapping[str, object]) -> dict[str, str]:
    return {text: said for text, said in table.items() if isinstance(said, str) and said}


def strong(value: object) -> Markup:
    """A value that stands out, for a hole of a sentence."""
    return Markup("<strong>{}</strong>").format(value)


def in_html(text: str) -> Markup:
    """Markdown as HTML."""
    return Markup(to_html(text))  # noqa: S704 - markdown-it escapes raw HTML


def link(words: object, url: str) -> Markup:
    """A link, for a hole of a sentence."""
    return Markup('<a href="{}">{}</a>').format(url, words)
