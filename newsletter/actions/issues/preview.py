"""Preview the next issue: the whole message, its checks, a page with both, and a test email to one address."""

from __future__ import annotations

import webbrowser
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from newsletter.actions.calendar.plan import Rules, next_issue
from newsletter.actions.issues.compile import INCOMPLETE, IssueContent, IssueEmail, RenderContext, compile_issue
from newsletter.domain.delivery.delivery import Claim
from newsletter.domain.delivery.outcome import Envelope, Outcome
from newsletter.domain.errors import NotFound, Refused
from newsletter.domain.subscribers.address import parse_address
from newsletter.ports.clock import Clock
from newsletter.ports.sending import Sender
from newsletter.ports.store import Store

SAMPLE_SECRET = b"preview: nobody's"  # so no link or Message-ID of a preview is that of a subscriber
SAMPLE_SUBSCRIBER = "preview"


class Finding(Protocol):
    """The result of one check of a message. level: ok, warning or error."""

    @property
    def id(self) -> str:
        """The name of the check."""

    @property
    def level(self) -> str:
        """What the result is."""

    @property
    def message(self) -> str:
        """One sentence for the owner."""


@dataclass(frozen=True)
class Preview:
    """Shows the next issue, or one about a given tip, as a subscriber would receive it; no row is written.

    check: the checks of a message. page: an HTML page with a message and its checks. to: the address it shows.
    """

    store: Store
    rules: Rules
    render_context: RenderContext
    clock: Clock
    sender: Callable[[], Sender]
    to: str
    check: Callable[[bytes], Sequence[Finding]]
    page: Callable[[bytes], str]
    page_path: Path

    def message(self, tip_key: str | None = None, *, to: str | None = None) -> bytes:
        """The whole message: CRLF lines, not dot-stuffed. Raises NotFound, Refused, TemplateError."""
        now = self.clock()
        today = self.rules.schedule.day_of(now).isoformat()
        claim = Claim(0, 0, SAMPLE_SUBSCRIBER, to or self.to, "", today, 1, now)
        return self.email(tip_key).message(claim, now)

    def email(self, tip_key: str | None = None) -> IssueEmail:
        """The compiled email. Raises NotFound without a tip, Refused for a tip that is only a teaser, TemplateError."""
        coming = next_issue(self.store, self.rules, self.clock())
        key = tip_key or (coming.tip.key if coming.tip else None)
        if key is None:
            raise NotFound(f"there is no tip to show: {coming.reason}", fix="See: newsletter tips list")
        with self.store.read() as tx:
            tip = tx.tips.get(key).dated(coming.slot)
            number = tx.issues.last_number() + 1
            archive_links = tx.archive.archive_links(tip.card.id, coming.slot)
        if not tip.card.complete:
            raise Refused(f"{key} cannot be sent: {INCOMPLETE}")
        content = IssueContent(tip, number, coming.slot, SAMPLE_SECRET, archive_links)
        return IssueEmail(self.render_context, content, compile_issue(self.render_context, content)[1])

    def open_page(self, message: bytes) -> Path:
        """Write a page that shows a message with its checks, and open it in the browser, if there is one."""
        path = self.page_path.resolve()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.page(message), encoding="utf-8")
        webbrowser.open(path.as_uri())
        return path

    def send_test(self, to: str, tip_key: str | None = None) -> Outcome:
        """Send the message to one address. Raises InputError for the address, and SenderError."""
        address = parse_address(to).text
        message = self.message(tip_key, to=address)
        session = self.sender().open()
        try:
            return session.send(Envelope(self.render_context.site.from_address, address), message)
        finally:
            session.close()
