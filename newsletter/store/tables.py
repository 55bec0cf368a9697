"""The tables, as SQLModel classes. Rows do not validate their values, so only checked values may be written.

The module that contains the SQL of a table has the name of its noun. The full-text index `tip_search` and the triggers are
only in the migrations, since no table class can express them. Some are in `subscriptions`, `signup_limits`, `substitutes`, and `pictures`.
"""

from datetime import date, datetime
from typing import Any

from sqlalchemy import BigInteger, Column, Index, LargeBinary, UniqueConstraint, false, text
from sqlalchemy.types import JSON
from sqlmodel import Field, SQLModel

from newsletter.domain.lists import FIRST_LIST
from newsletter.store.sqlite.columns import at


def _of_list() -> Any:
    """The list to which a row belongs; 1 for the first one."""
    return Field(default=FIRST_LIST, sa_column_kwargs={"server_default": str(FIRST_LIST)})


class Tip(SQLModel, table=True):
    """A tip. identity: see domain.tips.tip. position: the order of the queue. edited: the owner has changed the text.

    pin_on: the slot it is pinned to; with pin_at, the day of an extra issue that goes out at that moment.
    ran_before: it was published before this system was in use, so it stays public while it waits to run again.
    shown_teaser: what lists show, the owner's teaser or the beginning of the text; set when the text is written.
    starter: it came with the program. preview: the preview text in the inbox, "" for the takeaway.
    retired_from: the state that a retired tip had before. earlier_runs: days on which it was sent elsewhere, before it came
    here; ISO 8601, separated by spaces. earlier_useful, earlier_not_useful: votes from there.
    problem: why no email can be made of it, or "".
    """

    __tablename__ = "tip"

    id: int | None = Field(default=None, primary_key=True)
    list_id: int = _of_list()
    key: str = Field(unique=True)
    identity: str = Field(unique=True)
    title: str
    body: str
    takeaway: str = ""
    teaser: str = ""
    complete: bool
    state: str
    published_on: date | None = None
    last_sent_on: date | None = None
    position: int
    source: str = ""
    source_line: int = 0
    season: str = ""
    series: str = ""
    part: int = 0
    rerun: str = ""
    months: str = ""
    fallback: bool = False
    edited: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
    ran_before: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
    pin_on: date | None = None
    pin_at: datetime | None = at(null=True)
    shown_teaser: str = ""
    starter: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
    preview: str = Field(default="", sa_column_kwargs={"server_default": ""})
    retired_from: str = Field(default="", sa_column_kwargs={"server_default": ""})
    earlier_runs: str = Field(default="", sa_column_kwargs={"server_default": ""})
    earlier_useful: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    earlier_not_useful: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    problem: str = Field(default="", sa_column_kwargs={"server_default": ""})
    added_at: datetime = at()
    changed_at: datetime = at()

    # Covers the queries for the lists of the archive, so that none of them reads the texts of all tips.
    __table_args__ = (
        Index("tip_for_lists", "last_sent_on", "published_on", "state", "complete", "key", "title", "changed_at"),
    )


class TipLabel(SQLModel, table=True):
    """A label of a tip. kind: `category` or `tag`; place: its position among the labels of this kind."""

    __tablename__ = "tip_label"

    tip_id: int = Field(foreign_key="tip.id", primary_key=True, ondelete="CASCADE")
    kind: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    slug: str = ""
    place: int = 0

    __table_args__ = (Index("tip_label_by_slug", "kind", "slug"),)


class TipSource(SQLModel, table=True):
    """The text of a tip in a source (a file name) when it was last imported; see domain.tips.tip.fingerprint."""

    __tablename__ = "tip_source"

    tip_id: int = Field(foreign_key="tip.id", primary_key=True, ondelete="CASCADE")
    source: str = Field(primary_key=True)
    identity: str
    fingerprint: str


class FormerKey(SQLModel, table=True):
    """A key that a tip had earlier; its URL redirects to the current one."""

    __tablename__ = "former_key"

    key: str = Field(primary_key=True)
    tip_id: int = Field(foreign_key="tip.id", ondelete="CASCADE")


class Vote(SQLModel, table=True):
    """The answer of a subscriber to "was this useful?"; the last answer counts."""

    __tablename__ = "vote"

    tip_id: int = Field(foreign_key="tip.id", primary_key=True, ondelete="CASCADE")
    # No foreign key: the answer of an erased subscriber stays, anonymously.
    subscriber_id: int = Field(primary_key=True)
    useful: bool


