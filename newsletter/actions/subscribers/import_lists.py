"""Which lists the rows of a file of subscribers are for: by the column of our own exports, or by what the owner says.

`--map "Newsletter=tips"` is about the cells of any column without another use, such as groups and tags ("Newsletter, Fair
2019"), or about the column with this title, whose cells then say yes or no.
"""

from __future__ import annotations

import marshal
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import lru_cache
from tempfile import TemporaryFile
from typing import IO, Protocol, Self

from newsletter.actions.subscribers.erase import ERASED
from newsletter.domain.errors import InputError, UsageError
from newsletter.domain.lists import MailingList
from newsletter.domain.subscribers.csv_columns import Columns, StateColumn, UnknownCell
from newsletter.domain.subscribers.csv_states import SourceStatus, Topic, UnknownState, fold, strictest
from newsletter.domain.subscribers.imported import LeftOut, Reject, RejectedRow, StagedSubscriber, unescape_formula
from newsletter.domain.tips.list_map import known_list, plain_name

Chosen = Sequence[tuple[int, str]]
"""The lists of one row by their ids, each with the status that the row has there."""
MOST_VALUES = 200  # of one column, that a report can name
_SEPARATOR = re.compile(r"(?<!\\)[,;|]")  # Mailchimp writes a comma inside the name of a group as "\\,"
_TITLES = {
    word + s
    for word in (
        "group",
        "tag",
        "list",
        "interest",
        "segment",
        "newsletter",
        "audience",
        "categorie",
        "topic",
        "gruppe",
    )
    for s in ("", "s", "n")
} | {"category"}
_STATUS = 5  # its place in StagedSubscriber


class Chooser(Protocol):
    """Chooses the lists of each row. used: the indexes of the columns that say so. left_out: what was not imported."""

    used: set[int]

    def choose(self, line: int, cells: Sequence[str], status: str) -> Chosen:
        """Nothing for a row that is left out. Raises InputError, and UnknownCell."""
        ...

    def finish(self) -> list[LeftOut]:
        """What no list was named for. Raises UsageError for a name that the file does not have."""
        ...


@dataclass(frozen=True, slots=True)
class ListNames:
    """What is known about lists before a file is read.

    pairs: what the file says (without case and spaces), as it was written, and the list that this means. rest: the list of
    all other rows, if the owner named one. first: the list of rows that only say that somebody must get no email.
    """

    lists: Mapping[str, MailingList]
    first: int
    rest: int | None = None
    pairs: Mapping[str, tuple[str, int]] = field(default_factory=dict)

    @property
    def titles(self) -> list[str]:
        """The titles of columns that are about lists, if the file has them."""
        return [name for name, _ in self.pairs.values()]

    def columns_of(self, columns: Columns, rows: Iterable[Sequence[str]]) -> list[str]:
        """The titles of columns that ask for an agreement, such as "Newsletter", but whose cells name lists of `--map`."""
        asking = [column for column in columns.states if column.topic is Topic.AGREED]
        cells = [(column, row[column.index]) for row in rows for column in asking if column.index < len(row)]
        return list({column.title for column, cell in cells if not _is_answer(column, cell) and self._names(cell)})

    def advice(self, word: str) -> str:
        """What else to do about a cell that is not understood: it may be the name of a list."""
        return f'; or, if it says which newsletters they get: --map "{word}=KEY"' if len(self.lists) > 1 else ""

    def _names(self, cell: str) -> bool:
        return any(name in self.pairs for name, _ in _parts(cell))

    def chooser(self, columns: Columns, reject: Reject) -> Chooser | None:
        """None for a file that is about one list."""
        if self.pairs:
            return _ByName(self, columns)
        ours = next((at for at, title in columns.unused if title == "list"), -1) if columns.record >= 0 else -1
        return _ByKey(self, columns, ours, reject) if ours >= 0 and self.rest is None else None


def parse_names(written: Sequence[str], lists: Sequence[MailingList], first: int, rest: int | None) -> ListNames:
    """What `--map` and `--list` say. Raises UsageError."""
    known = {one.key: one for one in lists}
    pairs: dict[str, tuple[str, int]] = {}
    for each in written:
        name, _, key = (part.strip(" \"'") for part in each.rpartition("="))
        if not name or not key:
            raise UsageError(
                f"{each!r:.80} does not say which list a group or a tag belongs to",
                fix='Write what the file says, "=", and the key of the list, as in --map "Newsletter=tips"',
            )
        found = known[known_list(key, [one.key for one in lists if not one.retired_at], name)]
        if pairs.setdefault(plain_name(name), (name, found.id))[1] != found.id:
            raise UsageError(f"{name!r} is mapped to two lists", fix="Pass only one of them")
    return ListNames(known, first, rest, pairs)


class _ByKey:
    """By the column `list` of our own exports."""

    def __init__(self, names: ListNames, columns: Columns, at: int, reject: Reject) -> None:
        self._names, self._columns, self._at, self._reject = names, columns, at, reject
        self.used = {at}

    def choose(self, line: int, cells: Sequence[str], status: str) -> Chosen:
        """See `Chooser`."""
        key = unescape_formula(cells[self._at]).strip().lower()
        if not key:  # an address that is only suppressed
            return [(self._names.first, status)]
        found = self._names.lists.get(key)
        if found is None:
            raise InputError(
                f"there is no list {key[:60]!r}", line=line, fix=f"Add it: newsletter lists add {key[:40]} --title TEXT"
            )
        if found.retired_at and not cells[self._columns.record]:
            self._reject(RejectedRow(line, cells[self._columns.address][:320], f"the list {key} is retired"))
            return ()
        return [(found.id, status)]

    def finish(self) -> list[LeftOut]:
        """See `Chooser`."""
        return []


