"""Tests that an exported tip is imported as the same tip, whatever is in it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.domain.tips.tip import TipRules, TipText
from newsletter.importers import read
from newsletter.importers.export import to_markdown_file
from newsletter.importers.markdown import parse
from newsletter.rendering.data import data_dir

LINE = st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), max_size=80).map(str.strip)
TITLES = st.tuples(LINE, st.sampled_from(["a", "Zoë", "7", "日"])).map(lambda parts: " ".join(parts).strip())
LABELS = st.lists(LINE.map(lambda text: " ".join(text.split())).filter(bool), max_size=4, unique=True).map(tuple)
BODIES = (
    st.lists(st.one_of(LINE, st.sampled_from(["---", "# head", "key: value", "```", "- item", "   indented", ""])))
    .map("\n".join)
    .map(lambda text: text.replace("\x85", "").strip())
    .filter(bool)
)
RULES = st.sampled_from(
    [
        TipRules(),
        TipRules(season="the Tuesday before Thanksgiving"),
        TipRules(series="Phone", part=2),
        TipRules(rerun="never", months="March to May", fallback=True),
    ]
)
TIPS = st.builds(
    TipText,
    title=TITLES,
    body=BODIES,
    key=st.from_regex(r"[a-z0-9][a-z0-9-]{0,40}", fullmatch=True),
    published_on=st.none() | st.dates(date(1970, 1, 1), date(2999, 12, 31)),
    categories=LABELS,
    tags=LABELS,
    takeaway=LINE,
    teaser=LINE,
    rules=RULES,
    source=st.just("x.md"),
)


@given(TIPS, st.booleans())
def test_an_exported_tip_is_parsed_as_the_same_tip(tip: TipText, complete: bool) -> None:  # noqa: FBT001
    tip = tip if complete else replace(tip, complete=False, body="", teaser=tip.teaser or "It began")
    (found,) = parse(to_markdown_file(tip), "x.md")
    assert isinstance(found, TipText), found
    assert replace(found, line=0) == tip


@pytest.mark.parametrize("path", sorted((data_dir() / "seeds").glob("*.md")), ids=lambda path: path.stem)
def test_every_starter_tip_can_be_exported_and_imported(path: Path) -> None:
    (tip,) = read([path], "markdown")
    assert isinstance(tip, TipText)
    (again,) = parse(to_markdown_file(tip), tip.source)
    assert again == tip


def test_an_exported_tip_is_easy_to_edit() -> None:
    tip = TipText(
        "Say “it”", "Once.", key="say-it", published_on=date(2014, 8, 12), tags=("a", "b: c"), takeaway='"Do"'
    )
    assert to_markdown_file(tip) == (
        '---\nkey: "say-it"\ntitle: "Say “it”"\ndate: 2014-08-12\ntags: ["a", "b: c"]\ntakeaway: "\\"Do\\""\n---\nOnce.\n'
    )