class Library(SQLModel, table=True):
    """One row. version: triggers raise it with every change of a tip, so that pages can be cached until then.

    set_up_at: when the database was made; NULL if that is not known.
    """

    __tablename__ = "library"

    id: int | None = Field(default=None, primary_key=True)
    version: int = 0
    set_up_at: datetime | None = at(null=True)


class SubscriberRow(SQLModel, table=True):
    """A person. key: appears in links. address_key: the same for all spellings of an address.

    new_address: requested, not confirmed yet. one_a_day: at most one email a day. What they have with each list is in
    `subscriptions`.
    """

    __tablename__ = "subscriber"

    id: int | None = Field(default=None, primary_key=True)
    key: str = Field(unique=True)
    address: str
    address_key: str = Field(unique=True)
    name: str = ""
    link_mailed_at: datetime | None = at(null=True)
    new_address: str = ""
    new_address_key: str = ""
    new_address_at: datetime | None = at(null=True)
    one_a_day: bool = Field(default=False, sa_column_kwargs={"server_default": text("0")})

    __table_args__ = (
        Index("subscriber_moving", "new_address_key", sqlite_where=text("new_address_key <> ''"),
              postgresql_where=text("new_address_key <> ''")),
    )  # fmt: skip


class Consent(SQLModel, table=True):
    """The log of consent. Entries are only added; after 30 days an origin (an IP address) is shortened to its network."""

    __tablename__ = "consent"

    id: int | None = Field(default=None, primary_key=True)
    subscriber_id: int = Field(foreign_key="subscriber.id", index=True, ondelete="CASCADE")
    at: datetime = at()
    what: str
    proof: str = ""
    origin: str = ""
    list_id: int = _of_list()

    # Only for the other lists: nearly every entry is about the first one, and needs none.
    __table_args__ = (
        Index("consent_of_other_list", "list_id", sqlite_where=text("list_id <> 1"), postgresql_where=text("list_id <> 1")),
    )  # fmt: skip


class UnsubscribeRow(SQLModel, table=True):
    """An unsubscribe, its reason, and the issue whose link was used. After 30 days it becomes anonymous."""

    __tablename__ = "farewell"

    id: int | None = Field(default=None, primary_key=True)
    subscriber_id: int | None = Field(default=None, index=True)
    at: datetime = at()
    issue_id: int | None = None
    reason: str = ""
    words: str = ""
    list_id: int = _of_list()


class Suppression(SQLModel, table=True):
    """An address that must never get an email. issue_id: the issue that bounced, if a bounce was the reason.

    folded: the key was made before schema 0013, when addresses such as straße@ and strasse@ had one key; it counts for both.
    """

    __tablename__ = "suppression"

    address_key: str = Field(primary_key=True)
    reason: str
    source: str = ""
    at: datetime = at()
    issue_id: int | None = None
    folded: bool = Field(default=False, sa_column_kwargs={"server_default": false()})


class OwnKey(SQLModel, table=True):
    """A secret key of this database, made once and independent of the settings. name: `erased`, for hashes of addresses."""

    __tablename__ = "own_key"

    name: str = Field(primary_key=True)
    value: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class SlotOverrideRow(SQLModel, table=True):
    """The owner's override of a slot. wish: skip, hold or approve. about: the reason, or the key of the approved tip.

    words: a digest of what was approved; "changed" once the email has other words; "" for an approval by an older version.
    """

    __tablename__ = "slot_wish"

    list_id: int = Field(primary_key=True)
    slot: date = Field(primary_key=True)
    wish: str
    about: str = ""
    words: str = Field(default="", sa_column_kwargs={"server_default": ""})


class OwnerNotified(SQLModel, table=True):
    """A notification that the owner has had, so that it is sent once. what: preview, report, alarm, paused, runway, lint …"""

    __tablename__ = "told"

    list_id: int = Field(primary_key=True)
    what: str = Field(primary_key=True)
    about: str = Field(primary_key=True)
    at: datetime = at()


class Issue(SQLModel, table=True):
    """An issue. slot: NULL outside the calendar. day: its date in the newsletter's zone. run: 1 for the first run of its tip. tip_was: the tip's earlier state.

    quarter: of a quarterly issue, such as 2026-Q1. It is for former subscribers who asked for the best tip every three
    months; its run is NULL.
    """

    __tablename__ = "issue"

    id: int | None = Field(default=None, primary_key=True)
    list_id: int = _of_list()
    slot: date | None = None
    quarter: str | None = None
    day: date | None = None
    due_at: datetime = at()
    state: str = Field(index=True)
    tip_id: int | None = Field(default=None, foreign_key="tip.id")
    run: int | None = None
    tip_was: str = ""
    subject: str = ""
    secret: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    audience: int = 0
    reason: str = ""
    planned_at: datetime = at()
    started_at: datetime | None = at(null=True)
    done_at: datetime | None = at(null=True)

    __table_args__ = (
        UniqueConstraint("tip_id", "run", name="issue_tip_runs_once"),
        UniqueConstraint("list_id", "slot", name="issue_slot_once"),
        Index("issue_quarter", "list_id", "quarter", unique=True),
    )


