"""The language of pages and mails: English stands in the templates, `texts/<language>.toml` says it in another."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

from jinja2 import pass_eval_context
from jinja2.nodes import EvalContext
from markupsafe import Markup, escape

from newsletter.domain.errors import TemplateError
from newsletter.mail.personal import day_in_words

RIGHT_TO_LEFT = frozenset({"ar", "arc", "ckb", "dv", "fa", "he", "ku", "ps", "sd", "ug", "ur", "yi"})
_HOLE = re.compile(r"\{([a-z_]+)\}")


class Words:
    """One language. dirs: each may hold a folder `texts`; in the first that has the language, the file counts.

    A language without a catalogue, or a sentence that is not in it, is English. Raises TemplateError for a file that
    cannot be read.
    """

    def __init__(self, language: str, dirs: Sequence[Path]) -> None:
        self.language, self._texts = language, _catalogue(language, dirs)
        self.direction = "rtl" if language.partition("-")[0].lower() in RIGHT_TO_LEFT else "ltr"

    def say(self, text: str, **values: object) -> str:
        """A sentence as plain text; `{name}` is a hole for a value."""
        return _HOLE.sub(lambda hole: str(values.get(hole[1], hole[0])), self._texts.get(text, text))

    def say_in_html(self, text: str, **values: object) -> Markup:
        """The same as HTML: the sentence is escaped, and so is a value that is not markup already."""
        sentence = escape(self._texts.get(text, text))
        if not values:
            return sentence
        return Markup(  # noqa: S704 - escaped piece by piece
            _HOLE.sub(lambda hole: str(escape(values.get(hole[1], hole[0]))), str(sentence))
        )

    def for_templates(self) -> Callable[..., str]:
        """What templates call `_`: HTML or plain text, as the file is."""

        @pass_eval_context
        def underscore(context: EvalContext, text: str, **values: object) -> str:
            return self.say_in_html(text, **values) if context.autoescape else self.say(text, **values)

        return underscore

    def day(self, day: date) -> str:
        """A date as people write it."""
        if "{day} {month} {year}" not in self._texts:
            return day_in_words(day)
        _, month, _ = day_in_words(day).split()
        return self.say("{day} {month} {year}", day=day.day, month=self.say(month), year=day.year)


def _catalogue(language: str, dirs: Sequence[Path]) -> dict[str, str]:
    parts = language.split("-")
    for name in ("-".join(parts[:length]) for length in range(len(parts), 0, -1)):
        for path in (directory / "texts" / f"{name}.toml" for directory in dirs):
            if path.is_file():
                return _read(path)
    return {}


def _read(path: Path) -> dict[str, str]:
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise TemplateError(f"the catalogue cannot be read: {error}", source=str(path)) from None
    return {text: said for text, said in found.items() if isinstance(said, str) and said}


def strong(value: object) -> Markup:
    """A value that stands out, for a hole of a sentence."""
    return Markup("<strong>{}</strong>").format(value)


def link(words: object, url: str) -> Markup:
    """A link, for a hole of a sentence."""
    return Markup('<a href="{}">{}</a>').format(url, words)
