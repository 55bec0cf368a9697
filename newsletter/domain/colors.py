"""One brand colour to all the shades that letters and pages need, by day and by night, each of them readable."""

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
    """Colours as #rrggbb. accent: links and buttons; deep: under the pointer; ink: on accent; tint: a quiet ground."""

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
    """All shades of a colour that `brand_color` has taken."""
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
    """A colour as #rrggbb; raises InputError for what is none, and for one too pale to be read on paper."""
    digits = text.strip().lower().removeprefix("#")
    if re.fullmatch(r"[0-9a-f]{3}", digits):
        digits = "".join(digit * 2 for digit in digits)
    if not re.fullmatch(r"[0-9a-f]{6}", digits):
        raise InputError("not a colour", fix="Write it as #17664f")
    color = f"#{digits}"
    if not _is_readable(color):
        near = _until(color, _BLACK, _is_readable)
        ratio = min(contrast(color, ground) for ground in (PAPER, CARD, _tint(color)))
        raise InputError(
            f"too pale to be read ({ratio:.1f}:1, {MIN_CONTRAST}:1 is needed)",
            fix=f"The nearest that can be read is {near}",
        )
    return color


def luminance(color: str) -> float:
    """Relative luminance of #rgb or #rrggbb, 0 to 1 (WCAG 2.2)."""
    digits = color.lstrip("#")
    pairs = [digit * 2 for digit in digits] if len(digits) == 3 else [digits[at : at + 2] for at in (0, 2, 4)]
    parts = [int(pair, 16) / 255 for pair in pairs]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours, 1 to 21 (WCAG 2.2)."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def mix(one: str, other: str, part: float) -> str:
    """`one` with so much of `other` in it, 0 to 1."""
    channels = ((int(one[at : at + 2], 16), int(other[at : at + 2], 16)) for at in (1, 3, 5))
    return "#" + "".join(f"{round(a + (b - a) * part):02x}" for a, b in channels)


def _tint(color: str) -> str:
    return mix(color, CARD, 0.92)


def _night_tint(color: str) -> str:
    return mix(color, NIGHT_CARD, 0.88)


def _is_readable(color: str) -> bool:
    return all(contrast(color, ground) >= MIN_CONTRAST for ground in (PAPER, CARD, _tint(color)))


def _until(color: str, towards: str, is_enough: Callable[[str], bool]) -> str:
    """The first shade on the way from a colour to another that is enough."""
    shades = (mix(color, towards, step / 50) for step in range(51))
    return next(shade for shade in shades if is_enough(shade))
