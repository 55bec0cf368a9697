"""Work while a person watches: a progress bar on stderr, a first Ctrl-C that lets emails in flight finish, a summary."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from newsletter.cli.issue_view import draw_issue, exit_code_of, iso, issue_document, next_document, next_issue_text
from newsletter.domain.delivery.issue import IN_PROGRESS, IssueState
from newsletter.domain.english import plural
from newsletter.domain.errors import NewsletterError

if TYPE_CHECKING:
    from newsletter.cli.context import CliContext
    from newsletter.domain.delivery.issue import IssueFacts

INTERRUPTED = 130
NAMED = 10  # tips that are passed over
Progress = Callable[[int, int], None]


def send_and_report(context: CliContext, send: Callable[[Progress | None], IssueFacts | None]) -> int:
    """Run `send` with a progress bar and report the result; the exit code."""
    from newsletter.app.process import lower_priority  # noqa: PLC0415 - the CLI imports newsletter.app only when it acts

    lower_priority()
    began = time.monotonic()
    with _graceful_interrupt(context), progress("sending") as show:
        issue = send(show)
    if issue is None:
        coming, extra = context.app.issues.next(), context.app.calendar.next_extra()
        document = {"issue": None, "slot": None, "state": None, "next": next_document(coming)}
        context.report(document, lambda output: output.line(next_issue_text(output, coming, extra)))
        return 0
    for card in [card for card in context.app.tips.cards() if card.is_passed_over][:NAMED]:
        context.print_note(
            f"newsletter: {card.key} is passed over: {card.problem}. Fix it: newsletter tips edit {card.key}"
        )
    report_issue(context, issue, took=time.monotonic() - began)
    code = exit_code_of(issue)
    if context.app.stop.is_set() and code:
        context.print_note(
            f"newsletter: stopped after the emails in flight. To continue: newsletter issues resume {issue.argument}"
        )
        return INTERRUPTED
    return code


def report_issue(
    context: CliContext, issue: IssueFacts, *, took: float | None = None, notes: Sequence[str] = ()
) -> None:
    """Show an issue with the replies and the refusals of its mail server. took: seconds. notes: what the command did."""
    replies = context.app.issues.replies(issue.number)
    waiting = context.app.issues.waiting(issue.number) if issue.state is IssueState.SENDING else None
    waits = context.app.issues.waits(issue.number) if issue.state is IssueState.SENDING else None
    if waiting:
        notes = (*notes, waiting.summary)
    if waits:
        emails = f"{plural(waits.number, 'email')} {'waits' if waits.number == 1 else 'wait'}"
        until = context.output.when(waits.until)
        notes = (*notes, f"{emails} until {until}: these subscribers want at most one email a day.")
    if issue.state not in IN_PROGRESS:  # before that, its refusals are not final
        health = context.app.issues.health(issue.number)
        notes = (*notes, *health.lines, *([health.next_step] if health.doubtful else []))
    next_at = waiting.next_attempt_at if waiting else None
    document = {**issue_document(issue), "notes": list(notes), **({"next_attempt_at": iso(next_at)} if next_at else {})}
    context.report(
        document, lambda output: draw_issue(output, issue, replies=replies, notes=notes, next_at=next_at, took=took)
    )


@contextmanager
def _graceful_interrupt(context: CliContext) -> Iterator[None]:
    """The first SIGINT or SIGTERM asks the workers to finish; a second Ctrl-C interrupts as usual."""

    def request_stop(_number: int, _frame: object) -> None:
        context.app.stop.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        context.print_note("\nnewsletter: finishing the emails in flight; Ctrl-C again stops immediately")

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, request_stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Interrupted(NewsletterError):
    """Ctrl-C in the middle of something that can be continued."""

    exit_code = INTERRUPTED


@contextmanager
def tell_if_interrupted(show: Progress | None) -> Iterator[Progress]:
    """Turn Ctrl-C into an error that says how many tips were imported. Yields what counts them; show: the bar, if any."""
    written = total = 0

    def count(done: int, of: int) -> None:
        nonlocal written, total
        if of:  # else the files are still being read
            written, total = done, of
        if show:
            show(done, of)

    try:
        yield count
    except KeyboardInterrupt:
        # The interruption may have come between a commit and the next count.
        when = "while the first tips were imported" if total else "before anything was imported"
        if written:
            when = f"after at least {written:,} of {plural(total, 'tip')}"
        raise Interrupted(f"interrupted {when}", fix="To continue, run the same command again") from None


@contextmanager
def progress(doing: str) -> Iterator[Progress | None]:
    """A bar with rate and remaining time if stderr is a terminal, else None."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.progress import (  # noqa: PLC0415 - rich
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    from newsletter.cli.output import console  # noqa: PLC0415 - imports rich

    columns = (
        TextColumn(doing),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}", style="dim"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console(stderr=True), transient=True) as bar:
        task = bar.add_task(doing, total=None, rate="")

        def show(done: int, audience: int) -> None:
            speed = bar.tasks[0].speed
            bar.update(task, completed=done, total=audience or None, rate=f"{speed:,.0f}/s" if speed else "")

        yield show
