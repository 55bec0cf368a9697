"""Derive all the shades that emails and pages need from one brand color, in light and dark mode, with enough contrast."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from newsletter.domain.errors import InputError

MIN_CONTRAST = 4.5  # WCAG 2.2, criterion 1.4.3
PAPER, CARD, NIGHT_PAPER, NIGHT_CARD = "#f3f0e9", "#fffefb", "#131512", "#1c1f1b"
_WHITE, _BLACK = "#ffffff", "#000000"


@dataclass(frozen=True, slots=True)
class Palette:
    """Colors as #rrggbb; those of dark mode begin with `night_`.

    accent: links and buttons. deep: the same under the pointer. ink: text on accent. tint: quiet backgrounds. edge: borders.
    """

    accent: str
    deep: str
    ink: str
    tint: str
    night_accent: str
    night_deep: str
    night_ink: str
    night_tint: str
    night_edge: str


GREEN = Palette(
    accent="#17664f", deep="#0e4837", ink="#ffffff", tint="#e8f1ec",
    night_accent="#86cdb4", night_deep="#abe0cd", night_ink="#10201a", night_tint="#223029", night_edge="#3f8f75",
)  # fmt: skip


def palette(color: str) -> Palette:
    """The shades of a color that `brand_color` has accepted."""
    if color == GREEN.accent:
        return GREEN
    night = _until(color, _WHITE, lambda shade: contrast(shade, _night_tint(color)) >= 7)
    return Palette(
        accent=color,
        deep=mix(color, _BLACK, 0.3),
        ink=_WHITE,
        tint=_tint(color),
        night_accent=night,
        night_deep=mix(night, _WHITE, 0.4),
        night_ink=mix(color, _BLACK, 0.8),
        night_tint=_night_tint(color),
        night_edge=mix(color, night, 0.5),
    )


def brand_color(text: str) -> str:
    """Read a color in hexadecimal, as #rrggbb. Raises InputError, also if its contrast on a light background is too low."""
    digits = text.strip().lower().removeprefix("#")
    if re.fullmatch(r"[0-9a-f]{3}", digits):
        digits = "".join(digit * 2 for digit in digits)
    if not re.fullmatch(r"[0-9a-f]{6}", digits):
        raise InputError("not a color", fix="Write it as #17664f")
    color = f"#{digits}"
    if not _is_readable(color):
        near = _until(color, _BLACK, _is_readable)
        ratio = min(contrast(color, ground) for ground in (PAPER, CARD, _tint(color)))
        raise InputError(
            f"the contrast is too low ({ratio:.1f}:1, {MIN_CONTRAST}:1 is needed)",
            fix=f"The nearest color with enough contrast is {near}",
        )
    return color


def luminance(color: str) -> float:
    """The relative luminance of #rgb or #rrggbb, 0 to 1 (WCAG 2.2, definition of relative luminance)."""
    digits = color.lstrip("#")
    pairs = [digit * 2 for digit in digits] if len(digits) == 3 else [digits[at : at + 2] for at in (0, 2, 4)]
    parts = [int(pair, 16) / 255 for pair in pairs]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colors, 1 to 21 (WCAG 2.2, definition of contrast ratio)."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def mix(one: str, other: str, part: float) -> str:
    """A mix of two colors as #rrggbb. part: the share of `other`, 0 to 1."""
    channels = ((int(one[at : at + 2], 16), int(other[at : at + 2], 16)) for at in (1, 3, 5))
    return "#" + "".join(f"{round(a + (b - a) * part):02x}" for a, b in channels)


def _tint(color: str) -> str:
    return mix(color, CARD, 0.92)


def _night_tint(color: str) -> str:
    return mix(color, NIGHT_CARD, 0.88)


def _is_readable(color: str) -> bool:
    return all(contrast(color, ground) >= MIN_CONTRAST for ground in (PAPER, CARD, _tint(color)))


def _until(color: str, towards: str, is_enough: Callable[[str], bool]) -> str:
    """The first shade, in steps of 2 %, on the way from a color to another for which `is_enough` is true."""
    shades = (mix(color, towards, step / 50) for step in range(51))
    return next(shade for shade in shades if is_enough(shade))
