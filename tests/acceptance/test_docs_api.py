"""docs/api.md: it has every command of the program, and the keys it names are those that `--json` prints."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.conftest import Command

CHECKOUT = Path(__file__).resolve().parents[2]
PAGE = (CHECKOUT / "docs/api.md").read_text(encoding="utf-8")
REFERENCE = (CHECKOUT / "docs/reference/commands.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| (.+?) \| (.+) \|$", PAGE, re.MULTILINE))
OF_A_LIST = ("calendar", "issues", "tips", "subscribers")
WITHOUT_JSON = {"run", "web", "demo", "completion"}


def words(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def keys_of(name: str) -> set[str]:
    """The keys in the row of a command or an object; those after a semicolon come only in some cases."""
    return set(words(ROWS[name].partition(";")[0]))


def test_every_command_is_on_the_page() -> None:
    found = re.findall(r"^## newsletter ([a-z]+(?: [a-z-]+)?)", REFERENCE, re.MULTILINE)
    commands = {command for command in found if command.split()[0] not in WITHOUT_JSON}
    listed = {command for cell in ROWS for command in words(cell)}

    assert commands - listed == set()


def test_the_keys_on_the_page_are_those_of_the_program(newsletter: Command, home: Path) -> None:
    def printed(command: str, *more: str) -> dict[str, object]:
        done = newsletter(*command.split(), *more, "--json")
        assert done.stdout, done.stderr
        document: dict[str, object] = json.loads(done.stdout)
        if command.split(maxsplit=1)[0] in OF_A_LIST:
            assert document.pop("list") == "tips"
        return document

    tips = printed("tips list")["tips"]
    assert isinstance(tips, list)
    tip, subscriber = keys_of("a tip (`tips list`, `tips show`, `tips retire`, `tips move`)"), keys_of("a subscriber")
    key = tips[0]["key"]
    assert set(tips[0]) == tip
    assert set(printed("tips show", key)) == keys_of("`tips show`") | tip - {"list"}
    assert set(printed("subscribers add", "ada@host.example", "--confirmed", "--source", "a test")) == keys_of(
        "`subscribers add`"
    )
    assert set(printed("subscribers show", "ada@host.example")) == keys_of("`subscribers show`") | subscriber
    assert set(printed("issues send", "--now")) == keys_of("an issue") | {"notes"}
    assert set(printed("calendar simulate", "--years", "1", "--readers", "5")) == keys_of("`calendar simulate`")
    for command in ("doctor", "config show", "db status", "calendar", "calendar runway", "issues next", "issues list",
                    "subscribers list", "subscribers stats", "suppressions list", "templates list", "form", "lists list"):  # fmt: skip
        assert set(printed(command)) == keys_of(f"`{command}`"), command
    assert set(printed("issues deliveries", "1")) == keys_of("`issues deliveries`")
    assert set(printed("issues preview")) == keys_of("`issues preview`")
    assert set(printed("tips why", key)) == keys_of("`tips why` of a tip")
    assert set(printed("tips why", "2026-12-22")) == keys_of("`tips why` of a date")
    assert set(printed("tips rerun", key)) == keys_of("`tips rerun`")
    assert set(printed("db backup", str(home / "b.db"))) == keys_of("`db backup`")
    shown = printed("lists show", "tips")["list"]
    assert isinstance(shown, dict)
    assert set(shown) == keys_of("a list (`lists list`)") | {"description", "own", "statuses"}
    found = printed("doctor")["checks"]
    assert isinstance(found, list)
    assert set(found[0]) == keys_of("a check (`doctor`)")
