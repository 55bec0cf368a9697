"""Export the library as files, one for each tip, to edit them elsewhere or keep them under version control."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from newsletter.domain.tips.pictures import FOLDER, pictures_of
from newsletter.domain.tips.tip import TipFull, TipText
from newsletter.files import refuse_links, write_all
from newsletter.ports.pictures import Media
from newsletter.ports.store import Store


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export did, or would do in a dry run. files: the names of all files, in queue order.

    replaced: those of them that were there with another content.
    """

    written: int
    unchanged: int
    files: tuple[str, ...]
    replaced: tuple[str, ...] = ()


def export_tips(
    store: Store, media: Media, directory: Path, to_markdown_file: Callable[[TipText], str], *, dry_run: bool
) -> Exported:
    """Write each tip of every list to DIRECTORY/KEY.md, with its state, its place in the queue, and its history.

    Files that are the same already are left alone, and so are other files. Pictures are written to DIRECTORY/media. All
    files are written, or none. Raises Refused if one of them, or the directory, is a symbolic link.
    """
    with store.read() as tx:
        histories = tx.tips.histories()
        keys = {one.id: "" if one.is_first else one.key for one in tx.lists.each(retired=True)}
        tips = [tip for list_id in keys for tip in tx.of_list(list_id).tips.all()]
    texts = [replace(tip.text, history=histories[tip.card.id], list_key=keys[tip.card.list_id]) for tip in tips]
    contents = {f"{text.key}.md": to_markdown_file(text).encode() for text in texts}
    refuse_links([directory, directory / FOLDER, *(directory / name for name in contents)])
    new = {name: content for name, content in contents.items() if not _is(directory / name, content)}
    replaced = tuple(name for name in new if (directory / name).exists())
    if not dry_run:
        write_all(directory, {**new, **_pictures(media, directory, tips)})
    return Exported(len(new), len(tips) - len(new), tuple(contents), replaced)


def _is(path: Path, content: bytes) -> bool:
    return path.is_file() and path.read_bytes() == content


def _pictures(media: Media, directory: Path, tips: list[TipFull]) -> dict[str, bytes]:
    """The pictures that are not there yet; the name of a picture says what is in it."""
    names = {one.name for tip in tips for one in pictures_of(tip.text.body)}
    refuse_links(directory / FOLDER / name for name in names)
    found = {name: media.read(name) for name in sorted(names) if not (directory / FOLDER / name).exists()}
    return {f"{FOLDER}/{name}": content for name, content in found.items() if content is not None}
