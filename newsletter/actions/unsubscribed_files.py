"""Unsubscribe everyone in a file: a list or table of addresses, unsubscribe links, or the log of a web server.

The owner says that these people unsubscribed, so that wins over every time in the file and in the database.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path

from newsletter.actions.subscribers.import_rows import RowOptions, RowReader
from newsletter.actions.subscribers.import_subscribers import erasures, read_lines
from newsletter.actions.subscribers.unsubscribe import end_all, end_subscription, open_link
from newsletter.domain.csv_records import SkippedLines
from newsletter.domain.errors import BadToken, InputError, SampleLink
from newsletter.domain.subscribers.csv_states import SourceStatus
from newsletter.domain.subscribers.imported import ImportOptions, RejectedRow, StagedSubscriber
from newsletter.domain.subscribers.subscriber import Consent
from newsletter.domain.subscribers.subscription import ON_THE_LIST, Status, Verdict
from newsletter.mail.tokens import Signer
from newsletter.ports.clock import Clock
from newsletter.ports.store import Store, Tx

AT_ONCE = 50  # people in one transaction
_LINK = re.compile(r"/u/([A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)+)")
_METHOD = re.compile(r"\b(GET|HEAD|OPTIONS|POST)\b")


@dataclass(frozen=True, slots=True)
class UnsubscribedFile:
    """What a list of unsubscribed people changed.

    unsubscribed: subscribers who got email until now, or would have after a confirmation; also those whose quarterly email
    ended. unknown: addresses that are now recorded as unsubscribed. already: people who got no email before. active: rows
    that the file itself calls active; they were left out.
    """

    unsubscribed: int
    unknown: int
    already: int
    active: int
    rejected: tuple[RejectedRow, ...]
    skipped: tuple[SkippedLines, ...]


@dataclass(frozen=True, slots=True)
class _Link:
    """An unsubscribe link. method: of the request in a log; "" in a list of links."""

    line: int
    token: str
    method: str


@dataclass(frozen=True, slots=True)
class UnsubscribedFiles:
    """Reads such files. make_key: a fresh subscriber key at each call."""

    store: Store
    signer: Callable[[], Signer]
    make_key: Callable[[], str]
    clock: Clock

    def unsubscribe(self, path: Path) -> UnsubscribedFile:
        """Unsubscribe everyone in a file, for ever or until the person signs up again.

        A file with a column of states is read as an import reads it, and its active rows are left out. Unknown addresses
        are recorded, so that no later import makes them active. Raises InputError, also if the file names nobody; OSError
        becomes one.
        """
        try:
            with path.open(encoding="utf-8", errors="replace") as log:  # any text, also JSON
                links = _links(log)
            if links:
                return self._follow(links, path)
            done, number = self._import(path)
        except InputError as error:
            error.source = error.source or str(path)
            raise
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror}", source=str(path)) from None
        if not (number or done.active or done.rejected or done.skipped):
            fix = "Check the file; if nobody unsubscribed, leave out --unsubscribed"
            raise InputError("there is no address in this file", source=str(path), fix=fix)
        return done

    # -- addresses ---------------------------------------------------------------------------------

    def _import(self, path: Path) -> tuple[UnsubscribedFile, int]:
        now, rejected, skipped, left_out = self.clock(), list[RejectedRow](), list[SkippedLines](), [0]
        is_erased = erasures(self.store, self.signer())
        reader = RowReader(RowOptions(rejected.append, skipped.append, self.make_key, is_erased, now))
        quarterly, ended = self._quarterly(), dict[int, None]()
        elsewhere = dict[str, bool]()
        with self.store.read() as tx:
            several = len(tx.lists.each(retired=True)) > 1

        def rows() -> Iterator[StagedSubscriber]:
            nonlocal elsewhere
            for row in _as_unsubscribed(reader, read_lines(path), left_out):
                if (found := quarterly.get(row[2])) and (row[8] is None or row[8] > found[1]):
                    ended[found[0]] = None
                # Without the time in the file: it would lose against a confirmation, and may be in another time zone.
                if several and (found_elsewhere := self._elsewhere(row[2])):
                    elsewhere |= found_elsewhere
                yield (*row[:8], None, *row[9:])

        before, proof = self._counts(), _proof(path)
        counts = self.store.import_staged(rows(), ImportOptions(proof, now))
        with self.store.write() as tx:
            for number in ended:
                tx.subscribers.change(number, quarterly_at=None)
                tx.subscribers.log_consent(number, Consent(now, "no-quarterly", proof))
        others, wanted = 0, iter(elsewhere.items())
        while some := list(islice(wanted, AT_ONCE)):
            with self.store.write(after_others=True) as tx:
                others += sum(bool(end_all(tx, key, proof, now)) and not is_counted for key, is_counted in some)
        after = self._counts()
        unknown, gone = after[0] - before[0], before[1] - after[1]
        in_all = counts.suppressed + counts.left
        already = max(in_all - unknown - gone - len(ended), 0)
        done = UnsubscribedFile(
            gone + len(ended) + others, unknown, already, left_out[0], tuple(rejected), tuple(skipped)
        )
        return done, in_all

    def _elsewhere(self, address_key: str) -> dict[str, bool]:
        """The key of somebody who gets another list, and whether they get this one, too, and are counted there."""
        with self.store.read() as tx:
            person = tx.subscribers.by_address(address_key)
            found = tx.subscribers.subscriptions(person.id) if person else []
            lists = {one.list_id for one in found if one.quarterly_at or one.status in (*ON_THE_LIST, Status.PENDING)}
        return {person.key: tx.list_id in lists} if person and lists - {tx.list_id} else {}

    def _quarterly(self) -> dict[str, tuple[int, str]]:
        """(id, time of the consent as in a staged row) of those who unsubscribed and get a quarterly email."""
        with self.store.read() as tx:
            return {
                one.address_key: (one.id, one.quarterly_at.replace(tzinfo=None).isoformat(" ", "microseconds"))
                for one in tx.subscribers.each(Status.UNSUBSCRIBED)
                if one.quarterly_at
            }

    def _counts(self) -> tuple[int, int]:
        """(subscribers in all, those who could get an email, now or after a pause or a confirmation)."""
        with self.store.read() as tx:
            counts = tx.subscribers.count()
        return sum(counts.values()), sum(counts.get(one, 0) for one in ("confirmed", "paused", "pending"))

    # -- links -------------------------------------------------------------------------------------

    def _follow(self, links: Iterable[_Link], path: Path) -> UnsubscribedFile:
        """Do what the links would have done, without emails; in a log, only requests of the method POST did anything."""
        now, signer, proof, rejected = self.clock(), self.signer(), _proof(path), list[RejectedRow]()
        keys = dict[tuple[str, int], None]()
        for link in links:
            try:
                if link.method in ("", "POST"):
                    opened = open_link(signer, link.token)
                    keys.update(dict.fromkeys((opened.subscriber_key, one) for one in (opened.list_id, *opened.more)))
            except SampleLink:
                continue
            except BadToken as error:  # every web server is asked for addresses that it does not have
                if not link.method:
                    rejected.append(RejectedRow(link.line, link.token, str(error)))
        gone, wanted = 0, iter(keys)
        while some := list(islice(wanted, AT_ONCE)):
            with self.store.write(after_others=True) as tx:
                gone += sum(self._end(tx.of_list(list_id), key, proof, now) for key, list_id in some)
        return UnsubscribedFile(gone, 0, len(keys) - gone, 0, tuple(rejected), ())

    @staticmethod
    def _end(tx: Tx, key: str, proof: str, now: datetime) -> bool:
        """End everything of this list that somebody with this key gets; False if they got nothing."""
        subscriber = tx.subscribers.by_key(key)
        if subscriber is None:
            return False
        done = end_subscription(tx, subscriber, proof, now).verdict is Verdict.DO
        if subscriber.quarterly_at:
            tx.subscribers.change(subscriber.id, quarterly_at=None)
            tx.subscribers.log_consent(subscriber.id, Consent(now, "no-quarterly", proof))
        return done or subscriber.quarterly_at is not None


def _links(lines: Iterable[str]) -> list[_Link]:
    """The unsubscribe links of a log, or of a list that has nothing else; [] for a file of addresses."""
    found, is_list = [], True
    for number, line in enumerate(lines, 1):
        match, method = _LINK.search(line), _METHOD.search(line)
        if match:
            found.append(_Link(number, match[1], method[1] if method else ""))
        is_list = is_list and ((bool(match) and "@" not in line) or not line.strip() or line.startswith("#"))
    return found if is_list or any(link.method for link in found) else []


def _as_unsubscribed(reader: RowReader, lines: Iterable[str], left_out: list[int]) -> Iterator[StagedSubscriber]:
    """The rows as unsubscribed ones; in a file with states, those that are unsubscribed or bounced."""
    for row in reader.read(lines):
        status = row[5]
        if status in (SourceStatus.ACTIVE.value, SourceStatus.UNCONFIRMED.value):
            if reader.columns and reader.columns.states:
                left_out[0] += 1
                continue
            status = SourceStatus.UNSUBSCRIBED.value
        yield (*row[:5], status, *row[6:11], None, None)


def _proof(path: Path) -> str:
    return f"unsubscribed after a backup: {path.name}"
