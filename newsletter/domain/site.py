"""What the newsletter says of itself: the settings that letters and pages show, as one value."""

from __future__ import annotations

from dataclasses import dataclass

from newsletter.domain.colors import GREEN, Palette, palette
from newsletter.domain.dates import AMERICAN, DateForm


@dataclass(frozen=True, slots=True)
class Site:
    """One newsletter. base_url has no slash at its end; empty strings mean "not set"; dates: how `language` writes them."""

    title: str
    from_name: str
    from_address: str
    base_url: str
    language: str = "en"
    reply_to: str = ""
    postal_address: str = ""
    owner: str = ""
    contact_url: str = ""
    resources_url: str = ""
    home_url: str = ""
    bounce_domain: str = ""
    color: str = GREEN.accent
    has_logo: bool = False
    dates: DateForm = AMERICAN

    @property
    def from_domain(self) -> str:
        """The domain letters come from; List-ID and Message-ID use it."""
        return self.from_address.rpartition("@")[2]

    @property
    def brand(self) -> Palette:
        """The shades of the newsletter's colour."""
        return palette(self.color)

    @property
    def logo_url(self) -> str:
        """Where the logo is, or ""."""
        return self.url("/logo") if self.has_logo else ""

    @property
    def reply_address(self) -> str:
        """The bare address that answers go to."""
        return self.reply_to.rpartition("<")[2].rstrip("> ") or self.from_address

    def url(self, path: str) -> str:
        """An absolute address on the site; `path` begins with a slash."""
        return f"{self.base_url}{path}"