class _ByName:
    """By `--map`."""

    def __init__(self, names: ListNames, columns: Columns) -> None:
        self._names = names
        titled = {
            at: names.pairs[plain_name(title)]
            for at, title in enumerate(columns.titles)
            if plain_name(title) in names.pairs
        }
        self._titled = {at: (StateColumn(at, name, Topic.AGREED), list_id) for at, (name, list_id) in titled.items()}
        self._others = [at for at, _ in columns.unused if at not in titled]
        self._titles = dict(columns.unused)
        self.used = set(titled)
        self._found = {plain_name(name) for name, _ in titled.values()}
        self._values: dict[int, dict[str, LeftOut]] = {at: {} for at in self._others}
        self._nothing = LeftOut("", 0, 0)
        self._split = lru_cache(2_000)(_parts)

    def choose(self, line: int, cells: Sequence[str], status: str) -> Chosen:
        """See `Chooser`."""
        chosen: dict[int, str] = {}
        for at, (column, list_id) in self._titled.items():
            if said := _said(column, cells[at]):
                chosen[list_id] = strictest([SourceStatus(status), said]).value
        named = []
        for at in self._others:
            for name, shown in self._split(cells[at]):
                if name in self._names.pairs:
                    chosen.setdefault(self._names.pairs[name][1], status)
                    self.used.add(at)
                    self._found.add(name)
                else:
                    named.append((at, shown))
        for at, shown in named:
            self._note(at, shown, line)
        if chosen:
            return sorted(chosen.items())
        if self._names.rest is not None:
            return [(self._names.rest, status)]
        if status not in {SourceStatus.ACTIVE, SourceStatus.UNCONFIRMED}:
            return [(self._names.first, status)]
        self._nothing.rows += 1
        self._nothing.line = self._nothing.line or line
        return ()

    def finish(self) -> list[LeftOut]:
        """See `Chooser`."""
        for plain, (name, _) in self._names.pairs.items():
            if plain not in self._found:
                there_are = self._examples() or "No column has groups or tags"
                raise UsageError(f"--map: no row of this file says {name!r}", fix=there_are)
        values = [one for at in sorted(self.used & self._values.keys()) for one in self._values[at].values()]
        return [*values, self._nothing] if self._nothing.rows else values

    def _examples(self) -> str:
        """Cells of the columns that may be about lists: those with such a title, else those with few different cells."""
        columns = [at for at in self._others if set(re.findall("[a-z]+", self._titles[at].lower())) & _TITLES]
        columns = columns or sorted(self._others, key=lambda at: len(self._values[at]))[:2]
        shown = {self._titles[at]: [*self._values[at]][:8] for at in columns}
        return "; ".join(f"The column {title!r} says {', '.join(cells)}" for title, cells in shown.items() if cells)

    def _note(self, at: int, shown: str, line: int) -> None:
        values = self._values[at]
        if shown in values or len(values) < MOST_VALUES:
            values.setdefault(shown, LeftOut(shown, line, 0)).rows += 1


def _parts(cell: str) -> list[tuple[str, str]]:
    """(name without case and spaces, as it is written) of each group or tag in a cell: all of it, and its parts."""
    whole = unescape_formula(cell).strip(" \"'")
    parts = [part.replace("\\,", ",").strip(" \"'\\") for part in _SEPARATOR.split(whole)]
    return [(plain_name(one), one[:80]) for one in dict.fromkeys(parts) if one]


def _is_answer(column: StateColumn, cell: str) -> bool:
    try:
        column.read(cell)
    except UnknownState:
        return False
    return True


def _said(column: StateColumn, cell: str) -> SourceStatus | None:
    """What the cell of a column with the title of a list says; None if it is empty. Raises UnknownCell."""
    try:
        return SourceStatus.ACTIVE if fold(cell) == fold(column.title) and cell.strip() else column.read(cell)
    except UnknownState as error:
        raise UnknownCell(column, error.word) from None


class Spools:
    """The rows of several lists in temporary files, so that a million of them need no memory."""

    def __init__(self) -> None:
        self._files: dict[int, IO[bytes]] = {}
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def add(self, row: StagedSubscriber, chosen: Chosen) -> None:
        """Keep a row for each of its lists."""
        for list_id, status in chosen:
            if list_id not in self._files:
                self._files[list_id] = self._stack.enter_context(TemporaryFile())  # noqa: SIM115 - the stack does
            said = row[_STATUS] if row[_STATUS] == ERASED else status
            marshal.dump((*row[:_STATUS], said, *row[_STATUS + 1 :]), self._files[list_id])

    @property
    def lists(self) -> list[tuple[int, Iterable[StagedSubscriber]]]:
        """The rows by the id of their list; each may be read several times."""
        return [(list_id, _Rows(file)) for list_id, file in sorted(self._files.items())]


@dataclass(frozen=True, slots=True)
class _Rows:
    file: IO[bytes]

    def __iter__(self) -> Iterator[StagedSubscriber]:
        self.file.seek(0)
        while True:
            try:
                row: StagedSubscriber = marshal.load(self.file)  # noqa: S302 - our own file, which nobody else can open
            except EOFError:
                return
            yield row
