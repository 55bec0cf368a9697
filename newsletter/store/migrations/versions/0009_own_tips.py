"""Starter tips are told apart from the owner's; the preview text of a tip; and the pictures that were taken in."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

STARTERS = (
    "01-the-first-ten-seconds.md",
    "02-the-third-sentence.md",
    "03-sorry-for-which-inconvenience.md",
    "04-say-it-while-they-listen.md",
    "05-a-clear-no.md",
    "06-just-calling-to-check.md",
    "07-ten-emails-to-park-a-car.md",
    "08-tell-them-about-the-wait.md",
    "09-name-the-effort.md",
    "10-thanks-that-gets-repeated.md",
    "11-an-hour-at-the-counter.md",
    "12-the-customer-who-went-quiet.md",
    "13-say-the-name-once-right.md",
    "14-number-first.md",
    "15-i-dont-know-yet.md",
    "16-bad-news-first.md",
    "17-call-before-they-notice.md",
    "18-count-to-four.md",
    "19-first-month-before-day-one.md",
    "20-first-month-one-small-win.md",
    "21-first-month-day-thirty.md",
    "22-talk-to-the-traveler.md",
    "23-louder-is-not-slower.md",
    "24-the-line-and-the-door.md",
    "25-the-silent-chat-window.md",
    "26-a-note-for-a-stranger.md",
    "27-the-list-of-odd-things.md",
    "28-would-you-answer-it.md",
    "29-the-second-letter.md",
    "30-asap-has-no-date.md",
    "31-hand-on-the-doorknob.md",
    "32-promise-the-call.md",
    "33-the-card-on-the-dashboard.md",
    "34-turn-the-screen.md",
    "35-they-cannot-see-you-nod.md",
    "36-let-them-bring-the-yes.md",
    "37-the-story-behind-the-rule.md",
    "38-what-my-requests-look-like.md",
    "39-thank-the-easy-ones.md",
    "40-count-the-question-marks.md",
    "41-two-minutes-after.md",
    "42-taped-inside-the-drawer.md",
    "43-a-good-goodbye.md",
    "44-the-barbers-index-cards.md",
    "45-news-in-the-readers-order.md",
    "46-one-signature-is-missing.md",
    "47-car-keys-in-hand.md",
    "48-say-it-to-a-neighbor.md",
    "49-the-people-customers-never-meet.md",
    "50-the-note-on-the-closed-door.md",
    "51-stop-one-thing.md",
    "52-the-morning-after-the-long-weekend.md",
)


def upgrade() -> None:
    op.add_column("tip", sa.Column("starter", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("tip", sa.Column("preview", sa.String(), nullable=False, server_default=""))
    op.add_column("tip", sa.Column("retired_from", sa.String(), nullable=False, server_default=""))
    op.create_table(
        "picture",
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("source"),
    )
    # `init` of every version before this one imported these files; their names are the names of their sources.
    tips = sa.table("tip", sa.column("id"), sa.column("starter"))
    sources = sa.table("tip_source", sa.column("tip_id"), sa.column("source"))
    found = sa.select(sources.c.tip_id).where(sources.c.source.in_(STARTERS))
    op.execute(tips.update().where(tips.c.id.in_(found)).values(starter=True))
