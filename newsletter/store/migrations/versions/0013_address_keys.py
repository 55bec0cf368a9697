"""Address keys keep every letter: straße@ and strasse@ are two people. Until now, ß was ss in a key, and ς was σ."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from newsletter.domain.subscribers.address import address_key

revision = "0013"
down_revision = "0012"

# The pattern matches what is not ASCII; only there can the two rules differ.
_SUBSCRIBERS = """SELECT id, address, address_key, new_address, new_address_key FROM subscriber
    WHERE address GLOB '*[^ -~]*' OR new_address GLOB '*[^ -~]*'"""


def upgrade() -> None:
    """Nobody is lost: of two rows that would get one key, the second keeps its own.

    A suppression has only a key, and nobody knows whose spelling that was. So it goes on counting for every address that
    had this key (`folded`), and a subscriber whose key changes takes a copy of it along.
    """
    op.add_column("suppression", sa.Column("folded", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.execute("UPDATE suppression SET folded = 1")
    connection = op.get_bind()
    for number, address, key, new_address, new_key in connection.exec_driver_sql(_SUBSCRIBERS).all():
        wanted = address_key(address)
        taken = connection.exec_driver_sql("SELECT 1 FROM subscriber WHERE address_key = ?", (wanted,)).first()
        if wanted != key and not taken:
            connection.exec_driver_sql("UPDATE subscriber SET address_key = ? WHERE id = ?", (wanted, number))
            connection.exec_driver_sql(
                "INSERT OR IGNORE INTO suppression (address_key, reason, source, at, issue_id, folded)"
                " SELECT ?, reason, source, at, issue_id, 0 FROM suppression WHERE address_key = ?",
                (wanted, key),
            )
        if new_key and address_key(new_address) != new_key:
            changed = (address_key(new_address), number)
            connection.exec_driver_sql("UPDATE subscriber SET new_address_key = ? WHERE id = ?", changed)
