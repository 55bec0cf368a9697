"""Preview the next issue: the whole message, its checks, a page with both, and test emails."""

from __future__ import annotations

import webbrowser
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from newsletter import files
from newsletter.actions.calendar.plan import Rules, next_issue
from newsletter.actions.delivery.batch import EnvelopeFrom
from newsletter.actions.issues.compile import INCOMPLETE, IssueEmail, RenderContext
from newsletter.actions.issues.errors import Check, sample_claim, sample_email
from newsletter.domain.delivery.delivery import Claim
from newsletter.domain.delivery.outcome import Envelope, Outcome
from newsletter.domain.errors import NotFound, Refused, SenderError
from newsletter.domain.subscribers.address import parse_address
from newsletter.ports.clock import Clock
from newsletter.ports.sending import Sender
from newsletter.ports.store import Store

TEST_MARK = "[Test] "  # before the subject


@dataclass(frozen=True, slots=True)
class TestResult:
    """What became of one test email. outcome: None if the connection failed; trouble then says why."""

    address: str
    outcome: Outcome | None
    trouble: str = ""


@dataclass(frozen=True)
class Preview:
    """Shows the next issue, or one about a given tip, as a subscriber would receive it; no row is written.

    envelope_from: the envelope sender of a delivery. check: the checks of a message. page: an HTML page with a message
    and its checks. to: the address it shows.
    """

    store: Store
    rules: Rules
    render_context: RenderContext
    clock: Clock
    sender: Callable[[], Sender]
    envelope_from: EnvelopeFrom
    to: str
    check: Check
    page: Callable[[bytes], str]
    page_path: Path

    def message(self, tip_key: str | None = None) -> bytes:
        """The whole message: CRLF lines, not dot-stuffed. Raises NotFound, Refused, TemplateError."""
        return self.email(tip_key).message(self._claim(self.to), self.clock())

    def email(self, tip_key: str | None = None, *, mark: str = "") -> IssueEmail:
        """The compiled email; mark: what its subject begins with.

        Raises NotFound without a tip, Refused for a tip that is only a teaser, TemplateError.
        """
        coming = next_issue(self.store, self.rules, self.clock())
        key = tip_key or (coming.tip.key if coming.tip else None)
        if key is None:
            raise NotFound(
                f"there is no tip to show: {coming.reason}", fix=f"See: newsletter tips list{self.rules.option}"
            )
        with self.store.read() as tx:
            tip = tx.tips.get(key).dated(coming.slot)
        if not tip.card.complete:
            raise Refused(f"{key} cannot be sent: {INCOMPLETE}")
        return sample_email(self.store, self.render_context, self.rules, tip, coming.slot, mark=mark)

    @property
    def envelope_sender(self) -> str:
        """The envelope sender of a test email, of the same form as that of an issue. Raises SettingsError."""
        return self.envelope_from(self._claim(self.to))

    def open_page(self, message: bytes) -> Path:
        """Write a page that shows a message with its checks, and open it in the browser, if there is one."""
        path = self.page_path.absolute()
        files.make_directory(path.parent)
        files.write(path, self.page(message).encode())
        webbrowser.open(path.as_uri())
        return path

    def send_tests(self, addresses: Sequence[str], tip_key: str | None = None) -> list[TestResult]:
        """Send what a subscriber would get, with its envelope, to each address; `[Test]` is before the subject.

        Raises InputError for an address before anything is sent, and SenderError if not even the first one was sent.
        """
        claims = [self._claim(parse_address(address).text) for address in addresses]
        email, results = self.email(tip_key, mark=TEST_MARK), list[TestResult]()
        for claim in claims:
            message = email.message(claim, self.clock())
            try:
                with closing(self.sender().open()) as session:
                    outcome = session.send(Envelope(self.envelope_from(claim), claim.address), message)
                results.append(TestResult(claim.address, outcome))
            except SenderError as error:
                if not results:
                    raise
                results.append(TestResult(claim.address, None, str(error)))
        return results

    def _claim(self, address: str) -> Claim:
        """A delivery that belongs to nobody, so that its links change nothing."""
        now = self.clock()
        return sample_claim(address, self.rules.schedule.day_of(now), now)
