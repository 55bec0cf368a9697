"""Adopt a held database: what is not known since its backup, and what must not be sent because of that.

The rule is: if the original may have sent it already, it is not sent by itself. Slots that have begun since the backup are
skipped, and their tips count as sent; open issues are paused; queued emails and reminders of that time are dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from newsletter.actions.calendar.plan import Rules, choice_for, is_over, is_skipped
from newsletter.actions.owner.reports import PAUSED
from newsletter.actions.unsubscribed_files import UnsubscribedFile, UnsubscribedFiles
from newsletter.domain.calendar.overrides import Override, SlotOverride
from newsletter.domain.calendar.quarterly import Quarter
from newsletter.domain.delivery.issue import IssueEvent, IssueState
from newsletter.domain.slot_days import WEEK
from newsletter.mail.tokens import Signer
from newsletter.ports.clock import Clock
from newsletter.ports.store import Store, Tx

_FARTHEST = timedelta(days=2 * 365)  # slots before that are not looked at
_WHY = "it may have been sent after the backup"


@dataclass(frozen=True, slots=True)
class Unknown:
    """What a held database does not know. why: of the hold, "" without one. since: None for a copy that is not older.

    slots: those of all lists that have begun since then without an issue here. waiting: queued emails of that time. sending:
    the ids of the issues that were being sent.
    """

    why: str
    since: datetime | None
    slots: tuple[date, ...] = ()
    waiting: int = 0
    sending: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Adopted:
    """What was done. slots: skipped. paused: ids of issues. dropped: queued emails that are not sent."""

    slots: tuple[date, ...]
    paused: tuple[int, ...]
    dropped: int


@dataclass(frozen=True, slots=True)
class Adoption:
    """Ends the hold of one database. rules_of: those of each list by its id. make_key: a fresh subscriber key at each call."""

    store: Store
    rules_of: Callable[[], Mapping[int, Rules]]
    signer: Callable[[], Signer]
    make_key: Callable[[], str]
    clock: Clock

    def unknown(self, sent_through: date | None = None) -> Unknown:
        """What is not known. sent_through: the last slot that the original may have sent; now, unless it is given."""
        why, since = self.store.hold_reason(), self.store.known_until()
        if not why:
            return Unknown("", None)
        rules_of = self.rules_of()
        with self.store.read() as tx:
            waiting = tx.maintenance.emails_waiting(since) if since else 0
            views = [(tx.of_list(list_id), rules) for list_id, rules in rules_of.items()]
            sending = [number for view, _ in views for number in _sending(view)] if since or sent_through else []
            slots = {slot for view, rules in views for slot in self._slots(view, rules, since, sent_through)}
            return Unknown(why, since, tuple(sorted(slots)), waiting, tuple(sending))

    def unsubscribe(self, path: Path) -> UnsubscribedFile:
        """Unsubscribe everyone in a file; see `UnsubscribedFiles`."""
        return UnsubscribedFiles(self.store, self.signer, self.make_key, self.clock).unsubscribe(path)

    def adopt(self, sent_through: date | None = None) -> Adopted:
        """Send from this database from now on; see `unknown`."""
        now, since, rules_of = self.clock(), self.store.known_until(), self.rules_of()
        found, paused = set[date](), list[int]()
        with self.store.write() as tx:
            dropped = tx.maintenance.drop_emails(since, now) if since else 0
            if since:
                tx.maintenance.skip_reminders(datetime.min.replace(tzinfo=UTC), now)
            for list_id, rules in rules_of.items():
                view = tx.of_list(list_id)
                slots = self._slots(view, rules, since, sent_through)
                paused += self._pause(view, now) if since or sent_through else []
                if since:
                    self._pass_quarter(view, rules, since, now)
                for slot in slots:
                    self._pass_slot(view, rules, slot, now)
                found |= set(slots)
        self.store.adopt(now)
        return Adopted(tuple(sorted(found)), tuple(paused), dropped)

    # -- steps -------------------------------------------------------------------------------------

    def _slots(self, tx: Tx, rules: Rules, since: datetime | None, sent_through: date | None) -> list[date]:
        now, schedule = self.clock(), rules.schedule
        if since is None and sent_through is None:
            return []
        begin = max(since or now - WEEK, now - _FARTHEST)
        found, slot = [], schedule.next_slot(begin)
        while schedule.starts_at(slot) <= now and (sent_through is None or slot <= sent_through):
            if not is_over(tx.issues.for_slot(slot)) and not is_skipped(tx, slot):
                found.append(slot)
            slot = schedule.after(slot)
        return found

    def _pass_slot(self, tx: Tx, rules: Rules, slot: date, now: datetime) -> None:
        issue = tx.issues.for_slot(slot)
        if issue and issue.state in (IssueState.SENDING, IssueState.PAUSED):
            return
        tip = (issue.tip_key if issue else None) or choice_for(tx, rules, slot).tip
        if issue and issue.state in (IssueState.PLANNED, IssueState.PREPARING):
            tx.issues.change(issue.number, IssueEvent.CANCEL, now, reason=_WHY)
        if tip:
            tx.maintenance.count_as_sent(tx.tips.get(tip).card.id, slot)
        tx.calendar.set_override(slot, SlotOverride(Override.SKIP, _WHY))

    def _pause(self, tx: Tx, now: datetime) -> list[int]:
        numbers = _sending(tx)
        for number in numbers:
            tx.calendar.mark_notified(PAUSED, str(number), now)
            tx.issues.change(number, IssueEvent.PAUSE, now, reason=_WHY)
        return numbers

    def _pass_quarter(self, tx: Tx, rules: Rules, since: datetime, now: datetime) -> None:
        schedule = rules.schedule
        quarter = Quarter.of(schedule.day_of(now))
        due_at = quarter.due_at(schedule)
        ran = tx.issues.ran_between(quarter.before.first, quarter.first - timedelta(days=1))
        if since < due_at <= now and ran and tx.issues.for_quarter(str(quarter)) is None:
            issue = tx.issues.plan_quarter(str(quarter), ran[0].tip_id, due_at, now)
            tx.issues.change(issue.number, IssueEvent.CANCEL, now, reason=_WHY)


def _sending(tx: Tx) -> list[int]:
    return [issue.number for issue in tx.issues.open() if issue.state is IssueState.SENDING]
