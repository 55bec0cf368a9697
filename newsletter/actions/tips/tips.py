"""The library of tips: import and edit tips, put them in order, pin them to dates, check them and explain their dates."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Protocol, cast

from newsletter.actions.calendar.course import is_course
from newsletter.actions.calendar.plan import Rules, is_skipped, must_be_open
from newsletter.actions.issues.errors import Errors
from newsletter.actions.issues.pass_over import check, problem_of, record
from newsletter.actions.issues.release import release_retired
from newsletter.actions.tips.assign import Assigned, assign_tips
from newsletter.actions.tips.edit import edit_tip
from newsletter.actions.tips.export import Exported, export_tips
from newsletter.actions.tips.import_report import Report, TipProblem
from newsletter.actions.tips.import_tips import import_tips
from newsletter.actions.tips.lint import LintResult, lint_links, lint_tips, with_problem
from newsletter.actions.tips.pictures import PictureIntake
from newsletter.actions.tips.why import WhyTip, why_tip
from newsletter.domain.archive.entries import Votes
from newsletter.domain.delivery.issue import IN_PROGRESS, IssueFacts
from newsletter.domain.errors import Refused, SettingsError, TemplateError
from newsletter.domain.tips.links import LinkChecker
from newsletter.domain.tips.lint import Level
from newsletter.domain.tips.list_map import parse_map
from newsletter.domain.tips.names import find_key
from newsletter.domain.tips.rerun_rule import parse_rerun
from newsletter.domain.tips.season_rule import in_words
from newsletter.domain.tips.tip import (
    ConflictChoice,
    Piece,
    Rejected,
    Remark,
    TipCard,
    TipFull,
    TipState,
    TipText,
    state_by_history,
)
from newsletter.ports.clock import Clock
from newsletter.ports.pictures import Media, PictureCodec
from newsletter.ports.store import Store, Tx

Progress = Callable[[int, int], None]
CHECKED = 50
"""Imported tips whose email is made at once; those that come next are checked each night, and every tip at its slot."""


class FileFormats(PictureCodec, Protocol):
    """The formats of tips and pictures; `newsletter.importers` implements it."""

    def read(self, paths: Sequence[Path], format_: str = "auto") -> Iterator[Piece]:
        """Every tip in these files and directories, one after the other. Raises UsageError for an unknown format."""
        ...

    def parse_markdown(self, text: str, source: str) -> TipText | Rejected:
        """The tip in the text of one Markdown file. source: the name of the file, for messages."""
        ...

    def to_markdown_file(self, text: TipText) -> str:
        """The text of the Markdown file of a tip; `parse_markdown` reads it back as the same tip."""
        ...


@dataclass(frozen=True, slots=True)
class Tips:
    """Everything the owner does with the library. Each `key` is the key of one tip; an unknown key raises NotFound."""

    store: Store
    rules: Rules
    clock: Clock
    formats: Callable[[], FileFormats]  # called on first use, since it takes long to import
    check_links: LinkChecker
    media: Media
    download: Callable[[str], bytes]
    errors: Callable[[], Errors]  # what keeps a tip from being sent; may raise SettingsError and TemplateError

    # -- read ------------------------------------------------------------------------------------------

    def cards(self, state: TipState | None = None) -> list[TipCard]:
        """Every tip, or those in one state: the queue first, in its order, then the others. Of a course, all in its order."""
        with self.store.read() as tx:
            cards = [card for card in tx.tips.cards() if state in (None, card.state)]
            if is_course(tx):
                return sorted(cards, key=lambda card: (card.starter, card.position, card.key))
        return sorted(cards, key=lambda card: (card.state is not TipState.FRESH, card.position, card.id))

    def get(self, key: str) -> TipFull:
        """One tip with its text."""
        with self.store.read() as tx:
            return tx.tips.get(key)

    def votes(self, key: str) -> Votes:
        """How subscribers answered "was this useful?" for a tip."""
        with self.store.read() as tx:
            return tx.tips.votes(tx.tips.get(key).card.id)

    def title_today(self, key: str) -> str:
        """The title that a tip would have in an email sent today."""
        today = self._today()
        with self.store.read() as tx:
            return tx.tips.get(key).dated(today).card.title

    # -- files -----------------------------------------------------------------------------------------

    def import_files(
        self,
        paths: Sequence[Path],
        *,
        format_: str = "auto",
        queue: bool = False,
        dry_run: bool = False,
        take: ConflictChoice | None = None,
        categories: Sequence[str] = (),
        maps: Sequence[str] = (),
        list_key: str = "",
        pictures: bool = False,
        progress: Progress | None = None,
    ) -> Report:
        """Import tips from files and directories; see `import_tips` for the options.

        maps: which category belongs to which list, as `parse_map` reads it; list_key: the list of all other new tips.
        pictures: load the pictures of posts from the host of the post. progress: called with how many tips were read (of
        0, as long as nobody knows how many there are), then with how many were written, and of how many.
        """
        with self.store.read() as tx:
            list_map = parse_map(maps, list_key, [one.key for one in tx.lists.each()])
        intake, found = self._intake(load=pictures, dry_run=dry_run), list[Piece]()
        for piece in intake.all(self.formats().read(paths, format_)):
            found.append(piece)
            if progress and len(found) % 10 == 0:
                progress(len(found), 0)
        report = import_tips(
            self.store,
            found,
            queue=queue,
            dry_run=dry_run,
            now=self.clock(),
            take=take,
            categories=categories,
            list_map=list_map,
            progress=progress,
        )
        # The starter tips were tried before they came with the program.
        known = {card.key for card in self.starters()}
        problems = () if dry_run else self._problems([tip.key for tip in report.tips if tip.key not in known][:CHECKED])
        return replace(report, pictures=intake.taken, pictures_left_out=intake.left, problems=problems)

    def export(self, directory: Path, *, dry_run: bool = False) -> Exported:
        """Write every tip to a Markdown file of its own, which imports as unchanged."""
        return export_tips(self.store, self.media, directory, self.formats().to_markdown_file, dry_run=dry_run)

    def as_file(self, key: str) -> str:
        """One tip as the text of a Markdown file."""
        return self.formats().to_markdown_file(self.get(key).text)

    def edit(self, key: str, written: str) -> Report:
        """Replace a tip with the Markdown file that its owner wrote; see `edit_tip` for the errors it raises.

        Another key in the file renames the tip, and its old web address redirects to the new one.
        """
        found = self.formats().parse_markdown(written, f"{key}.md")
        intake = self._intake()
        tip, *remarks = intake.all([found])
        report = edit_tip(self.store, key, cast("TipText | Rejected", tip), now=self.clock())
        more = tuple(remark for remark in remarks if isinstance(remark, Remark))
        problems = self._problems([one.key for one in report.tips])
        return replace(report, remarks=more, pictures=intake.taken, pictures_left_out=intake.left, problems=problems)

    # -- order -----------------------------------------------------------------------------------------

    def starters(self) -> list[TipCard]:
        """The starter tips that are not retired."""
        return [card for card in self.cards() if card.starter and card.state is not TipState.RETIRED]

    def retire(self, *keys: str) -> list[TipCard]:
        """Never send these tips again: all of them, or (with an unknown key) none.

        An issue that is being prepared with one of them gets another tip; see `in_progress` for those that are frozen.
        """
        now = self.clock()
        with self.store.write() as tx:
            cards = [tx.tips.get(key).card for key in keys]
            for card in cards:
                tx.tips.set_state(card.id, TipState.RETIRED)
                release_retired(tx.of_list(card.list_id), card, now)
            return [tx.tips.get(key).card for key in keys]

    def in_progress(self, *keys: str) -> list[IssueFacts]:
        """The issues about these tips that are being sent, or paused: their emails are frozen, and some may have arrived."""
        with self.store.read() as tx:
            views = [tx.of_list(one.id) for one in tx.lists.each()]
            issues = [issue for view in views for issue in (*view.issues.open(), *view.issues.paused())]
            return [issue for issue in issues if issue.state in IN_PROGRESS and issue.tip_key in keys]

    def unretire(self, *keys: str) -> list[TipCard]:
        """Give retired tips the state back that they had; others stay as they are."""
        with self.store.write() as tx:
            for key in keys:
                tip = tx.tips.get(key)
                if tip.card.state is TipState.RETIRED:
                    tx.tips.unretire(tip.card.id, otherwise=state_by_history(tip))
            return [tx.tips.get(key).card for key in keys]

    def move(self, key: str, *, before: str | None = None, first: bool = False) -> TipCard:
        """Move a tip to the front of the queue, before another tip, or (with neither) to the end."""
        with self.store.write() as tx:
            tx.courses.take_out(tx.tips.get(key).card.id)
            tx.tips.move(key, before=before, first=first)
            return tx.tips.get(key).card

    def assign(self, *keys: str, dry_run: bool = False) -> Assigned:
        """Move tips of other lists to the end of this list's queue; see `assign_tips`."""
        return assign_tips(self.store, keys, dry_run=dry_run)

    def find_key(self, name: str) -> str | None:
        """The key of the tip with this key or title; None if there is none."""
        with self.store.read() as tx:
            return find_key(name, tx.tips.names())

    def key_of(self, name: str) -> str:
        """As `find_key`; the name itself if there is no such tip."""
        return self.find_key(name) or name

    def pin(self, key: str, slot: date, at: datetime | None = None) -> str:
        """Pin a tip to a slot, or to an extra issue at this moment (aware) of that day; its title on that day.

        Raises Refused for a tip that cannot be sent, and for a slot that is over, skipped, or taken by another pinned tip.
        """
        now = self.clock()
        with self.store.write() as tx:
            tip = tx.tips.get(key)
            _must_be_sendable(tip.card)
            if at is None:
                must_be_open(tx, self.rules, slot, now)
                _must_not_be_skipped(tx, self.rules, slot)
            pinned = (plan for plan in tx.calendar.plans() if (plan.pin, plan.pin_at) == (slot, at))
            other = next((plan.key for plan in pinned if plan.key != key), None)
            if other:
                raise Refused(
                    f"{other} is pinned to {in_words(slot)} already",
                    fix=f"Run this first: newsletter tips unpin {other}",
                )
            tx.calendar.pin(key, slot, at)
            return tip.dated(slot).card.title

    def unpin(self, key: str) -> tuple[str, bool]:
        """Remove the pin of a tip, which returns it to its place in the queue; its title, and whether it was pinned."""
        with self.store.write() as tx:
            was_pinned = any(plan.key == key and plan.pin for plan in tx.calendar.plans())
            tx.calendar.pin(key, None)
            return tx.tips.get(key).card.title, was_pinned

    def rerun(self, key: str, rule: str | None = None, *, unseen: bool | None = None) -> str:
        """Change a tip's own rule for re-runs; the whole rule in words, "" where the newsletter's rule applies.

        rule: replaces the rule, as `parse_rerun` reads it; raises InputError. unseen: re-runs go only to subscribers
        who have not received the tip (True), or to everybody (False). None leaves that part as it is.
        """
        now = self.clock()
        with self.store.write() as tx:
            tip = tx.tips.get(key)
            wanted = parse_rerun(tip.text.rules.rerun if rule is None else rule)
            if unseen is not None:
                wanted = replace(wanted, never=False, unseen=unseen)
            if wanted != parse_rerun(tip.text.rules.rerun):
                rules = replace(tip.text.rules, rerun=wanted.words())
                tx.tips.rewrite(tip.card.id, replace(tip.text, rules=rules), now, edited=tip.edited)
            return wanted.words()

    # -- check and explain -----------------------------------------------------------------------------

    def why(self, key: str, on: date | None = None) -> WhyTip:
        """When a tip goes out, and why it does not go out in a slot (without `on`, in the next one)."""
        now = self.clock()
        with self.store.read() as tx:
            return why_tip(tx, self.rules, key, now, on)

    def _problems(self, keys: Sequence[str]) -> tuple[TipProblem, ...]:
        if not keys:
            return ()
        try:
            errors = self.errors()
        except (
            SettingsError,
            TemplateError,
        ):  # doctor and the daemon name it; tips can be imported before all is set up
            return ()
        checked = check(self.store, errors, keys, self._today(), self.clock())
        record(self.store, checked)
        return tuple(
            TipProblem(key, tip.card.title, problem_of(found)) for key, (tip, found) in checked.items() if found
        )

    def lint(self, keys: Sequence[str] = ()) -> list[LintResult]:
        """What will not age well or is bad for delivery in these tips, or (without keys) in all that can be sent.

        It makes the emails of these tips, or of the first CHECKED, and records of which none can be made.
        """
        linted = lint_tips(self.store, tuple(keys), self._today())
        good = [one.key for one in linted if all(found.level is not Level.ERROR for found in one.findings)]
        broken = {one.key: one.problem for one in self._problems(good if keys else good[:CHECKED])}
        return [with_problem(one, broken.get(one.key, "")) for one in linted]

    def lint_links(
        self, keys: Sequence[str] = (), progress: Callable[[int, int], None] | None = None
    ) -> list[LintResult]:
        """Which links of these tips, or of all that can be sent, are dead; makes web requests.

        progress: called with (links checked so far, links in all).
        """
        return lint_links(self.store, tuple(keys), self.check_links, progress)

    def _intake(self, *, load: bool = False, dry_run: bool = False) -> PictureIntake:
        return PictureIntake(self.store, self.media, self.formats(), self.download, load=load, dry_run=dry_run)

    def _today(self) -> date:
        """The day in the time zone of the newsletter."""
        return self.rules.schedule.day_of(self.clock())


def _must_not_be_skipped(tx: Tx, rules: Rules, slot: date) -> None:
    if is_skipped(tx, slot):
        raise Refused(
            f"{in_words(slot)} is skipped",
            fix=f"Run this first: newsletter calendar unskip {slot}{rules.option}; or choose another date",
        )


def _must_be_sendable(card: TipCard) -> None:
    if not card.complete or card.state is TipState.RETIRED:
        what = "retired" if card.state is TipState.RETIRED else "only a teaser"
        raise Refused(f"{card.key} cannot be sent because it is {what}", fix="See: newsletter tips list")
