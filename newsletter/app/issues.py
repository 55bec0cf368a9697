"""Issues: preview, send and control them; and the transactional emails."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from newsletter.app.wiring import COMMAND, DAEMON, system_clock
from newsletter.domain.delivery.delivery import Claim
from newsletter.domain.delivery.issue import IssueFacts, IssueState
from newsletter.domain.delivery.outcome import Envelope, Outcome
from newsletter.domain.errors import Busy
from newsletter.ports.sending import SendingLock

if TYPE_CHECKING:
    from pathlib import Path

    from newsletter.actions.calendar.plan import NextIssue
    from newsletter.actions.delivery.deliver import BatchResult, Progress
    from newsletter.actions.issues.compile import IssueEmails
    from newsletter.actions.issues.quarterly import NextQuarterlyIssue
    from newsletter.app.wiring import App
    from newsletter.app.worker_process import SecondProcess
    from newsletter.domain.calendar.substitutes import Shares
    from newsletter.rendering.preflight import Finding

BREATH = 0.01  # seconds between two transactional mails of a process that answers visitors too
TWO = 2  # cores that a second process needs
MANY = 10_000  # letters that are worth the start of a second process


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def second_core_is_free(number: int, *, relay_is_here: bool, hard: bool) -> bool:
    """Is there a core that another sender could have? number: of cores.

    A relay on this machine takes one, so that with two a second sender is only in the way; unless this process has a
    hard time: with signatures, or with visitors.
    """
    return number > TWO or (number == TWO and (hard or not relay_is_here))


class Issues:
    """Issues from the slot to the last delivery."""

    def __init__(self, app: App) -> None:
        self._app = app

    def next(self) -> NextIssue:
        """What goes out next, and when."""
        from newsletter.actions.calendar.plan import next_issue

        return next_issue(self._app.store, self._app.rules, self._app.clock())

    def next_shares(self) -> Shares | None:
        """How many would get which tip of the next issue; None when all get the same, or none is there."""
        from newsletter.actions.issues.audience import shares_for

        coming = self.next()
        if coming.tip is None:
            return None
        with self._app.store.read() as tx:
            return shares_for(tx, self._app.rules, coming.slot, coming.tip.key)

    def preview(self, tip_key: str | None = None) -> bytes:
        """The whole message of the next issue (or of one tip) as an invented reader would get it."""
        return self._sample(self._app.site.owner or self._app.site.from_address, tip_key)

    def preflight(self, letter: bytes) -> list[Finding]:
        """What mail programs and their filters will find in a finished letter."""
        from newsletter.rendering.preflight import preflight

        return preflight(letter)

    def show(self, letter: bytes, findings: Sequence[Finding]) -> Path:
        """Write the letter beside its checks as a page in the data directory, and open the browser, where there is one."""
        import webbrowser

        from newsletter.rendering.side_by_side import side_by_side

        page = (self._app.settings.data_dir / "preview.html").resolve()
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(side_by_side(letter, findings), encoding="utf-8")
        webbrowser.open(page.as_uri())
        return page

    def send_test(self, to: str, tip_key: str | None = None) -> Outcome:
        """Send that message to one address; no row changes."""
        from newsletter.domain.subscribers.address import parse_address

        address = parse_address(to).text
        message = self._sample(address, tip_key)
        session = self._app.sender().open()
        try:
            return session.send(Envelope(self._app.site.from_address, address), message)
        finally:
            session.close()

    def send(
        self, *, early: bool = False, extra_tip: str | None = None, progress: Progress | None = None
    ) -> IssueFacts | None:
        """What the daemon would do at this moment, or the coming issue early, or one outside the calendar.

        An unfinished issue is finished first. None when nothing is due. Raises Busy when another command sends.
        """
        self._refuse_second_command()
        self._app.sender()  # a sender that is not set is found before anything is written
        issue = self._publish_now(extra_tip) if early or extra_tip is not None else self.publish_due()
        unfinished = self.unfinished()
        if issue is None and not unfinished:
            return None
        self._send_all(unfinished, progress)
        with self._app.store.read() as tx:
            return tx.issues.get(issue.number if issue else unfinished[-1])

    def resume(self, number: int | None = None, *, progress: Progress | None = None) -> IssueFacts:
        """Go on with an issue that is paused or unfinished (the newest such, if no number is given)."""
        from newsletter.actions.issues.control import resume

        self._refuse_second_command()
        self._app.sender()
        number = resume(self._app.store, number, self._app.clock())
        self._send_all([number], progress)
        with self._app.store.read() as tx:
            return tx.issues.get(number)

    def pause(self, number: int) -> IssueFacts:
        """No claim after this; letters in flight end."""
        from newsletter.actions.issues.control import pause

        return pause(self._app.store, number, self._app.clock())

    def cancel(self, number: int) -> IssueFacts:
        """End an issue for good."""
        from newsletter.actions.issues.control import cancel

        return cancel(self._app.store, number, self._app.clock())

    def retry_failed(self, number: int) -> IssueFacts:
        """Give failed and held deliveries of an issue another chance."""
        from newsletter.actions.issues.control import retry_failed

        return retry_failed(self._app.store, number, self._app.clock())

    def unfinished(self) -> list[int]:
        """Issues in `sending`, oldest first."""
        with self._app.store.read() as tx:
            return [issue.number for issue in tx.issues.open() if issue.state is IssueState.SENDING]

    def deliver(self, right: SendingLock, number: int, *, progress: Progress | None = None) -> BatchResult:
        """One round of sending for one issue, by whoever holds the right to send."""
        from newsletter.actions.delivery.deliver import SendingContext, deliver
        from newsletter.actions.issues.compile import load_issue_emails
        from newsletter.actions.owner.reports import notify_of_pauses

        letters = load_issue_emails(self._app.store, self._app.render_context, number, self._app.rules)
        route = SendingContext(
            ledger=right.ledger,
            sender=self._app.sender(),
            compose=letters.compose,
            envelope_from=self._app.envelope_from,
            clock=self._app.clock,
            stop=self._app.stop,
            dot_free=letters.are_uniform,
            partner=self._worker(right, number, letters),
            partner_from=MANY if self._app.settings.second_process is None else self._app.settings.second_process,
            hands_over=self._app.serves,
        )
        done = deliver(self._app.store, route, number, on_progress=progress)
        if done.paused and self._app.site.owner:
            with self._app.store.write() as tx:
                notify_of_pauses(tx, self._app.site.owner, self._app.clock())
        return done

    def publish_due(self) -> IssueFacts | None:
        """The daemon's half of `send`: freeze what is due, finish what a crash left."""
        from newsletter.actions.issues import publish
        from newsletter.actions.issues.quarterly import publish_quarter

        now = self._app.clock()
        publish.finish_preparing(self._app.store, self._app.render_context, self._app.rules, now)
        issue = publish.publish_due(self._app.store, self._app.render_context, self._app.rules, now)
        return publish_quarter(self._app.store, self._app.render_context, self._app.rules, now) or issue

    def next_quarterly(self) -> NextQuarterlyIssue:
        """The next letter to those who left and asked for one tip every three months."""
        from newsletter.actions.issues.quarterly import coming_quarter

        return coming_quarter(self._app.store, self._app.rules, self._app.clock())

    def _worker(self, right: SendingLock, number: int, letters: IssueEmails) -> SecondProcess | None:
        """A second process for an issue with many letters left, where it has a core and can make the letters."""
        from newsletter.app.worker_process import Brief, SecondProcess
        from newsletter.store.sqlite.database import sqlite_path

        wanted = self._app.settings.second_process
        pays = second_core_is_free(
            cores(), relay_is_here=self._app.relay_is_here, hard=self._app.serves or self._app.dkim is not None
        )
        if wanted == 0 or (wanted is None and not pays) or cores() < TWO or not letters.are_uniform:
            return None
        brief = Brief(
            settings=self._app.settings,
            number=number,
            letters=letters.dumps(),
            secret=letters.secret,
            database=sqlite_path(self._app.settings.database_url),
            hold_in_doubt=self._app.settings.holds_in_doubt,
            ahead=self._app.clock() - system_clock(),
            level=logging.getLogger().getEffectiveLevel(),
        )
        return SecondProcess(right, brief, self._app.clock)

    def _publish_now(self, extra_tip: str | None) -> IssueFacts | None:
        """The coming issue early, or one outside the calendar."""
        from newsletter.actions.issues import publish

        now = self._app.clock()
        publish.finish_preparing(self._app.store, self._app.render_context, self._app.rules, now)
        if extra_tip is None:
            return publish.publish_early(self._app.store, self._app.render_context, self._app.rules, now)
        return publish.publish_extra(self._app.store, self._app.render_context, extra_tip, self._app.rules, now)

    def _sample(self, address: str, tip_key: str | None) -> bytes:
        from newsletter.actions.issues.compile import sample_email

        now = self._app.clock()
        letter = sample_email(self._app.store, self._app.render_context, self._app.rules, now, tip_key)
        today = self._app.schedule.day_of(now).isoformat()
        return letter.message(Claim(0, 0, "preview", address, "", today, 1, now), now)

    def _refuse_second_command(self) -> None:
        holder = self._app.store.holder()
        if holder and holder.is_alive and holder.role != DAEMON:
            raise Busy(
                f"{holder.role} (process {holder.pid}, since {holder.since}) is sending just now",
                fix="Wait until it is done, then: newsletter issues resume",
            )

    def _send_all(self, numbers: Sequence[int], progress: Progress | None) -> None:
        """Send here, or watch the daemon do it."""
        from newsletter.actions.issues.watch import watch

        try:
            with self._app.store.sending(
                COMMAND, self._app.clock(), hold_in_doubt=self._app.settings.holds_in_doubt
            ) as right:
                for number in numbers:
                    self.deliver(right, number, progress=progress)
        except Busy:
            if not self._app.store.holder():
                raise
            watch(self._app.store, numbers, self._app.stop, progress)


class Transactional:
    """Transactional emails: confirmations, welcomes, links and the owner's emails."""

    def __init__(self, app: App) -> None:
        self._app = app

    def send(self) -> int:
        """Send the transactional mails that are due; how many left. None does from a database that is held."""
        from newsletter.actions.transactional import send_transactional

        if self._app.store.hold_reason():
            return 0
        pause_between = BREATH if self._app.serves else 0.0
        return send_transactional(
            self._app.store,
            self._app.renderer,
            self._app.site,
            self._app.signer,
            self._app.sender,
            self._app.clock,
            self._app.stop,
            self._app.dkim,
            pause_between,
        )
