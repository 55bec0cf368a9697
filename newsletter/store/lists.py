"""The lists: the SQL of the table `mailing_list`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import func, text
from sqlmodel import Field, Session, SQLModel, col, select, true

from newsletter.domain.errors import NotFound
from newsletter.domain.lists import FIRST_LIST, FROM_SETTINGS, MOST, MailingList, Order
from newsletter.store.sqlite.columns import at


def _own() -> Any:
    return Field(default="", sa_column_kwargs={"server_default": ""})


class MailingListRow(SQLModel, table=True):
    """A list. The columns of FROM_SETTINGS are texts as they would be written in .env, "" for those that are inherited."""

    __tablename__ = "mailing_list"

    id: int | None = Field(default=None, primary_key=True)
    key: str = Field(unique=True)
    position: int
    title: str = _own()
    description: str = _own()
    from_address: str = _own()
    reply_to: str = _own()
    color: str = _own()
    logo: str = _own()
    schedule: str = _own()
    timezone: str = _own()
    late_window: str = _own()
    approval: str = _own()
    first_issue: str = _own()
    order_by: str = Field(default=Order.TOGETHER.value, sa_column_kwargs={"server_default": Order.TOGETHER.value})
    then_list: str = _own()
    again_after: str = _own()
    onboarding: str = _own()
    public: bool = Field(default=True, sa_column_kwargs={"server_default": text("1")})
    added_at: datetime | None = at(null=True)
    retired_at: datetime | None = at(null=True)


class SqlLists:
    """Implements ports.lists.Lists on one session."""

    def __init__(self, session: Session, list_id: int) -> None:
        self._session, self._list_id = session, list_id

    def mine(self) -> MailingList:
        """The list that this transaction sees."""
        return _read(self._session.get_one(MailingListRow, self._list_id))

    def shown_key(self, list_id: int | None = None) -> str:
        """See ports.lists."""
        wanted = self._list_id if list_id is None else list_id
        row = self._session.get(MailingListRow, wanted) if FIRST_LIST < wanted <= MOST else None
        return row.key if row else ""

    def each(self, *, retired: bool = False) -> list[MailingList]:
        """The lists in their order. retired: those as well."""
        active = true() if retired else col(MailingListRow.retired_at).is_(None)
        rows = self._session.exec(select(MailingListRow).where(active).order_by(col(MailingListRow.position)))
        return [_read(row) for row in rows]

    def get(self, key: str) -> MailingList:
        """Raises NotFound."""
        row = self._session.exec(select(MailingListRow).where(MailingListRow.key == key.strip().lower())).first()
        if row is None:
            keys = ", ".join(one.key for one in self.each())
            raise NotFound(
                f"there is no list {key[:60]!r}; there are: {keys}",
                fix="To add one: newsletter lists add KEY --title TEXT",
            )
        return _read(row)

    def add(self, new: MailingList, now: datetime) -> MailingList:
        """Insert a list after the others."""
        last = self._session.exec(select(func.max(MailingListRow.id), func.max(MailingListRow.position))).one()
        row = MailingListRow(id=(last[0] or 0) + 1, key=new.key, position=(last[1] or 0) + 1, added_at=now)
        _set(row, new)
        self._session.add(row)
        self._flush()
        return _read(row)

    def write(self, changed: MailingList) -> None:
        """Replace everything but the id and the key."""
        row = self._session.get_one(MailingListRow, changed.id)
        _set(row, changed)
        row.retired_at, row.position = changed.retired_at, changed.position
        self._flush()

    def _flush(self) -> None:
        """Pages show lists, so a change raises the version that their caches depend on."""
        self._session.flush()
        self._session.connection().exec_driver_sql("UPDATE library SET version = version + 1")


def _column(setting: str) -> str:
    return "from_address" if setting == "from_" else setting


def _set(row: MailingListRow, values: MailingList) -> None:
    for setting in FROM_SETTINGS:
        setattr(row, _column(setting), values.own.get(setting, ""))
    row.description, row.order_by, row.public = values.description, values.order.value, values.public
    row.then_list, row.again_after, row.onboarding = values.then, values.again_after, values.onboarding


def _read(row: MailingListRow) -> MailingList:
    texts = {setting: getattr(row, _column(setting)) for setting in FROM_SETTINGS}
    return MailingList(
        id=row.id or 0,
        key=row.key,
        position=row.position,
        own={setting: value for setting, value in texts.items() if value},
        description=row.description,
        order=Order(row.order_by),
        then=row.then_list,
        again_after=row.again_after,
        onboarding=row.onboarding,
        public=row.public,
        added_at=row.added_at,
        retired_at=row.retired_at,
    )
