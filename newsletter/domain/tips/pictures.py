"""Pictures in the Markdown of a tip: find them, and name the files in which this newsletter keeps its own."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import blake2b

MAX_WIDTH = 1200  # pixels
MAX_BYTES = 200_000  # of a stored picture
FOLDER = "media"
"""The folder of the pictures: in the data directory, in an export, and in web addresses."""
_NAME = r"[0-9a-f]{24}-(?P<width>[1-9]\d{0,3})x(?P<height>[1-9]\d{0,4})\.(?P<kind>jpg|png)"
OWN = r"/media/[0-9a-f]{24}-[1-9]\d{0,3}x[1-9]\d{0,4}\.(?:jpg|png)"
"""The pattern of a link to a picture of this newsletter, in a stored tip."""
_OWN = re.compile(rf"/media/(?P<name>{_NAME})")
_EXPORTED = re.compile(rf"(?:\./)?media/(?P<name>{_NAME})")
CODE = re.compile(
    r"^ {0,3}(?P<fence>`{3,}|~{3,}).*?(?:^ {0,3}(?P=fence)|\Z)|(?P<ticks>`+)(?!`).+?(?<!`)(?P=ticks)(?!`)",
    re.MULTILINE | re.DOTALL,
)
_PICTURE = re.compile(
    r"(?<!\\)!\[(?P<alt>(?:[^\[\]\\]|\\.){0,2000})\]"
    r"\([ \t]*(?P<url><[^<>\n]{0,4000}>|(?:[^\s()<>]|\([^\s()]*\)){0,4000})(?:\s+(?:\"[^\"\n]*\"|'[^'\n]*'))?[ \t]*\)"
)


@dataclass(frozen=True, slots=True)
class PictureLink:
    """One picture in a Markdown text. alt: Markdown. in_link: the picture is what a link shows, and nothing else."""

    alt: str
    url: str
    start: int
    end: int
    in_link: bool = False


@dataclass(frozen=True, slots=True)
class StoredPicture:
    """A picture of this newsletter. name: of its file; it says the size in pixels and depends on the content."""

    name: str
    width: int
    height: int


def picture_links(markdown: str) -> Iterator[PictureLink]:
    """The pictures in a Markdown text, but for those in code."""
    masked = (
        CODE.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), markdown)
        if "`" in markdown or "~~~" in markdown
        else markdown
    )
    for found in _PICTURE.finditer(masked):
        start, end = found.span()
        in_link = markdown[start - 1 : start] == "[" and markdown[end : end + 2] == "]("
        url = found["url"].strip("<>")
        yield PictureLink(found["alt"], url, start, end, in_link)


def original_url(url: str) -> str:
    """The URL of a picture at its own blog, if the link goes to the copy that WordPress.com serves (i0.wp.com); or the URL."""
    found = re.match(r"(?i)https?://i[0-3]\.wp\.com/(?P<original>[\w-]+(?:\.[\w-]+)+/[^?#\s]+)", url)
    return f"https://{found['original']}" if found else url


def replace_pictures(markdown: str, replace: Callable[[PictureLink], str]) -> str:
    """The text with something else in the place of each picture."""
    parts, at = [], 0
    for link in picture_links(markdown):
        parts += [markdown[at : link.start], replace(link)]
        at = link.end
    return "".join([*parts, markdown[at:]])


def own_picture(url: str) -> StoredPicture | None:
    """The picture of this newsletter that a link in a stored tip means; None for every other link."""
    return _stored(_OWN.fullmatch(url))


def exported_picture(url: str) -> StoredPicture | None:
    """The picture that a link in an exported tip means."""
    return _stored(_EXPORTED.fullmatch(url))


def _stored(found: re.Match[str] | None) -> StoredPicture | None:
    return StoredPicture(found["name"], int(found["width"]), int(found["height"])) if found else None


def is_name(name: str) -> bool:
    """May a stored picture have this file name?"""
    return re.fullmatch(_NAME, name) is not None


def name_of(content: bytes, width: int, height: int, kind: str) -> str:
    """The file name of a picture. kind: jpg or png."""
    return f"{blake2b(content, digest_size=12).hexdigest()}-{width}x{height}.{kind}"


def pictures_of(markdown: str) -> list[StoredPicture]:
    """The pictures of this newsletter that a stored tip shows."""
    found = (own_picture(link.url) for link in picture_links(markdown))
    return [picture for picture in found if picture]


def as_exported(markdown: str) -> str:
    """The text as it is exported: its pictures are files in a folder beside it."""
    return replace_pictures(
        markdown,
        lambda link: (
            markdown[link.start : link.end].replace(f"(/{FOLDER}/", f"({FOLDER}/")
            if own_picture(link.url)
            else markdown[link.start : link.end]
        ),
    )
