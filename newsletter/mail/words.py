"""The words of an email: what an approval of it is about, without its looks."""

from __future__ import annotations

import hashlib
from html.parser import HTMLParser

from newsletter.domain.site import Site
from newsletter.ports.rendering import Rendered

_UNSEEN = frozenset({"head", "script", "style"})


def digest_of_words(site: Site, rendered: Rendered) -> str:
    """16 hexadecimal digits that change with subject, From, Reply-To, and the words of both parts.

    Colors, CSS, and line breaks do not count. Of the links, only those in the text part do.
    """
    parts = (
        site.from_name,
        site.from_address,
        site.reply_to,
        rendered.subject,
        rendered.text,
        visible_words(rendered.html),
    )
    lines = "\n".join(" ".join(part.split()) for part in parts)
    return hashlib.blake2b(lines.encode(), digest_size=8).hexdigest()


def visible_words(html: str) -> str:
    """The text of an HTML document, without its head and its styles."""
    parser = _Words()
    parser.feed(html)
    parser.close()
    return " ".join(parser.words)


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self._unseen = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note where unseen text begins; the text in place of a picture is seen."""
        self._unseen += tag in _UNSEEN
        self.words += [value for name, value in attrs if name == "alt" and value]

    def handle_endtag(self, tag: str) -> None:
        """Note where it ends."""
        self._unseen -= tag in _UNSEEN and self._unseen > 0

    def handle_data(self, data: str) -> None:
        """Take text that is seen."""
        if not self._unseen:
            self.words.append(data)
