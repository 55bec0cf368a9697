"""Find what keeps a tip from being sent: errors that lint finds in its text and preflight in its email, or no email at all.

A tip with errors is passed over until it is fixed (see `actions.issues.pass_over`). Warnings and notes never stop a tip.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Protocol

from newsletter.actions.calendar.plan import Rules
from newsletter.actions.issues.compile import IssueContent, IssueEmail, RenderContext, compile_issue
from newsletter.domain.archive.entries import plain
from newsletter.domain.delivery.delivery import Claim
from newsletter.domain.errors import NewsletterError, TemplateError
from newsletter.domain.tips.lint import Level, lint
from newsletter.domain.tips.pictures import pictures_of
from newsletter.domain.tips.season_rule import parse_rule
from newsletter.domain.tips.tip import TipCard, TipFull, TipState, TipText
from newsletter.mail.tokens import SAMPLE_KEY
from newsletter.ports.store import Store

SAMPLE_SECRET = b"preview: nobody's"  # so no link or Message-ID of a sample is that of a subscriber
KEPT_FOR = timedelta(minutes=5)
"""How long a result is kept: the daemon asks every two seconds, and a template may be fixed without a restart."""
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_NO_EMAIL = "no email can be made of it"
_TEMPLATE = "a template fails for it"
_SAMPLE = TipFull(
    TipCard(0, "a-sample", "A sample", TipState.FRESH, True, None, None, 0),
    TipText(
        "A sample", "A text with *marks* and a [link](https://example.org/).", takeaway="A takeaway.", key="a-sample"
    ),
)
"""A tip in which nothing is wrong: an error in its email is one of the templates or the settings."""


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
    """Checks tips as they would be sent. check: the checks of a message. has_picture: is this file of a picture there?"""

    store: Store
    render_context: RenderContext
    rules: Rules
    check: Check
    has_picture: Callable[[str], bool]
    _found: dict[tuple[TipText, date], tuple[datetime, tuple[str, ...]]] = field(default_factory=dict)

    def of(self, key: str, slot: date, now: datetime) -> tuple[str, ...]:
        """The errors of this tip in an issue of that day, as sentences; none if it may be sent.

        It compiles an email, so call it outside of any transaction. Raises NotFound.
        """
        with self.store.read() as tx:
            tip = tx.tips.get(key)
        return self.of_tip(tip, slot, now)

    def of_tip(self, tip: TipFull, slot: date, now: datetime) -> tuple[str, ...]:
        """As `of`."""
        known = self._found.get((tip.text, slot))
        if known and timedelta() <= now - known[0] < KEPT_FOR:
            return known[1]
        found = self._look(tip, slot, now)
        for old in [one for one, (at, _) in self._found.items() if not timedelta() <= now - at < KEPT_FOR]:
            del self._found[old]
        self._found[tip.text, slot] = (now, found)
        return found

    def of_every_email(self, slot: date, now: datetime) -> tuple[str, ...]:
        """The errors that the email of any tip would have, because the templates or the settings are wrong."""
        return self.of_tip(_SAMPLE, slot, now)

    def _look(self, tip: TipFull, slot: date, now: datetime) -> tuple[str, ...]:
        if controls := _controls(tip.text):
            return tuple(controls)
        try:
            dated = tip.dated(slot)
            in_text = text_errors(dated.text, slot)
            in_email = self._email_errors(dated, slot, now)
        except TemplateError as error:
            return (f"{_TEMPLATE if error.source else _NO_EMAIL}: {error}",)
        except NewsletterError as error:
            return (f"{_NO_EMAIL}: {error}",)
        except Exception as error:  # noqa: BLE001 - whatever a library raises for one tip must not stop the others
            return (f"{_NO_EMAIL}: {_first_line(error)}",)
        # Lint has named what is left over in the text already, with its place.
        messages = [one.message for one in in_email if not (in_text and one.id == "placeholders")]
        pictures = pictures_of(tip.text.body)
        gone = [f"the file of the picture {one.name} is gone" for one in pictures if not self.has_picture(one.name)]
        empty = [] if pictures or plain(tip.text.body).strip() else ["its text is empty"]
        return (*empty, *in_text, *dict.fromkeys(messages), *gone)

    def _email_errors(self, tip: TipFull, slot: date, now: datetime) -> list[Finding]:
        message = sample_email(self.store, self.render_context, self.rules, tip, slot).message(
            sample_claim(self.render_context.site.from_address, slot, now), now
        )
        return [found for found in self.check(message) if found.level == "error"]


def _controls(text: TipText) -> list[str]:
    """Control characters, which no email may have in a header, and which nobody can see in a text (RFC 5322 section 2.2)."""
    parts = (("title", text.title), ("preview", text.preview), ("takeaway", text.takeaway), ("body", text.body))
    found = ((name, _CONTROL.search(part)) for name, part in parts)
    return [f"its {name} has the control character U+{ord(one[0]):04X}" for name, one in found if one]


def _first_line(error: Exception) -> str:
    words = str(error).partition("\n")[0][:200]
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


def is_of_template(error: str) -> bool:
    """Is this error of a tip one that a template has raised?"""
    return error.startswith(_TEMPLATE)


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
