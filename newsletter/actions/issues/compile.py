"""Compile the emails of an issue once from their tips, and write the message to each subscriber from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from newsletter.actions.calendar.course import course_end
from newsletter.actions.calendar.plan import Rules
from newsletter.domain.archive.entries import ArchiveLinks
from newsletter.domain.calendar.course import CourseEnd
from newsletter.domain.delivery.delivery import Claim
from newsletter.domain.delivery.issue import IssueFacts
from newsletter.domain.lists import shown_number
from newsletter.domain.site import Site
from newsletter.domain.tips.tip import TipFull
from newsletter.mail.compiled import CompiledEmail, compile_email, twin_sentinels
from newsletter.mail.dkim import Dkim
from newsletter.mail.headers import Headers, issue_headers
from newsletter.mail.message import build
from newsletter.mail.personalize import MessageWriter, Personalizer, by_tip
from newsletter.mail.tokens import Signer
from newsletter.ports.rendering import Rendered, Renderer
from newsletter.ports.store import Store, Tx

INCOMPLETE = "only its teaser was imported; import the page with the full tip"
WEEKLY, QUARTERLY = "issue", "quarterly"
STREAMS = {WEEKLY: "weekly", QUARTERLY: "quarterly"}


@dataclass(frozen=True, slots=True)
class RenderContext:
    """What every email needs: the templates, the facts of the site, the keys of its links, and its DKIM signatures.

    title_of: the title of another list, by its key.
    """

    renderer: Renderer
    site: Site
    signer: Signer
    dkim: Dkim | None = None
    title_of: Callable[[str], str] = str


@dataclass(frozen=True, slots=True)
class IssueContent:
    """What an email of an issue is made of.

    secret: 16 bytes, the issue's own key. kind: the folder of its templates. mark: what the subject header begins with.
    is_sample: it belongs to no issue, so its tip may not be public yet. course_end: in the email of the last tip of a course,
    what follows.
    """

    tip: TipFull
    number: int
    day: date
    secret: bytes
    archive_links: ArchiveLinks
    kind: str = WEEKLY
    mark: str = ""
    is_sample: bool = False
    course_end: CourseEnd | None = None

    @property
    def nonce(self) -> str:
        """The start of all sentinels and MIME boundaries: constant for an issue, and unlikely to be in any text."""
        return f"z{self.secret.hex()[:12]}q"

    def online_url(self, site: Site) -> str:
        """The page of the tip; with `test`, it says that this was a test if the tip is not public yet."""
        return site.url(f"/tips/{self.tip.card.key}{'?test' if self.is_sample else ''}")

    def rendered(self, render_context: RenderContext, recipient: Mapping[str, str]) -> Rendered:
        """The email to one subscriber, before MIME; recipient: a value for every placeholder. Raises TemplateError."""
        return render_context.renderer.issue(
            self.tip.text,
            tip_key=self.tip.card.key,
            number=shown_number(self.number),
            slot=self.day,
            recipient=recipient,
            archive_links=self.archive_links,
            kind=self.kind,
            extra={"online_url": self.online_url(render_context.site), **self._end(render_context)},
        )

    def _end(self, render_context: RenderContext) -> Mapping[str, str]:
        end = self.course_end
        if end is None:
            return {}
        return {"course_end": end.kind, "course_then": render_context.title_of(end.then) if end.then else ""}

    def headers(self, render_context: RenderContext, subject: str, recipient: Mapping[str, str]) -> Headers:
        """Its header fields, before they are folded."""
        return issue_headers(
            render_context.site,
            subject=f"{self.mark}{subject}",
            issue=self.number,
            slot_or_date=self.day,
            archived_at=self.online_url(render_context.site),
            recipient=recipient,
            stream=STREAMS[self.kind],
        )


def issue_content(tx: Tx, rules: Rules, issue: IssueFacts, tip: TipFull) -> IssueContent:
    """The content of an issue's email about one tip, whose title gets the year of the issue if it names one."""
    day = issue.slot or rules.schedule.day_of(issue.due_at)
    secret, archive_links = tx.issues.secret(issue.number), tx.archive.archive_links(tip.card.id, day)
    kind, end = QUARTERLY if issue.quarter else WEEKLY, course_end(tx, tip.card.key, day) if issue.slot else None
    return IssueContent(tip.dated(day), issue.number, day, secret, archive_links, kind, course_end=end)


