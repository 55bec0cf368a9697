"""Text from outside: nothing in it controls a terminal, and JSON has the same value without such characters."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.domain.printable import escaped_json, printable

HOSTILE = "\x1b\x9b\x00\x07\x08\r\x7f\x85\xad\u2028\u2029\u202e\u2066\u200b\ufeff\U000e0041\ud800"


@given(st.text(st.characters(), max_size=20))
def test_json_keeps_its_value(text: str) -> None:
    assert json.loads(escaped_json(json.dumps({text: [text]}, ensure_ascii=False))) == {text: [text]}


@pytest.mark.parametrize("character", HOSTILE)
def test_no_hostile_character_is_printed_as_it_is(character: str) -> None:
    assert character not in escaped_json(json.dumps(character, ensure_ascii=False))
    assert character not in printable(f"Ada {character}")


def test_words_of_any_language_are_printed_as_they_are() -> None:
    words = "Ærø, Жук, 山, \U0001f600, العربية"
    assert printable(words) == words
    assert escaped_json(json.dumps(words, ensure_ascii=False)) == f'"{words}"'
