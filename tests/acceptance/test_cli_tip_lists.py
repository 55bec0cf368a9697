"""`newsletter tips import --map` and `newsletter tips assign`, as an owner of two lists uses them."""

from __future__ import annotations

import json
from pathlib import Path

from tests.conftest import Command

FIXTURES = Path(__file__).parents[1] / "fixtures" / "archive"
IMPORT = ("tips", "import", str(FIXTURES))


def test_two_streams_of_a_blog_become_two_lists(newsletter: Command) -> None:
    one_list = newsletter(*IMPORT).stdout + newsletter(*IMPORT, "--help").stdout
    assert [word for word in ("--map", "--list", "lists") if word in one_list] == []

    unknown = newsletter(*IMPORT, "--map", "Trade Advice=trade")
    assert (unknown.returncode, unknown.stderr) == (
        2,
        (
            "newsletter: there is no list 'trade'. The only list is tips. To add one, run: "
            'newsletter lists add trade --title "Trade Advice"\n'
        ),
    )
    newsletter("lists", "add", "trade", "--title", "Trade Advice", "--schedule", "thu 09:00")
    shown = " ".join(
        newsletter(*IMPORT, "--map", " trade advice = trade", "--map", "Tipps=tips", "--dry-run").stdout.split()
    )
    categories = "Health, Markets, Milling, Tip of the Kitchen, Trade Advice."
    assert "lists 9 in tips" in shown
    assert f"--map: no post has the category 'Tipps'; the categories are {categories}" in shown
    assert "3 tips are in the list tips already. To move them, run: newsletter tips assign from-" in shown

    moved = newsletter(*shown[shown.index("newsletter tips assign") :].split()[1:], "--json")
    assert [(tip["was_in"], tip["list"]) for tip in json.loads(moved.stdout)["tips"]] == [("tips", "trade")] * 3

    key = "the-day-old-question"
    assert json.loads(newsletter("tips", "pin", key, "--on", "next thu", "--json").stdout)["list"] == "trade"
    assert newsletter("tips", "unpin", key, "--list", "tips").stderr == (
        f"newsletter: {key} is in the list trade, not in tips. Leave --list out, or move it: newsletter tips assign {key} "
        "--list tips\n"
    )
