"""Export the library as files, one for each tip, to edit them elsewhere or keep them under version control."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from newsletter.domain.tips.pictures import FOLDER, pictures_of
from newsletter.domain.tips.tip import TipText
from newsletter.files import give_to_owner_of, make_directory
from newsletter.ports.pictures import Media
from newsletter.ports.store import Store


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export did, or would do in a dry run. files: the names of all files, in queue order."""

    written: int
    unchanged: int
    files: tuple[str, ...]


def export_tips(
    store: Store, media: Media, directory: Path, to_markdown_file: Callable[[TipText], str], *, dry_run: bool
) -> Exported:
    """Write each tip to DIRECTORY/KEY.md unless the file is the same already; other files are left alone.

    Pictures are written to DIRECTORY/media.
    """
    with store.read() as tx:
        tips = tx.tips.all()
    if not dry_run:
        make_directory(directory, mode=0o777)
    written = 0
    for tip in tips:
        path, content = directory / f"{tip.card.key}.md", to_markdown_file(tip.text).encode()
        if path.is_file() and path.read_bytes() == content:
            continue
        written += 1
        if not dry_run:
            path.write_bytes(content)
            give_to_owner_of(directory, path)
    if not dry_run:
        _export_pictures(media, directory / FOLDER, {one.name for tip in tips for one in pictures_of(tip.text.body)})
    return Exported(written, len(tips) - written, tuple(f"{tip.card.key}.md" for tip in tips))


def _export_pictures(media: Media, folder: Path, names: Collection[str]) -> None:
    for name in sorted(names):
        content = media.read(name)
        if content is not None and not (folder / name).exists():
            folder.mkdir(exist_ok=True)
            (folder / name).write_bytes(content)
