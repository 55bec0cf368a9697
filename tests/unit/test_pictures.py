"""Pictures are re-encoded: small, upright, without metadata; what is dangerous or useless is refused."""

from __future__ import annotations

import random
import struct
import zlib
from io import BytesIO

import pytest
from PIL import Image

from newsletter.domain.errors import InputError
from newsletter.domain.tips.pictures import (
    MAX_BYTES,
    MAX_WIDTH,
    as_exported,
    original_url,
    own_picture,
    picture_links,
    pictures_of,
)
from newsletter.importers.pictures import as_it_is, encode
from newsletter.rendering.markdown import to_html
from newsletter.rendering.text import to_text

NAME = "0123456789abcdef01234567-800x600.jpg"


def saved(picture: Image.Image, form: str, **options: object) -> bytes:
    out = BytesIO()
    picture.save(out, form, **options)
    return out.getvalue()


def noise(width: int, height: int) -> Image.Image:
    return Image.frombytes("RGB", (width, height), random.Random(7).randbytes(width * height * 3))  # noqa: S311


def opened(content: bytes) -> Image.Image:
    return Image.open(BytesIO(content))


def test_a_large_photo_becomes_a_small_jpeg_without_its_metadata() -> None:
    photo = noise(1800, 1200)
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    exif[0x010F] = "A camera with a serial number"
    found = encode(saved(photo, "JPEG", exif=exif))
    picture = opened(found.content)
    assert len(found.content) <= MAX_BYTES
    assert picture.format == "JPEG"
    assert picture.height > picture.width, "the picture is upright"
    assert picture.width <= MAX_WIDTH
    assert not picture.getexif()
    assert own_picture(f"/media/{found.name}"), found.name
    assert f"-{picture.width}x{picture.height}.jpg" in found.name


@pytest.mark.parametrize(
    ("form", "mode", "kind"),
    [("PNG", "RGB", "png"), ("PNG", "RGBA", "png"), ("PNG", "1", "png"), ("PNG", "I;16", "png"), ("GIF", "P", "png"),
     ("WEBP", "RGB", "jpg"), ("JPEG", "CMYK", "jpg"), ("JPEG", "L", "jpg")],
)  # fmt: skip
def test_every_usual_kind_is_read(form: str, mode: str, kind: str) -> None:
    found = encode(saved(Image.new(mode, (300, 200)), form))
    assert found.name.endswith(f"-300x200.{kind}")
    assert encode(found.content).name.endswith(f"-300x200.{kind}")


def test_a_picture_of_16_bits_keeps_its_grays() -> None:
    shades = b"".join((shade * 257).to_bytes(2, "little") for _ in range(20) for shade in range(256))
    found = opened(encode(saved(Image.frombytes("I;16", (256, 20), shades), "PNG")).content)
    assert [found.getpixel((x, 9)) for x in (0, 64, 128, 255)] == [0, 64, 128, 255]


def test_a_transparent_drawing_gets_a_white_ground_so_that_black_lines_stay_visible_in_dark_mode() -> None:
    drawing = Image.new("RGBA", (300, 200), (0, 0, 0, 0))
    drawing.putpixel((5, 5), (0, 0, 0, 255))
    found = encode(saved(drawing, "PNG"))
    assert found.name.endswith(".png")
    assert opened(found.content).mode == "RGB"
    assert [opened(found.content).getpixel(at) for at in ((5, 5), (6, 6))] == [(0, 0, 0), (255, 255, 255)]


def test_the_copy_that_wordpress_com_serves_is_the_picture_of_the_blog() -> None:
    assert original_url("https://i2.wp.com/blog.example/a/b.jpg?w=300&ssl=1") == "https://blog.example/a/b.jpg"
    assert original_url("https://blog.example/a.jpg?w=1") == "https://blog.example/a.jpg?w=1"
    assert original_url("https://i0.wp.com/localhost/a.jpg") == "https://i0.wp.com/localhost/a.jpg"


def bomb() -> bytes:
    """A PNG of a few kilobytes that needs gigabytes of memory."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0" * 100_000)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "not a JPEG"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", "not a JPEG"),
        (b"%PDF-1.7", "not a JPEG"),
        (saved(Image.new("RGB", (40, 40)), "BMP"), "not a JPEG"),
        (bomb(), "pixels"),
        (saved(Image.new("RGB", (1, 1)), "GIF"), "shows nothing"),
        (saved(noise(300, 200), "JPEG")[:4000], "damaged"),
    ],
)
def test_what_is_no_picture_to_show_is_refused_with_a_reason(raw: bytes, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        encode(raw)


def test_an_exported_picture_is_taken_as_it_is_and_a_changed_one_is_not() -> None:
    found = encode(saved(noise(300, 200), "JPEG"))
    assert as_it_is(found.content, found.name) == found
    assert as_it_is(found.content + b"x", found.name) is None
    assert as_it_is(saved(noise(300, 200), "JPEG"), found.name) is None


def test_pictures_are_found_but_not_in_code() -> None:
    text = f"![a](/media/{NAME}) `![b](b.png)`\n\n```\n![c](c.png)\n```\n\n[![d](<d e.png>)](https://x.example) \\![e](e.png)"
    assert [(link.alt, link.url, link.in_link) for link in picture_links(text)] == [
        ("a", f"/media/{NAME}", False),
        ("d", "d e.png", True),
    ]
    assert [one.name for one in pictures_of(text)] == [NAME]
    assert as_exported(text).startswith(f"![a](media/{NAME})")


def test_a_picture_is_rendered_with_its_address_size_and_description() -> None:
    html = to_html(f'![A "queue"](/media/{NAME})', "https://n.example/media/", 504)
    assert html == (
        f'<p><img src="https://n.example/media/{NAME}" alt="A &quot;queue&quot;" width="504" height="378"></p>\n'
    ) or html.replace(" />", ">") == (
        f'<p><img src="https://n.example/media/{NAME}" alt="A &quot;queue&quot;" width="504" height="378"></p>\n'
    )
    assert to_text(f"![A queue](/media/{NAME})") == "[A queue]"


@pytest.mark.parametrize(
    "url",
    ["https://x.example/a.png", "//x.example/a.png", "javascript:alert(1)", f"/media/../{NAME}", f"/media/{NAME}?x",
     f"media/{NAME}", "/media/a.png", "data:image/png;base64,AA", f"/media/{NAME}\u0000"],
)  # fmt: skip
def test_no_other_picture_is_ever_rendered(url: str) -> None:
    assert "<img" not in to_html(f"![words]({url})")
