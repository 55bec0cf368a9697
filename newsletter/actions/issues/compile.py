"""The letters of an issue: from a tip to compiled bytes, and from these to a message for each reader; sends nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from newsletter.actions.calendar.plan import Rules, next_issue
from newsletter.domain.archive.entries import ArchiveLinks
from newsletter.domain.delivery.delivery import Claim
from newsletter.domain.delivery.issue import IssueFacts
from newsletter.domain.errors import NotFound, Refused
from newsletter.domain.site import Site
from newsletter.domain.tips.tip import TipFull
from newsletter.mail.compiled import CompiledEmail, compile_email, twin_sentinels
from newsletter.mail.dkim import Dkim
from newsletter.mail.headers import Headers, issue_headers
from newsletter.mail.message import build
from newsletter.mail.personalize import MessageWriter, Personalizer, by_tip
from newsletter.mail.tokens import Signer
from newsletter.ports.store import Rendered, Renderer, Store, Tx

ONLY_A_TEASER = "only its teaser is here; import the page with the whole article"
WEEKLY, QUARTERLY = "issue", "quarterly"
STREAMS = {WEEKLY: "weekly", QUARTERLY: "quarterly"}


@dataclass(frozen=True, slots=True)
class RenderContext:
    """What it takes to make letters: the templates, who we are, the keys of the links, and what signs the whole."""

    renderer: Renderer
    site: Site
    signer: Signer
    dkim: Dkim | None = None


@dataclass(frozen=True, slots=True)
class IssueContent:
    """What a letter is made of. kind: the folder of its templates."""

    tip: TipFull
    number: int
    day: date
    secret: bytes
    archive_links: ArchiveLinks
    kind: str = WEEKLY

    @property
    def nonce(self) -> str:
        """What marks and boundaries begin with: the same for the same issue, and in no text."""
        return f"z{self.secret.hex()[:12]}q"

    def rendered(self, render_context: RenderContext, recipient: Mapping[str, str]) -> Rendered:
        """The letter to one reader, before MIME. Raises TemplateError."""
        return render_context.renderer.issue(
            self.tip.text,
            tip_key=self.tip.card.key,
            number=self.number,
            slot=self.day,
            recipient=recipient,
            archive_links=self.archive_links,
            kind=self.kind,
        )

    def headers(self, render_context: RenderContext, subject: str, recipient: Mapping[str, str]) -> Headers:
        """Its header fields."""
        return issue_headers(
            render_context.site,
            subject=subject,
            issue=self.number,
            slot_or_date=self.day,
            archived_at=render_context.site.url(f"/tips/{self.tip.card.key}"),
            recipient=recipient,
            stream=STREAMS[self.kind],
        )


def issue_content(tx: Tx, rules: Rules, issue: IssueFacts, tip: TipFull) -> IssueContent:
    """What the letter about one tip of an issue is made of; a title has its year."""
    day = issue.slot or rules.schedule.day_of(issue.due_at)
    secret, archive_links = tx.issues.secret(issue.number), tx.archive.archive_links(tip.card.id, day)
    return IssueContent(
        tip.dated(day), issue.number, day, secret, archive_links, QUARTERLY if issue.quarter else WEEKLY
    )


def compile_issue(render_context: RenderContext, source: IssueContent) -> tuple[str, CompiledEmail]:
    """The subject and the letter with holes; takes a moment. The same input gives the same bytes. Raises TemplateError."""
    first, second = twin_sentinels(source.nonce)
    one, two = source.rendered(render_context, first), source.rendered(render_context, second)
    headers = source.headers(render_context, one.subject, first)
    return one.subject, compile_email(headers, one, two, first, second, source.nonce)


class IssueEmail:
    """One frozen letter, ready to be written to each reader: by filling holes, or the slow way where it must be.

    `message(claim, now)` may be called by several threads.
    """

    def __init__(self, render_context: RenderContext, source: IssueContent, compiled: CompiledEmail) -> None:
        self.filling = Personalizer(
            compiled,
            site=render_context.site,
            signer=render_context.signer,
            secret=source.secret,
            dkim=render_context.dkim,
        )
        self._render_context = render_context
        self._source = source

    @property
    def message(self) -> MessageWriter:
        """Writes the whole message for one reader: CRLF lines, not dot-stuffed."""
        return self.filling.message if self.filling.compiled.uniform else self._render_each

    def _render_each(self, claim: Claim, now: datetime) -> bytes:
        values, source, dkim = self.filling.values(claim, now), self._source, self._render_context.dkim
        rendered = source.rendered(self._render_context, values)
        message = build(source.headers(self._render_context, rendered.subject, values), rendered, source.nonce)
        return dkim.sign(message, now) if dkim else message


@dataclass(frozen=True, slots=True)
class IssueEmails:
    """All letters of an issue, by the tip_id of a claim: None for the one about its own tip, which there always is."""

    each: Mapping[int | None, IssueEmail]

    @property
    def compose(self) -> MessageWriter:
        """What writes the message for a claim."""
        return by_tip({tip_id: letter.message for tip_id, letter in self.each.items()})

    @property
    def are_uniform(self) -> bool:
        """Can all be filled, so that no template is needed any more?"""
        return all(letter.filling.compiled.uniform for letter in self.each.values())

    @property
    def secret(self) -> bytes:
        """The issue's own key."""
        return self.each[None].filling.secret

    def dumps(self) -> dict[int | None, bytes]:
        """Each as `mail.compiled` keeps it."""
        return {tip_id: letter.filling.compiled.dumps() for tip_id, letter in self.each.items()}


def load_issue_emails(store: Store, render_context: RenderContext, number: int, rules: Rules) -> IssueEmails:
    """The frozen letters of an issue; raises NotFound before it was frozen."""
    with store.read() as tx:
        issue = tx.issues.get(number)

        def opened(tip: TipFull, compiled: bytes) -> IssueEmail:
            return IssueEmail(render_context, issue_content(tx, rules, issue, tip), CompiledEmail.loads(compiled))

        letters: dict[int | None, IssueEmail] = {
            None: opened(tx.tips.get(issue.tip_key or ""), tx.issues.compiled(number))
        }
        for tip_id, compiled in tx.issues.substitutes(number).items():
            letters[tip_id] = opened(tx.tips.by_id(tip_id), compiled)
        return IssueEmails(letters)


def sample_email(
    store: Store, render_context: RenderContext, rules: Rules, now: datetime, tip_key: str | None
) -> IssueEmail:
    """The letter that would go out, of the next tip or of one that is named; nothing is written. Raises NotFound."""
    coming = next_issue(store, rules, now)
    key = tip_key or (coming.tip.key if coming.tip else None)
    if key is None:
        raise NotFound(f"there is no tip to show: {coming.reason}", fix="See: newsletter tips list")
    with store.read() as tx:
        tip = tx.tips.get(key).dated(coming.slot)
        number = tx.issues.last_number() + 1
        archive_links = tx.archive.archive_links(tip.card.id, coming.slot)
    if not tip.card.complete:
        raise Refused(f"{key} cannot be sent: {ONLY_A_TEASER}")
    source = IssueContent(tip, number, coming.slot, b"preview: nobody's", archive_links)
    return IssueEmail(render_context, source, compile_issue(render_context, source)[1])