def compile_issue(render_context: RenderContext, content: IssueContent) -> tuple[str, CompiledEmail]:
    """The subject, and the email with placeholders. It takes a moment; the same input gives the same bytes.

    The email is rendered for two sets of sentinels. What differs between the two is a placeholder; if anything else
    differs, the template depends on the subscriber, and the compiled email is not `uniform`. Raises TemplateError.
    """
    first, second = twin_sentinels(content.nonce)
    one, two = content.rendered(render_context, first), content.rendered(render_context, second)
    headers = content.headers(render_context, one.subject, first)
    return one.subject, compile_email(headers, one, two, first, second, content.nonce)


class IssueEmail:
    """One compiled email, ready to be written to each subscriber.

    `message(claim, now)` may be called by several threads.
    """

    def __init__(self, render_context: RenderContext, content: IssueContent, compiled: CompiledEmail) -> None:
        self.personalizer = Personalizer(
            compiled,
            site=render_context.site,
            signer=render_context.signer,
            secret=content.secret,
            dkim=render_context.dkim,
        )
        self._render_context = render_context
        self._content = content

    @property
    def message(self) -> MessageWriter:
        """Writes the whole message to one subscriber: CRLF lines, not dot-stuffed."""
        return self.personalizer.message if self.personalizer.compiled.uniform else self._render_each

    def _render_each(self, claim: Claim, now: datetime) -> bytes:
        """The slow way, for templates of the owner that depend on the subscriber: render the whole email again."""
        values, content, dkim = self.personalizer.values(claim, now), self._content, self._render_context.dkim
        rendered = content.rendered(self._render_context, values)
        message = build(content.headers(self._render_context, rendered.subject, values), rendered, content.nonce)
        return dkim.sign(message, now) if dkim else message


@dataclass(frozen=True, slots=True)
class IssueEmails:
    """All emails of an issue by the tip_id of a claim; None, which is always there, is the one about its own tip."""

    by_tip_id: Mapping[int | None, IssueEmail]

    @property
    def compose(self) -> MessageWriter:
        """Writes the message for a claim."""
        return by_tip({tip_id: email.message for tip_id, email in self.by_tip_id.items()})

    @property
    def are_uniform(self) -> bool:
        """Do all of them only need their placeholders filled, so that no template is rendered again?"""
        return all(email.personalizer.compiled.uniform for email in self.by_tip_id.values())

    @property
    def secret(self) -> bytes:
        """The issue's own key, of its Message-IDs."""
        return self.by_tip_id[None].personalizer.secret

    def dumps(self) -> dict[int | None, bytes]:
        """Each in the form of `CompiledEmail.dumps`."""
        return {tip_id: email.personalizer.compiled.dumps() for tip_id, email in self.by_tip_id.items()}


def load_issue_emails(store: Store, render_context: RenderContext, number: int, rules: Rules) -> IssueEmails:
    """The frozen emails of an issue; raises NotFound if it is not frozen yet."""
    with store.read() as tx:
        issue = tx.issues.get(number)

        def load(tip: TipFull, compiled: bytes) -> IssueEmail:
            return IssueEmail(render_context, issue_content(tx, rules, issue, tip), CompiledEmail.loads(compiled))

        emails: dict[int | None, IssueEmail] = {
            None: load(tx.tips.get(issue.tip_key or ""), tx.issues.compiled(number))
        }
        for tip_id, compiled in tx.issues.substitutes(number).items():
            emails[tip_id] = load(tx.tips.by_id(tip_id), compiled)
        return IssueEmails(emails)
