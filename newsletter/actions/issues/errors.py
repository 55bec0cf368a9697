"""Find the errors that stop an issue: error-level findings of lint in its tip, and of preflight in its email.

An issue with errors is held until its tip is fixed, `issues send --anyway` overrides them, or it is too late. Warnings
and notes never stop an issue.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Protocol

from newsletter.actions.calendar.plan import Rules
from newsletter.actions.issues.compile import IssueContent, IssueEmail, RenderContext, compile_issue
from newsletter.domain.delivery.delivery import Claim
from newsletter.domain.tips.lint import Level, lint
from newsletter.domain.tips.season_rule import parse_rule
from newsletter.domain.tips.tip import TipFull, TipText
from newsletter.mail.tokens import SAMPLE_KEY
from newsletter.ports.store import Store

SAMPLE_SECRET = b"preview: nobody's"  # so no link or Message-ID of a sample is that of a subscriber
KEPT_FOR = timedelta(minutes=5)
"""How long a result is kept: the daemon asks every two seconds, and a template may be fixed without a restart."""


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


Check = Callable[[bytes], Sequence[Finding]]


@dataclass(frozen=True)
class Errors:
    """Checks tips as they would be sent. check: the checks of a message."""

    store: Store
    render_context: RenderContext
    rules: Rules
    check: Check
    _found: dict[tuple[TipText, date], tuple[datetime, tuple[str, ...]]] = field(default_factory=dict)

    def of(self, key: str, slot: date, now: datetime) -> tuple[str, ...]:
        """The errors of this tip in an issue of that day, as sentences; none if it may be sent.

        It compiles an email, so call it outside of any transaction. Raises NotFound and TemplateError.
        """
        with self.store.read() as tx:
            tip = tx.tips.get(key).dated(slot)
        known = self._found.get((tip.text, slot))
        if known and timedelta() <= now - known[0] < KEPT_FOR:
            return known[1]
        in_text = text_errors(tip.text, slot)
        # Lint has named what is left over in the text already, with its place.
        in_email = [one for one in self._email_errors(tip, slot, now) if not (in_text and one.id == "placeholders")]
        found = (*in_text, *dict.fromkeys(one.message for one in in_email))
        self._found.clear()  # only the coming tip is asked for again
        self._found[tip.text, slot] = (now, found)
        return found

    def _email_errors(self, tip: TipFull, slot: date, now: datetime) -> list[Finding]:
        message = sample_email(self.store, self.render_context, self.rules, tip, slot).message(
            sample_claim(self.render_context.site.from_address, slot, now), now
        )
        return [found for found in self.check(message) if found.level == "error"]


def text_errors(text: TipText, day: date) -> list[str]:
    """The errors that lint finds in the text of a tip, as sentences."""
    season = parse_rule(text.rules.season) if text.rules.season else None
    return [
        f"{found.part}, line {found.line}: “{found.excerpt}”: {found.reason}. {found.suggestion}"
        for found in lint(text, today=day, season=season)
        if found.level is Level.ERROR
    ]


def sample_email(
    store: Store, render_context: RenderContext, rules: Rules, tip: TipFull, slot: date, *, mark: str = ""
) -> IssueEmail:
    """The email of the next issue with this tip, which must have its title of that day. Raises TemplateError.

    mark: what its subject begins with.
    """
    with store.read() as tx:
        number, archive_links = tx.issues.next_number(rules.first_issue), tx.archive.archive_links(tip.card.id, slot)
    content = IssueContent(tip, number, slot, SAMPLE_SECRET, archive_links, mark=mark, is_sample=True)
    return IssueEmail(render_context, content, compile_issue(render_context, content)[1])


def sample_claim(to: str, joined_on: date, now: datetime) -> Claim:
    """A delivery to nobody, for a sample."""
    return Claim(0, 0, SAMPLE_KEY, to, "", joined_on.isoformat(), 1, now)