class CompiledIssue(SQLModel, table=True):
    """The compiled email of an issue, as `mail.compiled` made it; in a table of its own, so that lists do not read it."""

    __tablename__ = "compiled_issue"

    issue_id: int = Field(foreign_key="issue.id", primary_key=True)
    data: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class SubstituteEmailRow(SQLModel, table=True):
    """A compiled email of an issue for subscribers who have received its own tip. tip_id: the substitute tip."""

    __tablename__ = "other_letter"

    issue_id: int = Field(foreign_key="issue.id", primary_key=True)
    tip_id: int = Field(foreign_key="tip.id", primary_key=True)
    subject: str
    data: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class Delivery(SQLModel, table=True):
    """One issue for one subscriber. Times are milliseconds since 1970: there are millions of these rows.

    owner: the sender run that has claimed it. reply: the server's last reply, in full. reason: why it was skipped.
    tip_id: the substitute tip; NULL for the issue's own tip. troubles: how often a connection failed with it.
    """

    __tablename__ = "delivery"

    issue_id: int = Field(foreign_key="issue.id", primary_key=True)
    # No foreign key: the row of an erased subscriber stays, and so the counts add up.
    subscriber_id: int = Field(primary_key=True)
    state: str
    owner: int | None = None
    attempts: int = 0
    crashes: int = 0
    first_attempt_at: int | None = Field(default=None, sa_type=BigInteger)
    next_attempt_at: int | None = Field(default=None, sa_type=BigInteger)
    last_at: int | None = Field(default=None, sa_type=BigInteger)
    reason: str | None = None
    reply: str | None = None
    tip_id: int | None = None
    troubles: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})

    __table_args__ = (
        Index("delivery_pending", "issue_id", "troubles", "subscriber_id", sqlite_where=text("state = 'pending'"),
              postgresql_where=text("state = 'pending'")),
        Index("delivery_deferred", "issue_id", "next_attempt_at", sqlite_where=text("state = 'deferred'"),
              postgresql_where=text("state = 'deferred'")),
        Index("delivery_sending", "issue_id", sqlite_where=text("state = 'sending'"),
              postgresql_where=text("state = 'sending'")),
        Index("delivery_by_subscriber", "subscriber_id"),
        Index("delivery_by_tip", "tip_id", "subscriber_id", sqlite_where=text("tip_id IS NOT NULL"),
              postgresql_where=text("tip_id IS NOT NULL")),
        {"sqlite_with_rowid": False},
    )  # fmt: skip


class Attempt(SQLModel, table=True):
    """An attempt that did not end in `sent`, with the full reply. A successful attempt is recorded in the delivery."""

    __tablename__ = "attempt"

    id: int | None = Field(default=None, primary_key=True)
    issue_id: int
    subscriber_id: int
    at: datetime = at()
    event: str
    stage: str
    code: int
    enhanced: str = ""
    text: str = ""

    __table_args__ = (Index("attempt_by_delivery", "issue_id", "subscriber_id"),)


class SenderRun(SQLModel, table=True):
    """A sender run: one process that sends. Its id marks the deliveries that it has claimed."""

    __tablename__ = "sender_run"

    id: int | None = Field(default=None, primary_key=True)
    role: str
    host: str
    pid: int
    started_at: datetime = at()
    ended: bool = False
    recovered: int = 0


class TransactionalEmailRow(SQLModel, table=True):
    """A transactional email, queued or sent: a confirmation, a welcome, an email to the owner."""

    __tablename__ = "notice"

    id: int | None = Field(default=None, primary_key=True)
    kind: str
    address: str
    data: dict[str, Any] = Field(sa_column=Column("data", JSON, nullable=False))
    state: str
    attempts: int = 0
    created_at: datetime = at()
    next_attempt_at: datetime = at()
    done_at: datetime | None = at(null=True)
    reply: str = ""

    __table_args__ = (
        Index("notice_due", "next_attempt_at", sqlite_where=text("state IN ('pending', 'deferred')"),
              postgresql_where=text("state IN ('pending', 'deferred')")),
    )  # fmt: skip
