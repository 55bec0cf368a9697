"""When an import of subscribers must stop: state words under another title, notes, the name of the file, its encoding."""

from __future__ import annotations

import re
from collections.abc import Sequence

from newsletter.domain.errors import InputError
from newsletter.domain.subscribers.csv_columns import Columns, is_about_something_else
from newsletter.domain.subscribers.csv_states import CLEAR_WORDS, PLAN_WORDS, STATUS_BY_WORD, fold, yes_or_no
from newsletter.domain.subscribers.state_words import opt_outs

_MAX_VALUES = 50  # a column with more different values is no column of states
_NOTES_TOGETHER = 1_000
MAX_WORDS = 5  # how many unknown words of a column are worth reading on for

_FOR_NOBODY = re.compile(
    r"unsub|(?:non|not)[ _-]?subscri|opt(?:ed)?[ _-]?outs?\b|bounce|cleaned|suppress|bla?cklist|blocklist|complain|do[ _-]?not[ _-]?(?:e?mail|contact)"
    r"|abgemeldet|abmeldungen|abbestell|desuscri|descadastr|wypisan|odhl[aá][sš]|avregistrer|afmeld|avmeld|отпис|退会|解除|退订|d[eé]sabonn|d[eé]sinscri|disiscritt|uitgeschreven|dados?[ _-]?de[ _-]?baja",
    re.IGNORECASE,
)


def refuse_by_name(file_name: str, columns: Columns) -> None:
    """Tools export unsubscribed people to files of their own, which may say so only in their names."""
    if _FOR_NOBODY.search(file_name) and not columns.states:
        raise InputError(
            f"the name {file_name!r} seems to say that nobody in this file must be emailed, and no column says who may be",
            fix="Add a column named status that says unsubscribed in each row; or, if they may be emailed, rename the file",
        )


_GARBLED = re.compile(r"\ufffd|[\x80-\x9f]|[\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u00ff]{3}")


def refuse_garbled(titles: Sequence[str], line: int) -> None:
    """Raises InputError if the titles of a file cannot be read. line: of the header row.

    Text of another alphabet that was read as Windows-1252 has titles and states that nobody can understand.

    No language that Windows-1252 can write has three accented letters in a row, or a word without a plain letter.
    """
    for title in titles:
        letters = [char for char in title if char.isalpha()]
        foreign = len(letters) > 1 and all("\x7f" < char < "\u0180" for char in letters)
        if foreign or _GARBLED.search(title):
            raise InputError(
                f"the text of this file cannot be read; a column is called {title!r}",
                line=line,
                fix="Open the file in the program that wrote it, and save it as CSV UTF-8",
            )


class Watch:
    """Looks at unused columns, to notice states under another title, and notes that ask not to be emailed.

    Only the values of columns that have few of them are remembered.
    """

    def __init__(self, columns: Columns) -> None:
        self._titles = dict(columns.unused)
        self._ignored = {
            at for at, title in columns.unused if fold(title) in columns.ignored or is_about_something_else(title)
        }
        self._seen: dict[int, dict[str, int]] = {at: {} for at in self._titles if at not in self._ignored}
        self._waiting: dict[int, list[tuple[str, int]]] = {
            at: [] for at in self._seen
        }  # (value, line), not yet searched
        self._requests: dict[int, dict[str, int]] = {at: {} for at in self._seen}  # values that ask for no email
        self.watched = list(self._seen.items())  # (index, values) of each column

    def note(self, at: int, value: str, line: int) -> None:
        """Look at a value that is not remembered, and remember it unless the column has many."""
        seen, waiting = self._seen[at], self._waiting[at]
        if len(seen) <= _MAX_VALUES:
            seen[value] = line
        waiting.append((value, line))
        if len(waiting) >= _NOTES_TOGETHER:
            self._search(at)

    def _search(self, at: int) -> None:
        waiting, found = self._waiting[at], self._requests[at]
        found.update(waiting[index] for index in opt_outs([value for value, _ in waiting])[:MAX_WORDS])
        waiting.clear()

    def refuse_states(self) -> None:
        """Raises InputError if a column that was not used has state words."""
        for at, seen in self._seen.items():
            self._search(at)
            values = {value: line for value, line in seen.items() if value.strip()}
            words = {value: [fold(part) for part in re.split(r"[,;|/]", value)] for value in values}
            clear = [value for value, parts in words.items() if not CLEAR_WORDS.isdisjoint(parts)]
            states = [value for value in values if fold(value) in STATUS_BY_WORD and fold(value) not in PLAN_WORDS]
            if self._requests[at]:
                values, clear = self._requests[at], list(self._requests[at])
            if not clear and _is_mute(self._titles[at]) and values and all(map(_is_mark, values)):
                clear = list(values)
            if clear or (len(seen) <= _MAX_VALUES and states and 2 * len(states) >= len(values)):
                found = clear or states
                shown = ", ".join(f"{value.strip()[:80]!r} (line {values[value]})" for value in found[:MAX_WORDS])
                refuse(self._titles[at], f"and its title is not understood: {shown}")


def _is_mute(title: str) -> bool:
    """Does a title say nothing that we can read: none at all, or one in another alphabet?"""
    return not re.search(r"[A-Za-z]", title) or re.fullmatch(r"column \d+", title) is not None


def _is_mark(value: str) -> bool:
    return not value.strip().isdecimal() and yes_or_no(value) is not None


def refuse(title: str, what: str, also: str = "") -> None:
    """Raises InputError. title: of the column; what: is wrong with it, as the end of a sentence. also: another way out."""
    raise InputError(
        f"the column {title!r} seems to say who may get email, {what}",
        fix="Change these cells to active, unconfirmed, unsubscribed or cleaned and the title to status; or, if nothing"
        f' in that column means "do not email this person", pass --ignore-column {_quoted(title)}{also}',
    )


def _quoted(title: str) -> str:
    return title if re.fullmatch(r"[\w.-]+", title) else f'"{title}"'
