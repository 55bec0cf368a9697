"""The fuse box: settings in, verbs bound to store, sender and renderer out; nothing else wires anything."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from newsletter.domain.calendar import Schedule
from newsletter.domain.issues import IssueFacts
from newsletter.domain.outcomes import Outcome
from newsletter.domain.ports import Clock, Renderer, Sender, Store
from newsletter.domain.site import Site
from newsletter.mail.tokens import Signer
from newsletter.settings import Settings

if TYPE_CHECKING:
    from newsletter.actions import confirm, import_subscribers, import_tips, leave, publish, subscribe


def system_clock() -> datetime:
    """The time it is, aware, UTC."""
    return datetime.now(UTC)


Progress = Callable[[int, int], None]
"""Called with (letters done, audience) while an issue is sent."""


@dataclass
class App:
    """One newsletter, ready to act. Parts are built when first used, so that a small command stays fast."""

    settings: Settings
    clock: Clock = system_clock
    stop: threading.Event = field(default_factory=threading.Event)

    # -- parts ---------------------------------------------------------------------------------

    @cached_property
    def site(self) -> Site: ...

    @cached_property
    def schedule(self) -> Schedule: ...

    @cached_property
    def signer(self) -> Signer: ...

    @cached_property
    def store(self) -> Store: ...

    @cached_property
    def renderer(self) -> Renderer: ...

    def sender(self) -> Sender: ...

    def close(self) -> None: ...

    # -- tips ----------------------------------------------------------------------------------

    def import_tips(
        self, paths: Sequence[Path], *, format_: str = "auto", queue: bool = False, dry_run: bool = False
    ) -> import_tips.Report: ...

    # -- issues --------------------------------------------------------------------------------

    def next_issue(self) -> publish.NextIssue: ...

    def preview(self, tip_key: str | None = None) -> bytes: ...

    def send_test(self, to: str, tip_key: str | None = None) -> Outcome: ...

    def send(
        self, *, early: bool = False, extra_tip: str | None = None, progress: Progress | None = None
    ) -> IssueFacts | None: ...

    def resume(self, number: int | None = None, *, progress: Progress | None = None) -> IssueFacts: ...

    # -- readers -------------------------------------------------------------------------------

    def subscribe(self, email: str, name: str, *, form: str, origin: str) -> None: ...
    def confirm(self, token: str) -> confirm.Confirmed: ...
    def leave(self, token: str, *, how: str) -> leave.Left: ...
    def add_subscriber(
        self, address: str, name: str = "", *, confirmed_source: str | None = None
    ) -> subscribe.Added: ...
    def import_subscribers(
        self, path: Path, *, confirmed_source: str | None = None, dry_run: bool = False
    ) -> import_subscribers.Report: ...
    def flush_notices(self) -> int: ...
