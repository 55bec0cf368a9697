"""Send a frozen issue to its audience: claim, send, record, until nothing is due.

Each email costs at most one commit: the outcome of the last one and the claim of the next one share it (T3 and T2 of
docs/delivery.md). Meanwhile the website may unsubscribe people, which the claim reads; and a person may pause or cancel
the issue, after which nothing is claimed. A second sender is impossible: the ledger comes with the sending lock.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Event

from newsletter.actions.calendar.plan import Rules
from newsletter.actions.delivery.batch import Batch, BatchResult, EnvelopeFrom, SendingContext
from newsletter.actions.delivery.workers import run_batch
from newsletter.actions.issues.compile import IssueEmails, RenderContext, load_issue_emails
from newsletter.actions.issues.health import health_at_the_end, why_pause
from newsletter.actions.owner.reports import RESUMED, notify_of_pauses
from newsletter.domain.delivery.delivery import SkipReason
from newsletter.domain.delivery.issue import IssueEvent, IssueState
from newsletter.domain.delivery.processes import WorkerPolicy
from newsletter.ports.clock import Clock
from newsletter.ports.sending import Sender, SendingLock, Worker
from newsletter.ports.store import Store

log = logging.getLogger(__name__)

SLOWED = "slowed"  # the record that an issue is sent over one connection

Progress = Callable[[int, int], None]
"""Called with the number of final deliveries and the size of the audience."""

StartWorker = Callable[[SendingLock, int, Mapping[int | None, bytes], bytes, bool], Worker]
"""Makes a second process for an issue: the lock it inherits, the issue's number, its compiled emails by tip_id, its key,
and `trusts_mailboxes`."""


@dataclass(frozen=True)
class Delivery:
    """Sends issues that are in the state `sending`.

    serves: this process runs the website too, so a second process takes all the connections of a large issue.
    owner: the addresses that are told when an issue is paused.
    """

    store: Store
    rules: Rules
    render_context: RenderContext
    sender: Callable[[], Sender]
    envelope_from: EnvelopeFrom
    clock: Clock
    stop: Event
    owner: Sequence[str]
    worker_policy: WorkerPolicy
    start_worker: StartWorker
    serves: bool = False

    def check_ready(self) -> None:
        """Raise SettingsError for an unusable sender now, before anything is due."""
        self.sender()

    def deliver(self, lock: SendingLock, number: int, *, progress: Progress | None = None) -> BatchResult:
        """Send what is due of one issue as one batch; whoever calls holds the sending lock.

        Tells the owner if the circuit breaker paused the issue. Raises as the function `deliver` does.
        """
        emails = load_issue_emails(self.store, self.render_context, number, self.rules)
        context = self._context(lock, number, emails)
        result = deliver(self.store, context, number, on_progress=progress)
        self._note_deferrals(number, result, is_slowed=context.is_slowed)
        if result.paused and self.owner:
            with self.store.write() as tx:
                notify_of_pauses(tx, self.owner, self.clock())
        return result

    def _note_deferrals(self, number: int, result: BatchResult, *, is_slowed: bool) -> None:
        """Remember that the mail server defers everybody, until it accepts an email."""
        if is_slowed != result.is_deferred and (result.is_deferred or result.sent):
            with self.store.write() as tx:
                if result.is_deferred:
                    tx.calendar.mark_notified(SLOWED, str(number), self.clock())
                else:
                    tx.calendar.clear_notified(SLOWED, only=str(number))

    def _context(self, lock: SendingLock, number: int, emails: IssueEmails) -> SendingContext:
        with self.store.read() as tx:
            trusts_mailboxes = tx.calendar.was_notified(RESUMED, str(number))
            is_slowed = tx.calendar.was_notified(SLOWED, str(number))
        context = SendingContext(
            ledger=lock.ledger,
            sender=self.sender(),
            compose=emails.compose,
            envelope_from=self.envelope_from,
            clock=self.clock,
            stop=self.stop,
            dot_free=emails.are_uniform,
            worker_takes_all=self.serves,
            trusts_mailboxes=trusts_mailboxes,
            is_slowed=is_slowed,
            list_key=self.rules.list_key,
        )
        threshold = self.worker_policy.min_recipients
        if threshold is None or is_slowed or not emails.are_uniform:  # a second process has no templates
            return context
        worker = self.start_worker(lock, number, emails.dumps(), emails.secret, trusts_mailboxes)
        return replace(context, worker=worker, worker_threshold=threshold)


def deliver(store: Store, context: SendingContext, number: int, *, on_progress: Progress | None = None) -> BatchResult:
    """Send what is due of an issue in `sending`, over all connections; returns when nothing is due or `stop` is set.

    After `stop`, emails in flight finish and are recorded. Finishes the issue when no open delivery is left (T5).
    Raises what a worker could not handle (TemplateError, a full disk): every outcome it had is recorded or in doubt.
    """
    with store.read() as tx:
        issue = tx.issues.get(number)
    open_count = sum(issue.counts[state] for state in ("pending", "sending", "deferred"))
    # For a small rest, starting a second process takes longer than it saves.
    alone = replace(context, worker=None)
    batch = Batch(context if open_count >= context.worker_threshold else alone, number, issue.counts.get("sent", 0))
    result = batch.result
    final_before = issue.audience - open_count
    connections = max(1, min(context.sender.connections, open_count))

    def on_tick() -> None:
        if on_progress:
            on_progress(final_before + result.final, issue.audience)

    run_batch(batch, connections, on_tick)
    if result.worker_died and not batch.is_over:  # its deliveries may have been requeued after our workers had ended
        batch.context = alone
        run_batch(batch, connections, on_tick)
    batch.forget_trouble_that_is_over()
    batch.conclude_openings()
    _settle(store, batch)
    if result.failure:
        raise result.failure
    return result


def _settle(store: Store, batch: Batch) -> None:
    """After the last worker: pause, skip or finish.

    When the circuit breaker tripped, its rejections are reopened before the issue is paused, so that a crash between
    the two only sends those emails again. Addresses are suppressed in the transaction that finishes the issue.
    """
    context, number, result = batch.context, batch.number, batch.result
    now, doubted = context.clock(), batch.breaker.run
    if not batch.was_stopped:
        result.paused = batch.breaker.conclude() or batch.whose_trouble.conclude()
    health = None if result.paused else health_at_the_end(store, number)
    if health:
        with store.read() as tx:
            result.paused = why_pause(tx, health, trusts_mailboxes=context.trusts_mailboxes)
            doubted = list(tx.issues.rejected(number)) if result.paused else doubted
    if result.paused:
        log.error("%s is paused: %s", batch.name, result.paused)
        context.ledger.reopen(number, doubted, now)  # T3 has committed these rejections already
    with store.write() as tx:
        # The statement checks that no delivery is open: a batch that came back empty proves nothing (T5).
        if not result.paused and tx.issues.finish_if_done(number, now):
            if health:
                tx.suppressions.add_bounced(number, health.verdict.suppress, now)
            return
        state = tx.issues.get(number).state
        if state is IssueState.CANCELLED:  # emails that were in flight when it was cancelled may have been requeued
            tx.issues.skip_open(number, SkipReason.CANCELLED, now)
            result.paused = ""
        elif result.paused and state is IssueState.SENDING:
            tx.issues.change(number, IssueEvent.PAUSE, now, reason=result.paused)
