"""No relay, however bad, costs a subscriber, a second copy, or the issue: every mode of the table, played with the daemon.

In `make test` each mode has one of three settings; `make nasty` plays each of them in all settings and prints a table.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.nasty import modes_connect, modes_envelope, modes_message
from tests.nasty.mode import Mode
from tests.nasty.play import SETTINGS, Played, make_frozen, staged
from tests.support.certificates import Certificate, make_certificate

MODES = (*modes_connect.MODES, *modes_envelope.MODES, *modes_message.MODES)
SHORT = [(mode, SETTINGS[number % 3]) for number, mode in enumerate(MODES)]
LONG = [(mode, setting) for mode in MODES for setting in SETTINGS]


@pytest.fixture(scope="session")
def frozen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_frozen(tmp_path_factory.mktemp("frozen"))


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def play(
    frozen: Path, certificate: Certificate, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> Callable[[Mode, str], Played]:
    """Plays a mode; an exception in the log is wrong, too."""

    def run(mode: Mode, setting: str) -> Played:
        with caplog.at_level(logging.ERROR), staged(mode, setting, frozen, tmp_path, certificate) as stage:
            played = stage.run()
        played.wrong += [record.getMessage() for record in caplog.records if record.exc_info]
        return played

    return run


@pytest.mark.parametrize(("mode", "setting"), SHORT, ids=str)
def test_a_bad_relay_costs_nobody_an_email(play: Callable[[Mode, str], Played], mode: Mode, setting: str) -> None:
    assert play(mode, setting).wrong == []


@pytest.mark.long
@pytest.mark.parametrize(("mode", "setting"), LONG, ids=str)
def test_every_bad_relay_in_every_setting_costs_nobody_an_email(
    play: Callable[[Mode, str], Played], mode: Mode, setting: str
) -> None:
    played = play(mode, setting)
    print(played, flush=True)  # noqa: T201 - the table of `make nasty`
    assert played.wrong == []
