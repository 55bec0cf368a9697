"""Nothing that people read has a retired word or habit in it: pages, emails, docs, command help, settings, messages."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

import pytest

from tests.support.plain_words import (
    CHECKOUT,
    Line,
    catalog_lines,
    complaints,
    document_lines,
    help_lines,
    message_lines,
    setting_lines,
    template_lines,
)

DOCUMENTS = [
    path
    for path in (
        CHECKOUT / "README.md",
        CHECKOUT / "CONTRIBUTING.md",
        CHECKOUT / "SECURITY.md",
        *CHECKOUT.glob("docs/*.md"),
    )
    if path.is_file()
]
SOURCES: dict[str, Callable[[], Iterable[Line]]] = {
    "templates": template_lines,
    "catalog": catalog_lines,
    **{path.name: partial(document_lines, path) for path in sorted(DOCUMENTS)},
    "help": help_lines,
    "settings": setting_lines,
    "messages": message_lines,
}


@pytest.mark.slow
@pytest.mark.parametrize("source", SOURCES)
def test_no_retired_word_is_left(source: str) -> None:
    lines = list(SOURCES[source]())
    assert lines, "nothing was read, so nothing was checked"
    found = complaints(lines)
    assert not found, f"{len(found)} sentences of {source}:\n" + "\n".join(found)


@pytest.mark.parametrize(
    ("sentence", "words"),
    [
        ("Send a mail to each reader.", {"a mail", "reader"}),
        ("The letters go by themselves at once.", {"letters", "go by themselves", "at once"}),
        ("It works also if the way out is down just now.", {"also if", "way out", "just now"}),
        ("We wait no more, and nobody asks any more.", {"any more"}),
        ("Addresses with blanks between; mend the fault.", {"blanks", "mend", "fault"}),
        ("304 for who has it", {"for who has it"}),
        ("Say --yes.", {"Say --"}),
        ("The colours of the catalogue's neighbours", {"colours"}),
    ],
)
def test_retired_words_are_found(sentence: str, words: set[str]) -> None:
    found = complaints([Line("here", sentence)])
    assert words == {line.partition("“")[2].partition("”")[0] for line in found}


@pytest.mark.parametrize(
    "sentence",
    [
        "Your mail server rejected an email of the newsletter.",
        "Use capital letters, or letters and digits; a screen reader reads them.",
        "It serves 8 clients at once.",
        "Anyone who has an account can ask who has access to it.",
        "Who has received it?",
        "We won’t send you any more tips, and the default stays.",
        "A blank line ends the headers.",
    ],
)
def test_a_word_that_is_right_in_its_place_is_left_alone(sentence: str) -> None:
    assert complaints([Line("here", sentence)]) == []
