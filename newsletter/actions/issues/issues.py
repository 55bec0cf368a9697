"""The use cases of `newsletter issues`: look at issues, publish, send, pause, resume, cancel and retry them.

`newsletter issues send`, the daemon and a second process may all be at work on one issue. Each method therefore checks
the state inside its own transaction, and only the holder of the sending lock claims deliveries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from threading import Event

from newsletter.actions.calendar.approval import Words
from newsletter.actions.calendar.plan import NextIssue, Rules, next_issue
from newsletter.actions.delivery.deliver import Delivery, Progress
from newsletter.actions.issues.audience import shares_for
from newsletter.actions.issues.health import Health, health_of
from newsletter.actions.issues.overdue import RETRIED, end_overdue, refuse_too_close
from newsletter.actions.issues.pass_over import Settled, settle
from newsletter.actions.issues.publish import Publisher, hold_due
from newsletter.actions.issues.quarterly import NextQuarterlyIssue, next_quarterly_issue, publish_quarterly_issue
from newsletter.actions.issues.watch import watch
from newsletter.actions.owner.reports import PAUSED, RESUMED
from newsletter.domain.calendar.plan import Choice, Kind
from newsletter.domain.calendar.substitutes import Shares
from newsletter.domain.delivery.circuit_breaker import RESUME_ADVICE
from newsletter.domain.delivery.deferral_run import Waiting
from newsletter.domain.delivery.issue import (
    IN_PROGRESS,
    PAUSED_BY_HAND,
    IssueEvent,
    IssueFacts,
    IssueState,
    why_every_email,
    why_held,
)
from newsletter.domain.delivery.one_a_day import Waits
from newsletter.domain.delivery.processes import SenderRole
from newsletter.domain.errors import Busy, NotFound, Refused, TemplateError
from newsletter.domain.lists import list_option
from newsletter.domain.subscribers.subscriber import DeliveryFacts
from newsletter.domain.tips.tip import TipState
from newsletter.ports.clock import Clock
from newsletter.ports.sending import Sender, SendingLock
from newsletter.ports.store import Store, Tx

_CANCELLABLE = (IssueState.PLANNED, IssueState.PREPARING, IssueState.SENDING, IssueState.PAUSED)
_NOT_RETRYABLE = (IssueState.CANCELLED, IssueState.MISSED)


class _DryRunError(Exception):
    """Rolls back the transaction of a dry run."""


@dataclass(frozen=True)
class Issues:
    """Issues from the slot to the last delivery.

    hold_in_doubt: deliveries that were in flight at a crash wait for a person. publisher, delivery: made when first
    needed, since they need a secret key and sound templates, and most of these methods do not. owner: the addresses that
    are told when an issue ends because it is too old.
    """

    store: Store
    rules: Rules
    clock: Clock
    stop: Event
    sender: Callable[[], Sender]
    hold_in_doubt: bool
    publisher: Callable[[], Publisher]
    delivery: Callable[[], Delivery]
    words: Words
    owner: Sequence[str] = ()

    # -- look --------------------------------------------------------------------------------------

    def next(self) -> NextIssue:
        """The issue that is due or comes next: its slot, its tip, and the size of its audience."""
        return next_issue(self.store, self.rules, self.clock(), self.words)

    def rehearse(self, tip_key: str | None = None) -> Settled:
        """What the next issue, or an issue with this tip now, would send, and the errors that stop it; writes nothing."""
        now, errors = self.clock(), self.publisher().errors
        if tip_key is None or errors is None:
            return settle(self.store, self.rules, errors, self.next().slot, now)
        found = errors.of(tip_key, self.rules.schedule.day_of(now), now)
        return Settled(Choice(tip_key, Kind.PINNED, ""), why_held(tip_key, found), found)

    def next_shares(self) -> Shares | None:
        """How many would get which tip of the next issue; None if all get the same one, or there is none."""
        coming = self.next()
        if coming.tip is None:
            return None
        with self.store.read() as tx:
            return shares_for(tx, self.rules, coming.slot, coming.tip.key)

    def next_quarterly(self) -> NextQuarterlyIssue:
        """The next quarterly email, for people who unsubscribed and asked for one tip every three months."""
        return next_quarterly_issue(self.store, self.rules, self.clock())

    def list(self) -> Sequence[IssueFacts]:
        """Every issue with its counts, newest first."""
        with self.store.read() as tx:
            return tx.issues.each()

    def get(self, number: int | None = None) -> IssueFacts:
        """One issue with its counts, the newest if no number is given; raises NotFound."""
        with self.store.read() as tx:
            if number is None and not tx.issues.last_number():
                raise NotFound(
                    "there is no issue yet", fix=f"See what comes next: newsletter issues next{self.rules.option}"
                )
            return tx.issues.get(tx.issues.last_number() if number is None else number)

    def replies(self, number: int) -> Sequence[tuple[str, int]]:
        """The two most frequent replies to emails that were not accepted, with their numbers."""
        with self.store.read() as tx:
            return tx.issues.replies(number, 2)

    def waiting(self, number: int) -> Waiting | None:
        """The emails that the mail server has deferred; None if there are none."""
        with self.store.read() as tx:
            return tx.issues.waiting(number)

    def waits(self, number: int) -> Waits | None:
        """The emails that wait until another day, for subscribers who want at most one email a day."""
        with self.store.read() as tx:
            return tx.issues.waits(number)

    def health(self, number: int) -> Health:
        """What the refusals of an issue mean, as far as it was sent. Raises NotFound."""
        with self.store.read() as tx:
            return health_of(tx, number)

    @contextmanager
    def deliveries(self, number: int, state: str | None = None) -> Iterator[tuple[IssueFacts, Iterator[DeliveryFacts]]]:
        """An issue and its deliveries, all or those in one state, read row by row while the context is open.

        Raises NotFound.
        """
        with self.store.read() as tx:
            yield tx.issues.get(number), tx.issues.deliveries(number, state)

    def unfinished(self) -> Sequence[int]:
        """The numbers of the issues in `sending`, oldest first."""
        return [issue.number for issue in self.unfinished_issues()]

    def unfinished_issues(self) -> Sequence[IssueFacts]:
        """The issues in `sending`, oldest first, without counts."""
        with self.store.read() as tx:
            return [issue for issue in tx.issues.open() if issue.state is IssueState.SENDING]

    # -- publish and send --------------------------------------------------------------------------

    def sending_lock(self, role: SenderRole) -> AbstractContextManager[SendingLock]:
        """Become the only sender on this database; raises Busy. Deliveries that a crash left in flight are recovered."""
        return self.store.sending(role, self.clock(), hold_in_doubt=self.hold_in_doubt)

    def publish_due(self, *, anyway: bool = False) -> IssueFacts | None:
        """Freeze what is due: issues a crash left half prepared, the slot's issue, extra issues, the quarterly email.

        The last issue it froze or held, or None. Safe to call from several processes, at any time, again.
        """
        now = self.clock()
        try:
            publisher = self._publisher(anyway=anyway)
        except TemplateError as error:
            hold_due(self.store, self.rules, why_every_email(str(error)), now)
            raise
        self.end_overdue()
        publisher.finish_preparing(now)
        issue = publisher.publish_due(now)
        extra = publisher.publish_extras(now)
        return publish_quarterly_issue(publisher, now) or extra or issue

    def end_overdue(self) -> None:
        """End the issues that are too old to be sent; safe to call at any time."""
        end_overdue(self.store, self.rules, self.owner, self.clock())

    def send(
        self,
        *,
        early: bool = False,
        extra_tip: str | None = None,
        anyway: bool = False,
        progress: Progress | None = None,
    ) -> IssueFacts | None:
        """Do what the daemon would do now, or send the next issue early, or one outside the calendar.

        anyway: even if the tip has errors. Unfinished issues are sent too. None if nothing is due. If the daemon runs, it
        sends, and this call follows it. Raises Busy if another command is sending, and Refused for a database on hold
        and for a list that is retired.
        """
        self.refuse_on_hold()
        self._refuse_retired_list()
        self._refuse_second_command()
        self.sender()  # raises SettingsError before anything is written
        issue = self._publish(early=early, extra_tip=extra_tip, anyway=anyway)
        unfinished = self.unfinished()
        if issue is None and not unfinished:
            return None
        self._send_all(unfinished, progress)
        return self.get(issue.number if issue else unfinished[-1])

    def resume(self, number: int | None = None, *, progress: Progress | None = None) -> IssueFacts:
        """Continue a paused or unfinished issue, the newest one if no number is given. Raises NotFound, Refused, Busy."""
        self.refuse_on_hold()
        self._refuse_second_command()
        self.sender()  # raises SettingsError before anything is written
        self.end_overdue()
        number = self._back_to_sending(number)
        self._send_all([number], progress)
        return self.get(number)

    def refuse_on_hold(self) -> None:
        """Raise Refused if nothing may be sent from this database, before an issue is frozen."""
        if why := self.store.hold_reason():
            fix = "If no other copy of it sends, run: newsletter db adopt"
            raise Refused(f"sending from this database is on hold: {why}", fix=fix)

    def _refuse_retired_list(self) -> None:
        with self.store.read() as tx:
            found = tx.lists.mine()
        if found.retired_at:
            raise Refused(f"the list {found.key} is retired", fix=f"newsletter lists retire {found.key} --undo")

    # -- control -----------------------------------------------------------------------------------

    def pause(self, number: int) -> IssueFacts:
        """Claim nothing more of an issue; emails in flight finish. Raises NotFound, Refused."""
        now = self.clock()
        with self.store.write() as tx:
            issue = tx.issues.get(number)
            if issue.state is not IssueState.SENDING:
                raise Refused(f"{issue.name} is {issue.state}, so it is not being sent", fix=_see(issue.list_key))
            tx.calendar.mark_notified(PAUSED, str(number), now)  # the person who pauses it needs no alert
            return tx.issues.change(number, IssueEvent.PAUSE, now, reason=PAUSED_BY_HAND)

    def cancel(self, number: int) -> IssueFacts:
        """End an issue for good: open deliveries are skipped, and a tip that nobody received is fresh again.

        Emails in flight still finish and are recorded. Raises NotFound, Refused.
        """
        now = self.clock()
        health = self.health(number)
        with self.store.write() as tx:
            issue = tx.issues.get(number)
            if issue.state not in _CANCELLABLE:
                raise Refused(f"{issue.name} is {issue.state}, so it cannot be canceled", fix=_see(issue.list_key))
            tx.issues.skip_open(number, "cancelled", now)
            tx.suppressions.add_bounced(number, health.verdict.suppress, now)
            return tx.issues.change(number, IssueEvent.CANCEL, now, reason="cancelled by hand")

    def retry_failed(self, number: int, *, held: bool = False, dry_run: bool = False) -> IssueFacts:
        """Requeue what was not sent; `send`, `resume` or the daemon sends it.

        That is every failed, held, and rejected delivery, but none to an address that is suppressed. Addresses that an
        earlier version suppressed for another reason than the mailbox are no longer suppressed. held: also held ones
        that may have arrived twice already, for one more attempt. dry_run: return what would come of it, and roll it back.
        Raises NotFound, Refused.
        """
        found = []
        with suppress(_DryRunError), self.store.write() as tx:
            found.append(self._retry_failed(tx, number, held=held))
            if dry_run:
                raise _DryRunError
        return found[0]

    # -- steps -------------------------------------------------------------------------------------

    def _retry_failed(self, tx: Tx, number: int, *, held: bool) -> IssueFacts:
        now, issue = self.clock(), tx.issues.get(number)
        if issue.state in _NOT_RETRYABLE:
            raise Refused(f"{issue.name} is {issue.state}, so nothing more of it is sent", fix=_see(issue.list_key))
        refuse_too_close(tx, self.rules, issue, now)
        tx.calendar.clear_notified(RETRIED, only=str(number))
        tx.calendar.mark_notified(RETRIED, str(number), now)
        tx.issues.retry(number, ("failed", "held"), now, again=held)
        tx.issues.retry_rejected(number, now)
        return tx.issues.get(number)

    def _publish(self, *, early: bool, extra_tip: str | None, anyway: bool) -> IssueFacts | None:
        if not early and extra_tip is None:
            return self.publish_due(anyway=anyway)
        publisher, now = self._publisher(anyway=anyway), self.clock()
        self.end_overdue()
        publisher.finish_preparing(now)
        return publisher.publish_early(now) if extra_tip is None else publisher.publish_extra(extra_tip, now)

    def _publisher(self, *, anyway: bool) -> Publisher:
        return replace(self.publisher(), errors=None) if anyway else self.publisher()

    def _back_to_sending(self, number: int | None) -> int:
        now = self.clock()
        with self.store.write() as tx:
            if number is None:
                issues = (*tx.issues.open(), *tx.issues.paused())
                number = max((issue.number for issue in issues if issue.state in IN_PROGRESS), default=None)
            if number is None:
                raise NotFound("no issue is paused or unfinished", fix=_see(self.rules.list_key))
            issue = tx.issues.get(number)
            if issue.state not in IN_PROGRESS:
                raise Refused(f"{issue.name} is {issue.state}, so it cannot be resumed", fix=_see(issue.list_key))
            if issue.state is IssueState.PAUSED:
                _refuse_retired(tx, issue)
                tx.issues.change(number, IssueEvent.RESUME, now)
                if RESUME_ADVICE in issue.pause_reason:  # the owner confirms what the mail server said about mailboxes
                    tx.calendar.mark_notified(RESUMED, str(number), now)
                tx.calendar.clear_notified(PAUSED, only=str(number))
            return number

    def _refuse_second_command(self) -> None:
        holder = self.store.holder()
        if holder and holder.is_alive and holder.role != SenderRole.DAEMON:
            raise Busy(
                f"{holder.role} (process {holder.pid}, since {holder.since}) is sending now",
                fix=f"Wait until it is done, then run: newsletter issues resume{self.rules.option}",
            )

    def _send_all(self, numbers: Sequence[int], progress: Progress | None) -> None:
        """Send here, or follow the daemon as it sends."""
        try:
            with self.sending_lock(SenderRole.COMMAND) as lock:
                delivery = self.delivery()
                for number in numbers:
                    delivery.deliver(lock, number, progress=progress)
        except Busy:
            if not self.store.holder():
                raise
            watch(self.store, numbers, self.stop, progress)


def _see(list_key: str) -> str:
    return f"See: newsletter issues list{list_option(list_key)}"


def _refuse_retired(tx: Tx, issue: IssueFacts) -> None:
    """A retired tip is never sent, also not the rest of a paused issue. Raises Refused."""
    if issue.tip_key and tx.tips.get(issue.tip_key).card.state is TipState.RETIRED:
        raise Refused(
            f"the tip {issue.tip_key} of {issue.name} is retired",
            fix=f"To send it, run newsletter tips unretire {issue.tip_key}; "
            f"to end the issue, run newsletter issues cancel {issue.argument}",
        )
