"""Re-encode a picture so that it is small and safe to publish: no metadata, at most 200 KB, at most 1200 pixels wide."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from io import BytesIO

from PIL import Image, ImageOps, UnidentifiedImageError

from newsletter.domain.errors import InputError
from newsletter.domain.tips.pictures import MAX_BYTES, MAX_WIDTH, name_of

READ = ("JPEG", "PNG", "GIF", "WEBP")
MAX_PIXELS = 50_000_000
"""Larger pictures are refused before they are decoded: a file of 100 KB can need gigabytes of memory."""
MAX_HEIGHT = 4000  # pixels
MAX_SOURCE = 30_000_000  # bytes
TINY = 2  # pixels: a picture of this size counts who opens an email
_QUALITIES = (85, 75, 65, 55)


@dataclass(frozen=True, slots=True)
class EncodedPicture:
    """A picture that may be published. name: of its file."""

    name: str
    content: bytes


def encode(raw: bytes) -> EncodedPicture:
    """The picture as JPEG, or as PNG if it is a drawing. Of an animation, only the first frame is kept.

    Raises InputError for what is not a picture, is damaged, or is too large.
    """
    if len(raw) > MAX_SOURCE:
        raise InputError(f"the picture has {len(raw):,} bytes", fix="Make it smaller")
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(BytesIO(raw), formats=READ) as opened:
                _check(opened.width, opened.height)
                opened.seek(0)
                picture = _upright(opened)
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            raise InputError(
                f"the picture has more than {MAX_PIXELS // 1_000_000} million pixels",
                fix=f"Make it at most {MAX_WIDTH} pixels wide",
            ) from None
        except UnidentifiedImageError:
            raise InputError("this is not a JPEG, PNG, GIF, or WebP picture", fix="Save it as JPEG or PNG") from None
        except (
            OSError,
            SyntaxError,
            ValueError,
            EOFError,
            OverflowError,
            MemoryError,
        ) as error:
            raise InputError(f"the picture is damaged: {error}", fix="Save it again as JPEG or PNG") from None
    width = min(picture.width, MAX_WIDTH)
    while True:
        small = (
            picture.resize((width, max(1, round(picture.height * width / picture.width))), Image.Resampling.LANCZOS)
            if width < picture.width
            else picture
        )
        content, kind = _written(small)
        if len(content) <= MAX_BYTES or width < 100:
            return EncodedPicture(name_of(content, small.width, small.height, kind), content)
        width = width * 4 // 5


def as_it_is(raw: bytes, name: str) -> EncodedPicture | None:
    """The picture of an export, if the file is still the one that was exported under this name; otherwise None."""
    with_size = name.rpartition("-")[2].partition(".")
    width, _, height = with_size[0].partition("x")
    if len(raw) > MAX_BYTES or name_of(raw, int(width), int(height), with_size[2]) != name:
        return None
    try:
        with Image.open(BytesIO(raw), formats=("JPEG", "PNG")) as opened:
            is_same = opened.size == (int(width), int(height)) and not opened.getexif()
            opened.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None
    return EncodedPicture(name, raw) if is_same else None


def _check(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise InputError(f"the picture has {width} × {height} pixels", fix=f"Make it at most {MAX_WIDTH} pixels wide")
    if width <= TINY or height <= TINY:
        raise InputError(f"the picture has {width} × {height} pixels, so it shows nothing", fix="Leave it out")
    if height > width * MAX_HEIGHT / 200:
        raise InputError(f"the picture has {width} × {height} pixels", fix="Cut it into several pictures")


def _upright(opened: Image.Image) -> Image.Image:
    """The pixels, turned as the camera was held, without any metadata; in RGB or gray."""
    opened.load()
    picture = ImageOps.exif_transpose(opened)
    has_alpha = picture.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in picture.info
    if has_alpha:
        ground = Image.new("RGBA", picture.size, "white")  # black lines on nothing vanish in dark mode
        picture = Image.alpha_composite(ground, picture.convert("RGBA")).convert("RGB")
    elif picture.mode.startswith("I"):  # 16 bits per pixel: converting them directly makes nearly everything white
        picture = picture.convert("I").point(lambda value: value * (1 / 257)).convert("L")
    elif picture.mode not in ("RGB", "L"):
        picture = picture.convert("L" if picture.mode == "1" else "RGB")
    clean = Image.new(picture.mode, picture.size)
    clean.paste(picture)
    clean.info["was"] = opened.format or ""
    return clean


def _written(picture: Image.Image) -> tuple[bytes, str]:
    """The smallest form that looks well, and its kind. A drawing stays a PNG; a photo becomes a JPEG."""
    if picture.info.get("was") in ("PNG", "GIF"):
        png = _saved(picture, "PNG", optimize=True)
        if len(png) <= MAX_BYTES:
            return png, "png"
    jpegs = (_saved(picture, "JPEG", quality=quality, optimize=True, progressive=True) for quality in _QUALITIES)
    smallest = b""
    for smallest in jpegs:
        if len(smallest) <= MAX_BYTES:
            break
    return smallest, "jpg"


def _saved(picture: Image.Image, form: str, **options: object) -> bytes:
    out = BytesIO()
    picture.save(out, form, **options)
    return out.getvalue()
