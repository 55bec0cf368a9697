"""What the owner is told, and the links in those emails."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from newsletter.actions.owner.links import SlotView
    from newsletter.app.wiring import App
    from newsletter.ports.calendar import HeartbeatCall


class Owner:
    """Tell the owner what happened, and follow the links in a preview."""

    def __init__(self, app: App) -> None:
        self._app = app

    def view(self, token: str) -> SlotView:
        """What a link of a preview is about."""
        from newsletter.actions.owner.links import inspect_link

        return inspect_link(self._app.store, self._app.signer, self._app.rules, token, self._app.clock())

    def act(self, token: str) -> SlotView:
        """Do what a link of a preview says."""
        from newsletter.actions.owner.links import act

        return act(self._app.store, self._app.signer, self._app.rules, token, self._app.clock())

    def notify(self) -> int:
        """Tell the owner what is new, leave a mark; rung every minute. How many mails wait now."""
        from newsletter.actions.owner.reports import notify_owner

        now = self._app.clock()
        if self._app.store.hold_reason():
            return 0
        self._app.store.mark_active(now)
        if not self._app.site.owner:
            return 0
        mails = notify_owner(self._app.store, self._app.rules, self._app.site.owner, now)
        if mails:
            self._app.email_queued.set()
        return mails

    def send_heartbeat(self) -> HeartbeatCall | None:
        """Call the watchdog if it is time to, and write down how that went; it may take a while. None: nothing to call for."""
        from newsletter.actions.heartbeat import claim_heartbeat, finish_heartbeat
        from newsletter.http.heartbeat import ping

        if not self._app.settings.ping_url or self._app.store.hold_reason():
            return None
        slot = claim_heartbeat(self._app.store, self._app.rules, self._app.clock())
        return (
            finish_heartbeat(self._app.store, slot, ping(self._app.settings.ping_url), self._app.clock())
            if slot
            else None
        )

    def alert(self, headline: str, lines: Sequence[str], next_step: str) -> None:
        """Queue a mail to the owner, if one is set."""
        if self._app.site.owner:
            values = {"headline": headline, "lines": list(lines), "next_step": next_step}
            with self._app.store.write() as tx:
                tx.transactional.add("alarm", self._app.site.owner, values, self._app.clock())
