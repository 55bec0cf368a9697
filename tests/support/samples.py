"""One of every email with its values, for tests of their look and for validators."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from newsletter.domain.site import Site
from newsletter.domain.tips.tip import TipText
from newsletter.ports.rendering import Rendered
from newsletter.rendering.data import data_dir
from newsletter.rendering.emails import EmailTemplates

SITE = Site(
    title="Tip of the Week",
    from_name="Tip of the Week",
    from_address="tips@news.example",
    base_url="https://news.example",
    reply_to="editor@news.example",
    postal_address="12 Harbor Street\nSpringfield",
    contact_url="https://news.example/contact",
    home_url="https://www.example.org/",
)
SHIPPED = data_dir() / "templates"
TIP = TipText(
    "Say what happens next",
    "A caller who hears “I’ll look into it” hears *nothing*.\n\n"
    "## Three words\n\n- **Who** will act\n- **What** they will do, in words that a guest would use at breakfast\n"
    "- [When](https://example.org/when?a=1&b=2) you call back\n\n> By four, I will ring you.\n\n"
    "Promise small,\\\nkeep it all.\n\n![A clock on a wall](https://example.org/clock.png)",
    takeaway="End each call with a name, a step & an hour.",
)
RECIPIENT = {
    "to": "ada@host.example",
    "message_id": "<0123@news.example>",
    "date": "Tue, 03 Jun 2025 12:00:00 +0000",
    "unsubscribe_url": "https://news.example/u/ada.3.0123456789012345678901",
    "unsubscribe_mailto": "mailto:tips+u-ada-3-0123456789abcdef@news.example",
    "name": "Ada <Lovelace>",
    "address": "ada@host.example",
    "preferences_url": "https://news.example/p/ada.0123456789012345678901",
    "useful_url": "https://news.example/useful/ada.3.0123456789012345678901",
    "joined_on": "May 3, 2025",
}
CONFIRM = {"confirm_url": "https://news.example/confirm/ada.1748952000.0123456789012345678901"}
WELCOME = RECIPIENT | {
    "next_slot": "Tuesday, June 10, 2025",
    "latest_url": "https://news.example/tips/a",
    "latest_title": "A & B",
}
UNSUBSCRIBED = {"back_url": "https://news.example/back/ada.0123456789012345678901"}
ALERT = {
    "headline": "Issue 3 is paused",
    "lines": ["3 refusals in a row: 550 5.7.1 <no>", "1,204 were sent, 1,796 wait."],
    "next_step": "Ask your relay why, then run `newsletter issues resume 3`.",
}
COMING = {"date": date(2025, 6, 10), "title": "Ask what they tried", "reason": "next in the queue, 40 more behind it"}
PREVIEW = {
    "title": TIP.title,
    "due_at": "Tuesday at 8:00 AM EDT",
    "reason": "next in the queue, 41 more behind it",
    "waits": "",
    "days": 1,
    "audience": 1204,
    "then": [COMING, {"date": date(2025, 6, 17), "title": "", "reason": "skipped"}],
    "links": {what: f"https://news.example/owner/{what}.1" for what in ("approve", "skip", "swap", "hold")},
}
REPORT = {
    "number": 3,
    "argument": "3",
    "another_day": 0,
    "title": TIP.title,
    "subject": TIP.title,
    "audience": 1204,
    "sent": 1190,
    "rejected": 9,
    "deferred": 3,
    "held": 2,
    "joined": 14,
    "left": 1,
    "next": COMING,
    "fresh_weeks": 41,
    "fresh_until": date(2026, 3, 17),
    "warning": "",
    "refused": [("anna@a.example", "550 5.1.1 no such user"), ("bob@b.example", "552 5.2.2 mailbox full")],
    "more_refused": 7,
}
MANAGE_LINK = {"preferences_url": RECIPIENT["preferences_url"]}
CONFIRM_ADDRESS = {"move_url": "https://news.example/move/ada.1748952000.0123456789012345678901"}
TRANSACTIONAL: dict[str, Mapping[str, object]] = {
    "alert": ALERT,
    "confirm": CONFIRM,
    "confirm_address": CONFIRM_ADDRESS,
    "manage_link": MANAGE_LINK,
    "reminder": CONFIRM,
    "report": REPORT,
    "unsubscribed": UNSUBSCRIBED,
    "welcome": WELCOME,
}


def issue(site: Site = SITE, tip: TipText = TIP, recipient: Mapping[str, str] = RECIPIENT) -> Rendered:
    """The weekly email."""
    return EmailTemplates(site, [SHIPPED]).issue(
        tip, tip_key="say-it", number=3, slot=date(2025, 6, 3), recipient=recipient
    )


def every_email(site: Site = SITE, tip: TipText = TIP) -> dict[str, Rendered]:
    """Every email, by kind."""
    emails = EmailTemplates(site, [SHIPPED])
    slot = date(2025, 6, 3)
    return {
        "issue": issue(site, tip),
        "quarterly": emails.issue(tip, tip_key="say-it", number=3, slot=slot, recipient=RECIPIENT, kind="quarterly"),
        "preview": emails.issue(
            tip, tip_key="say-it", number=3, slot=slot, recipient=RECIPIENT, kind="preview", extra=PREVIEW
        ),
        **{kind: emails.transactional(kind, values) for kind, values in TRANSACTIONAL.items()},
    }
