"""Take in the pictures of tips that are about to be imported, and name those that stay outside.

A picture is a file beside the file of its tip, part of the text (a `data:` URL), or a link. Links are loaded only if the
owner wants it, and only from the host of the post itself. All of this happens before the transaction of the import.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path

from newsletter.actions.tips.picture_files import file_beside
from newsletter.domain.english import plural
from newsletter.domain.errors import InputError
from newsletter.domain.tips.pictures import (
    FOLDER,
    PictureLink,
    exported_picture,
    original_url,
    own_picture,
    replace_pictures,
)
from newsletter.domain.tips.tip import Piece, Remark, TipText, host_of
from newsletter.ports.pictures import EncodedPicture, Media, PictureCodec
from newsletter.ports.store import Store

NOT_WANTED = "pass --pictures to load it"
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_SHOWN = 60  # characters of a URL


class _LeftOutside(Exception):
    """Why a picture is not taken in."""


@dataclass
class PictureIntake:
    """Takes in the pictures of one import. download: loads a URL; raises InputError. load: also load links.

    taken, left: how many pictures were taken in, and how many stay outside, so far.
    """

    store: Store
    media: Media
    codec: PictureCodec
    download: Callable[[str], bytes]
    load: bool = False
    dry_run: bool = False
    taken: int = 0
    left: int = 0
    _known: dict[str, str] = field(default_factory=dict)

    def all(self, pieces: Iterable[Piece]) -> Iterator[Piece]:
        """The pieces with their pictures taken in; each tip is followed by a remark about the pictures left outside."""
        for piece in pieces:
            yield from self.one(piece) if isinstance(piece, TipText) else (piece,)

    def one(self, text: TipText) -> Iterator[Piece]:
        """One tip, and perhaps a remark."""
        problems: list[str] = []
        body = replace_pictures(text.body, lambda link: self._replaced(link, text, problems))
        yield replace(text, body=body, inline_pictures=()) if body != text.body or text.inline_pictures else text
        if problems:
            self.left += len(problems)
            which = plural(len(problems), "picture")
            words = f"{text.title!r}: {which} not taken in: {'; '.join(problems)}"
            yield Remark(text.file or text.source, text.line, words)

    def _replaced(self, link: PictureLink, text: TipText, problems: list[str]) -> str:
        as_written = text.body[link.start : link.end]
        if own_picture(link.url) and self.media.has(link.url.rpartition("/")[2]):
            return as_written
        try:
            name = self._name(link.url, text)
        except (_LeftOutside, InputError) as error:
            shown = "a picture in the text" if link.url in dict(text.inline_pictures) else link.url[:_SHOWN]
            fix = f". {error.fix}" if isinstance(error, InputError) and error.fix else ""
            problems.append(f"{shown} ({error.message if isinstance(error, InputError) else error}{fix})")
            return as_written if _is_markdown(text) else _without_picture(link, text)
        self.taken += 1
        return f"![{link.alt}](/{FOLDER}/{name})"

    def _name(self, url: str, text: TipText) -> str:
        """The name of the picture in our folder. Raises _LeftOutside and InputError."""
        inline = dict(text.inline_pictures).get(url)
        if inline is not None:
            return self._taken_in(inline)
        if not host_of(url):
            return self._from_file(url, text)
        url = original_url(url)
        if known := self._lookup(url):
            return known
        if host_of(url) != host_of(text.source):
            raise _LeftOutside("it is on another site; save it, and put it into the tip as a file")
        if not self.load:
            raise _LeftOutside(NOT_WANTED)
        name = self._keep(self.codec.encode(self.download(url)))
        self._record(url, name)
        return name

    def _from_file(self, url: str, text: TipText) -> str:
        folder = Path(text.file or text.source).parent
        if (url.startswith(("/", "\\")) or _SCHEME.match(url)) and not own_picture(url):
            raise _LeftOutside("put the file beside the tip, and write only its name")
        try:
            path = file_beside(folder, url.lstrip("/"))
        except OSError as error:
            raise _LeftOutside(f"it cannot be read: {error.strerror}") from None
        if not path.resolve().is_relative_to(folder.resolve()):
            raise _LeftOutside("it is outside of the folder of the tip; put it beside the tip")
        exported = exported_picture(url) or own_picture(url)
        if exported and self.media.has(exported.name):
            return exported.name
        try:
            if not path.is_file():  # opening a named pipe would block
                raise _LeftOutside("there is no such file beside the tip")
            raw = path.read_bytes()
        except OSError as error:
            raise _LeftOutside(f"it cannot be read: {error.strerror}") from None
        same = self.codec.as_it_is(raw, exported.name) if exported else None
        return self._keep(same) if same else self._taken_in(raw)

    def _taken_in(self, raw: bytes) -> str:
        """The name of a picture with this content, which is encoded once, whatever later versions of Pillow write."""
        source = f"blake2b:{blake2b(raw, digest_size=20).hexdigest()}"
        if known := self._lookup(source):
            return known
        name = self._keep(self.codec.encode(raw))
        self._record(source, name)
        return name

    def _lookup(self, source: str) -> str:
        if source not in self._known:
            with self.store.read() as tx:
                self._known |= tx.pictures.names([source])
        name = self._known.get(source, "")
        return name if self.dry_run or self.media.has(name) else ""

    def _keep(self, picture: EncodedPicture) -> str:
        if not self.dry_run:
            self.media.write(picture.name, picture.content)
        return picture.name

    def _record(self, source: str, name: str) -> None:
        self._known[source] = name
        if not self.dry_run:
            with self.store.write() as tx:
                tx.pictures.record(source, name)


def _is_markdown(text: TipText) -> bool:
    """Did the owner write this Markdown? Then a picture that stays outside stays in the text, for lint to find."""
    return (text.file or text.source).lower().endswith((".md", ".markdown"))


def _without_picture(link: PictureLink, text: TipText) -> str:
    """What an imported text has in the place of a picture: a link to it, or just its description."""
    words = link.alt.strip() or "Picture"
    if link.in_link:
        return words
    if not host_of(link.url) or link.url in dict(text.inline_pictures):
        return link.alt.strip()
    shown = f"<{link.url}>" if "(" in link.url or ")" in link.url else link.url
    return f"[{words}]({shown})"
