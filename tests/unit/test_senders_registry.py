"""The scheme of a sender URL selects a class: a built-in one, or one of another package."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

import pytest

from newsletter.domain.errors import SettingsError
from newsletter.senders import make_sender
from newsletter.senders.registry import DISTRIBUTION, GROUP

PIGEON = """
from newsletter.testing import MemorySender

class PigeonSender(MemorySender):
    def __init__(self, url, hostname):
        super().__init__(connections=url.get_integer("connections", 2))
        self.home = (url.host, hostname)
"""


@pytest.fixture
def plugin(tmp_path: Path) -> Iterator[None]:
    """A package as pip would install it: a module and its entry points."""
    (tmp_path / "pigeon_post.py").write_text(PIGEON)
    info = tmp_path / "pigeon_post-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: pigeon-post\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        f"[{GROUP}]\npigeon = pigeon_post:PigeonSender\ngone = pigeon_post:Nothing\nsmtp = pigeon_post:PigeonSender\n"
    )
    sys.path.insert(0, str(tmp_path))
    yield
    sys.path.remove(str(tmp_path))
    sys.modules.pop("pigeon_post", None)


@pytest.mark.usefixtures("plugin")
def test_a_sender_of_another_package_is_found_by_its_scheme() -> None:
    sender = make_sender("pigeon://loft.example?connections=3", hostname="client.example")
    assert type(sender).__name__ == "PigeonSender"
    assert sender.connections == 3


@pytest.mark.usefixtures("plugin")
def test_another_package_cannot_take_over_a_built_in_scheme() -> None:
    assert type(make_sender("smtp://mail.example", hostname="client.example")).__name__ == "SmtpSender"


@pytest.mark.usefixtures("plugin")
def test_the_error_about_an_unknown_scheme_lists_the_known_ones() -> None:
    with pytest.raises(SettingsError, match="console, gone, maildir, pigeon, smtp, smtps"):
        make_sender("pigon://loft.example", hostname="client.example")


@pytest.mark.usefixtures("plugin")
def test_a_sender_that_cannot_be_loaded_is_a_settings_error() -> None:
    with pytest.raises(SettingsError, match="Reinstall pigeon-post"):
        make_sender("gone:", hostname="client.example")


def test_every_built_in_sender_can_be_loaded() -> None:
    points = distribution(DISTRIBUTION).entry_points.select(group=GROUP)
    assert {point.name for point in points} == {"smtp", "smtps", "maildir", "console"}
    assert all(hasattr(point.load(), "open") for point in points)


def test_files_without_an_installed_package_are_an_error_with_the_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(SettingsError, match="is not installed") as caught:
        make_sender("smtp://mail.example", hostname="client.example")
    assert caught.value.fix == "Install it: pip install --editable ."
