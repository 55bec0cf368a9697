"""The files texts/<language>.toml: what they say in place of the English of templates and program; reads files only."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from newsletter.domain.dates import DATE, TIME, UNKNOWN, DateForm
from newsletter.domain.errors import TemplateError
from newsletter.domain.tips.season_rule import MONTHS

COMPOSED = "made"
"""The table of a catalog for what the program itself puts together of parts, for its owner: see `Translations.told`."""
BRITISH = "en-GB"
LIKE_BRITISH = frozenset({"en-AU", "en-IE", "en-IN", "en-NZ", "en-ZA"})
"""Variants of English that write dates as the British do, and have no catalog of their own."""


@dataclass(frozen=True, slots=True)
class Catalog:
    """Sentences by their English, and the shapes of those that the program puts together."""

    texts: Mapping[str, str]
    composed: Mapping[str, str]

    def date_form(self) -> DateForm:
        """How this language writes dates and times; one that has no pattern for dates writes them in American English."""
        texts = self.texts
        named = DATE in texts
        return DateForm(
            pattern=texts[DATE] if named else "",
            months=tuple(texts.get(month, month) for month in MONTHS) if named else (),
            clock=texts.get(TIME, TIME),
            unknown=texts.get(UNKNOWN, UNKNOWN),
        )


def read_catalog(language: str, dirs: Sequence[Path]) -> Catalog:
    """The sentences of a language. dirs: each may hold a folder `texts`; the first that has a file wins.

    A variant adds to its language: `de-AT` has the sentences of `de`, except for its own. Raises TemplateError for a
    file that cannot be read.
    """
    texts: dict[str, str] = {}
    made: dict[str, str] = {}
    for name in _names(language):
        path = next((path for one in dirs if (path := one / "texts" / f"{name}.toml").is_file()), None)
        if path:
            found = _read(path)
            texts |= found.texts
            made |= found.composed
    return Catalog(texts, made)


def unused_sentences(own: Path, ours: Path) -> dict[Path, list[str]]:
    """Sentences in an owner's catalogs that no page and no email has, by file: typos, or the English of an older version.

    The German catalog in `ours` is complete, which a test checks, so its keys are all the sentences there are.
    """
    known = _read(ours / "texts" / "de.toml").texts.keys() | {TIME, UNKNOWN}
    found = {path: sorted(_read(path).texts.keys() - known) for path in sorted(own.glob("texts/*.toml"))}
    return {path: sentences for path, sentences in found.items() if sentences}


def date_form(language: str, dirs: Sequence[Path]) -> DateForm:
    """How a language writes dates and times. A file that cannot be read is for the renderer to report, not for this."""
    try:
        return read_catalog(language, dirs).date_form()
    except TemplateError:
        return DateForm()


def _names(language: str) -> list[str]:
    """The catalogs of a language, the most general first."""
    parts = language.split("-")
    names = ["-".join(parts[:length]) for length in range(1, len(parts) + 1)]
    return [names[0], BRITISH, *names[1:]] if language in LIKE_BRITISH else names


def _read(path: Path) -> Catalog:
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise TemplateError(f"the catalog cannot be read: {error}", source=str(path)) from None
    made = found.get(COMPOSED, {})
    return Catalog(_said(found), _said(made if isinstance(made, dict) else {}))


def _said(table: Mapping[str, object]) -> dict[str, str]:
    return {text: said for text, said in table.items() if isinstance(said, str) and said}
