"""The fuse box: settings in, verbs bound to store, sender and renderer out; nothing else wires anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from newsletter.app.calendar import CalendarVerbs
from newsletter.app.issues import COMMAND, DAEMON, IssueVerbs
from newsletter.app.subscribers import ReaderVerbs
from newsletter.app.tips import TipVerbs
from newsletter.app.wiring import SchemaStatus, fresh_key, system_clock

if TYPE_CHECKING:
    from newsletter.actions.doctor import Check

__all__ = ["COMMAND", "DAEMON", "App", "SchemaStatus", "fresh_key", "system_clock"]


@dataclass
class App(TipVerbs, IssueVerbs, CalendarVerbs, ReaderVerbs):
    """One newsletter, ready to act: `App(settings)`, or with a clock of your own."""

    def doctor(self) -> list[Check]:
        """Every check, each with its fix."""
        import sqlite3

        from newsletter.actions.doctor import check

        return check(
            self.store,
            rules=self.rules,
            site=self.site,
            has_key=bool(self.settings.secret_key),
            has_sender=bool(self.settings.sender_url),
            has_heartbeat=bool(self.settings.ping_url),
            warnings=self.settings.warnings,
            sqlite_version=sqlite3.sqlite_version,
            dkim=lambda: self.dkim,
            preview=self.preview,
            now=self.clock(),
        )
