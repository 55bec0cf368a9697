"""Shades of a brand color: all have enough contrast; a color without is refused, and the nearest one with is named."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.domain.colors import (
    CARD,
    GREEN,
    MIN_CONTRAST,
    NIGHT_CARD,
    NIGHT_PAPER,
    PAPER,
    brand_color,
    contrast,
    mix,
    palette,
)
from newsletter.domain.errors import InputError

COLORS = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")


def test_contrast_is_computed_as_in_wcag() -> None:
    assert round(contrast("#000", "#ffffff"), 1) == 21
    assert round(contrast("#767676", "#fff"), 2) == 4.54
    assert contrast("#777", "#fff") < 4.5


def test_mixing_goes_from_one_color_to_the_other() -> None:
    assert [mix("#000000", "#ffffff", part) for part in (0, 0.5, 1)] == ["#000000", "#808080", "#ffffff"]


@given(COLORS)
def test_every_color_is_accepted_or_the_nearest_acceptable_one_is_named(color: str) -> None:
    try:
        taken = brand_color(color)
    except InputError as error:
        (near,) = re.findall("#[0-9a-f]{6}", error.fix)
        taken = brand_color(near)
    shades = palette(taken)
    pairs = [(shades.accent, ground) for ground in (PAPER, CARD, shades.tint)]
    pairs += [(shades.deep, CARD), (shades.ink, shades.accent), (shades.ink, shades.deep)]
    pairs += [(shades.night_accent, ground) for ground in (NIGHT_PAPER, NIGHT_CARD, shades.night_tint)]
    pairs += [(shades.night_ink, shades.night_accent), (shades.night_deep, NIGHT_CARD)]
    assert [pair for pair in pairs if contrast(*pair) < MIN_CONTRAST] == []


def test_the_default_green_has_its_chosen_shades() -> None:
    assert palette(brand_color("#17664F")) is GREEN


@pytest.mark.parametrize("text", ["green", "#12345", "", "#17664f;", "url(x)", "#ggg"])
def test_an_invalid_color_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="#17664f"):
        brand_color(text)


def test_three_digits_are_a_color() -> None:
    assert brand_color("#036") == "#003366"
