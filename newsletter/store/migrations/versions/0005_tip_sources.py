"""The texts of tips in their sources at the last import, and which tips the owner has edited."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("tip", sa.Column("edited", sa.Boolean(), nullable=False, server_default=sa.false()))
    # Nothing recorded who changed them, so assume the owner: one question too many is harmless.
    op.execute("UPDATE tip SET edited = 1 WHERE complete AND changed_at > added_at")
    op.create_table(
        "tip_source",
        sa.Column("tip_id", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("identity", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["tip_id"], ["tip.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("tip_id", "source"),
    )
