"""What the calendar needs, in the database: plans of tips, overrides, notifications of the owner, and heartbeats.

`domain.calendar.choose` decides which tip is sent when.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date, datetime
from functools import lru_cache

from sqlalchemy import ColumnElement, func
from sqlmodel import Field, Session, SQLModel, col, delete, select, text

from newsletter.domain.calendar.overrides import Extra, Override, SlotOverride
from newsletter.domain.calendar.plan import TipPlan
from newsletter.domain.delivery.heartbeat import HeartbeatCall
from newsletter.domain.lists import FIRST_LIST
from newsletter.domain.subscribers.subscriber import ListGrowth
from newsletter.domain.tips.rerun_rule import parse_months, parse_rerun
from newsletter.domain.tips.season_rule import parse_rule
from newsletter.domain.tips.tip import TipState
from newsletter.store.lists import MailingListRow
from newsletter.store.sqlite.columns import at
from newsletter.store.subscriptions import SubscriptionRow
from newsletter.store.tables import (
    Consent,
    Library,
    OwnerNotified,
    SlotOverrideRow,
    Tip,
    UnsubscribeRow,
)
from newsletter.store.tip_history import days_of, runs_here
from newsletter.store.tips import SqlTips

_read_season = lru_cache(maxsize=4096)(parse_rule)
_read_rerun = lru_cache(maxsize=4096)(parse_rerun)
_read_months = lru_cache(maxsize=4096)(parse_months)


class HeartbeatRow(SQLModel, table=True):
    """The heartbeat of a slot. next_attempt_at: None once it succeeded or was given up. reply: why it failed."""

    __tablename__ = "watchdog_call"

    list_id: int = Field(primary_key=True)
    slot: date = Field(primary_key=True)
    attempts: int = 0
    next_attempt_at: datetime | None = at(null=True)
    done_at: datetime | None = at(null=True)
    reply: str = ""


class SqlCalendar:
    """Implements ports.calendar.Calendar on one session."""

    def __init__(self, session: Session, list_id: int) -> None:
        self._session, self._list_id = session, list_id

    def plans(self) -> list[TipPlan]:
        """Every tip with its rules and its runs, in queue order; two queries."""
        runs = runs_here(self._session)
        columns = (
            Tip.id, Tip.key, Tip.title, Tip.position, Tip.complete, Tip.state, Tip.season, Tip.series, Tip.part,
            Tip.pin_on, Tip.pin_at, Tip.rerun, Tip.months, Tip.fallback, Tip.published_on, Tip.starter, Tip.earlier_runs, Tip.problem,
        )  # fmt: skip
        query = select(*columns).where(Tip.list_id == self._list_id)  # type: ignore[call-overload]
        rows = self._session.connection().execute(query.order_by(col(Tip.position), col(Tip.id)))
        return [
            TipPlan(
                key=row.key,
                title=row.title,
                position=row.position,
                complete=row.complete,
                state=TipState(row.state),
                season=_read_season(row.season) if row.season else None,
                series=row.series,
                part=row.part,
                pin=row.pin_on,
                pin_at=row.pin_at,
                rerun=_read_rerun(row.rerun),
                months=_read_months(row.months),
                fallback=row.fallback,
                runs=tuple(sorted(runs[row.id].union(days_of(row.earlier_runs), filter(None, [row.published_on])))),
                starter=row.starter,
                problem=row.problem,
            )
            for row in rows
        ]

    def ready_at(self) -> datetime | None:
        """When the list was set up and had its first subscriber; None if that is not known."""
        of_list = select(Consent.at).where(Consent.list_id == self._list_id)
        if self._list_id == FIRST_LIST:
            made = self._session.exec(select(Library.set_up_at)).first()
        else:
            made = self._session.get_one(MailingListRow, self._list_id).added_at
            of_list = of_list.where(text("list_id <> 1"))  # for the index of the other lists
        first = self._session.exec(of_list.order_by(col(Consent.id)).limit(1)).first()
        return max(made, first or made) if made else None

    def pin(self, key: str, slot: date | None, at: datetime | None = None) -> None:
        """Pin a tip to a slot, or to a moment of that day, or unpin it (None); raises NotFound."""
        SqlTips(self._session, self._list_id).pin(key, slot, at)

    def extras_until(self, now: datetime) -> list[Extra]:
        """The extra issues whose time has come, in the order of their times."""
        query = select(Tip).where(Tip.list_id == self._list_id, col(Tip.pin_at).is_not(None), col(Tip.pin_at) <= now)
        return [
            Extra(tip.key, tip.title, tip.pin_on, tip.pin_at, tip.complete and tip.state != TipState.RETIRED)
            for tip in self._session.exec(query.order_by(col(Tip.pin_at), col(Tip.id)))
            if tip.pin_on and tip.pin_at
        ]

    def overrides(self) -> Mapping[date, SlotOverride]:
        """Every override, including those of past slots."""
        return {
            row.slot: SlotOverride(Override(row.wish), row.about, row.words)
            for row in self._session.exec(select(SlotOverrideRow).where(SlotOverrideRow.list_id == self._list_id))
        }

    def set_override(self, slot: date, override: SlotOverride | None) -> None:
        """Replace the override of a slot, or remove it (None)."""
        of_list = col(SlotOverrideRow.list_id) == self._list_id
        self._session.exec(delete(SlotOverrideRow).where(of_list, col(SlotOverrideRow.slot) == slot))
        if override:
            row = SlotOverrideRow(
                list_id=self._list_id, slot=slot, wish=override.kind.value, about=override.about, words=override.words
            )
            self._session.add(row)
        self._session.flush()

    # -- notifications of the owner ------------------------------------------------------------

    def was_notified(self, what: str, about: str) -> bool:
        """Was the owner notified of this?"""
        return self._session.get(OwnerNotified, (self._list_id, what, about)) is not None

    def mark_notified(self, what: str, about: str, now: datetime) -> bool:
        """Record a notification; False if it was recorded before."""
        if self.was_notified(what, about):
            return False
        self._session.add(OwnerNotified(list_id=self._list_id, what=what, about=about, at=now))
        self._session.flush()
        return True

    def notified(self, what: str) -> dict[str, datetime]:
        """When each thing of one kind was recorded."""
        rows = self._session.exec(select(OwnerNotified).where(*self._told(what)))
        return {row.about: row.at for row in rows}

    def clear_notified(self, what: str, *, keep: str = "", only: str = "") -> None:
        """Forget the notifications of one kind, but for `keep`, or just `only`."""
        which = col(OwnerNotified.about) == only if only else col(OwnerNotified.about) != keep
        self._session.exec(delete(OwnerNotified).where(*self._told(what), which))
        self._session.flush()

    def _told(self, what: str) -> tuple[ColumnElement[bool], ...]:
        return col(OwnerNotified.list_id) == self._list_id, col(OwnerNotified.what) == what

    # -- heartbeats ----------------------------------------------------------------------------

    def heartbeat_of(self, slot: date) -> HeartbeatCall | None:
        """The heartbeat of a slot, if there was one."""
        row = self._session.get(HeartbeatRow, (self._list_id, slot))
        return _call(row) if row else None

    def last_heartbeat(self) -> HeartbeatCall | None:
        """The heartbeat of the newest slot that has one."""
        row = self._session.exec(
            select(HeartbeatRow)
            .where(HeartbeatRow.list_id == self._list_id)
            .order_by(col(HeartbeatRow.slot).desc())
            .limit(1)
        ).first()
        return _call(row) if row else None

    def write_heartbeat(self, call: HeartbeatCall) -> None:
        """Insert the heartbeat of a slot, or replace it."""
        self._session.merge(HeartbeatRow(list_id=self._list_id, **asdict(call)))
        self._session.flush()

    # -- subscribers ---------------------------------------------------------------------------

    def list_growth(self, since: datetime, until: datetime) -> ListGrowth:
        """How many subscribers confirmed, and how many unsubscribed, in this time."""
        joined = select(func.count()).where(
            SubscriptionRow.list_id == self._list_id,
            col(SubscriptionRow.confirmed_at) > since,
            col(SubscriptionRow.confirmed_at) <= until,
        )
        left = select(func.count()).where(
            UnsubscribeRow.list_id == self._list_id, col(UnsubscribeRow.at) > since, col(UnsubscribeRow.at) <= until
        )
        return ListGrowth(joined=self._session.exec(joined).one(), left=self._session.exec(left).one())


def _call(row: HeartbeatRow) -> HeartbeatCall:
    return HeartbeatCall(row.slot, row.attempts, row.next_attempt_at, row.done_at, row.reply)
