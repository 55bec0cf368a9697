"""Find the tip that somebody means, by its key or its title."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches


def find_key(name: str, titles: Mapping[str, str]) -> str | None:
    """The key with this name, or else of the only tip with this title; None if there is none. titles: by key."""
    if name in titles:
        return name
    found = [key for key, title in titles.items() if _plain(title) == _plain(name)]
    return found[0] if len(found) == 1 else None


def nearest_keys(name: str, titles: Mapping[str, str]) -> list[str]:
    """The keys of up to three tips whose key or title is most like this name."""
    keys = {_plain(key): key for key in titles} | {_plain(title): key for key, title in titles.items()}
    wanted = _plain(name)
    near = [keys[like] for like in get_close_matches(wanted, keys, n=3, cutoff=0.6)]
    inside = [key for words, key in keys.items() if len(wanted) > 3 and wanted in words]
    return list(dict.fromkeys([*near, *inside]))[:3]


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))
