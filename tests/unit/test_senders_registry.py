"""Schemes and classes: the built-in senders, and those that other packages bring."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from newsletter.domain.errors import SettingsError
from newsletter.senders import make_sender
from newsletter.senders.registry import BUILT_IN, GROUP

PIGEON = """
from newsletter.testing import MemorySender

class PigeonSender(MemorySender):
    def __init__(self, url, hostname):
        super().__init__(connections=url.get_integer("connections", 2))
        self.home = (url.host, hostname)
"""


@pytest.fixture
def plugin(tmp_path: Path) -> Iterator[None]:
    """A package as pip would have installed it: a module and its entry points."""
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
def test_another_package_cannot_take_a_built_in_scheme() -> None:
    assert type(make_sender("smtp://mail.example", hostname="client.example")).__name__ == "SmtpSender"


@pytest.mark.usefixtures("plugin")
def test_an_unknown_scheme_lists_what_there_is() -> None:
    with pytest.raises(SettingsError, match="console, gone, maildir, pigeon, smtp, smtps"):
        make_sender("pigon://loft.example", hostname="client.example")


@pytest.mark.usefixtures("plugin")
def test_a_sender_that_cannot_be_loaded_is_a_wrong_setting() -> None:
    with pytest.raises(SettingsError, match="Reinstall pigeon_post"):
        make_sender("gone:", hostname="client.example")


def test_the_built_in_schemes_are_those_the_package_declares() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["entry-points"][GROUP] == BUILT_IN
    for place in BUILT_IN.values():
        module, _, name = place.partition(":")
        assert hasattr(import_module(module), name)
