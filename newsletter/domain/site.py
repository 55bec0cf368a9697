"""The newsletter's identity: the settings that emails and pages show, as one value."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo

from newsletter.domain.colors import GREEN, Palette, palette
from newsletter.domain.dates import AMERICAN, DateForm

OF_A_LIST = ("/archive", "/categories/", "/tags/", "/search", "/feed.", "/style.css")
"""What the addresses begin with that each list has of its own, below /lists/KEY."""


@dataclass(frozen=True, slots=True)
class Site:
    """One newsletter.

    base_url: without a slash at its end. An empty string means that a setting is not set. owner: the addresses of the owners. dates: how `language` writes dates.
    zone: in which days begin for this newsletter. list_key: "" for the first list, which has the plain addresses.
    description, is_public, is_retired: of a list; the first one is always public.
    """

    title: str
    from_name: str
    from_address: str
    base_url: str
    language: str = "en"
    reply_to: str = ""
    postal_address: str = ""
    owner: tuple[str, ...] = ()
    contact_url: str = ""
    resources_url: str = ""
    home_url: str = ""
    bounce_domain: str = ""
    color: str = GREEN.accent
    has_logo: bool = False
    headline: str = ""
    author: str = ""
    about: str = ""
    has_portrait: bool = False
    dates: DateForm = AMERICAN
    zone: tzinfo = UTC
    list_key: str = ""
    description: str = ""
    is_public: bool = True
    is_retired: bool = False

    @property
    def from_domain(self) -> str:
        """The domain of the From address, which List-ID and Message-ID use."""
        return self.from_address.rpartition("@")[2]

    @property
    def brand(self) -> Palette:
        """The shades of the newsletter's color."""
        return palette(self.color)

    @property
    def logo_url(self) -> str:
        """The URL of the logo, or ""."""
        return self.url("/logo") if self.has_logo else ""

    @property
    def portrait_url(self) -> str:
        """The URL of the author's picture, or ""."""
        return self.url("/portrait") if self.has_portrait else ""

    @property
    def reply_address(self) -> str:
        """The bare address that replies go to."""
        return self.reply_to.rpartition("<")[2].rstrip("> ") or self.from_address

    def day_of(self, at: datetime) -> date:
        """The date of a moment (aware) in the newsletter's zone."""
        return at.astimezone(self.zone).date()

    def url(self, path: str) -> str:
        """An absolute URL on the site. path: begins with a slash; see `path`."""
        return f"{self.base_url}{self.path(path)}"

    def path(self, path: str) -> str:
        """The address of this list's page: `/archive` of another list than the first is /lists/KEY/archive.

        A list that is not public has no pages, only the logo in its emails, so its links lead to those of the first list.
        """
        if not self.list_key:
            return path
        if path == "/logo" or (self.is_public and path.startswith(OF_A_LIST)):
            return f"/lists/{self.list_key}{path}"
        return f"/lists/{self.list_key}" if path == "/" and self.is_public else path
