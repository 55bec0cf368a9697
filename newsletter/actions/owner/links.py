"""The links in a preview email: show the owner what a link would do to a slot, and do it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import NamedTuple

from newsletter.actions.calendar.approval import as_it_is, words_of
from newsletter.actions.calendar.calendar import Calendar
from newsletter.actions.calendar.plan import Rules, is_over, slots_until, upcoming_slots
from newsletter.domain.calendar.forecast import ForecastSlot
from newsletter.domain.calendar.overrides import Action, SlotOverride
from newsletter.domain.delivery.issue import IN_PROGRESS
from newsletter.domain.errors import BadToken, Refused, TemplateError
from newsletter.domain.lists import FIRST_LIST
from newsletter.domain.site import Site
from newsletter.domain.tips.tip import TipFull, TipRules, TipText, fingerprint
from newsletter.mail.tokens import Purpose, Signer
from newsletter.ports.rendering import Renderer
from newsletter.ports.store import Tx

NO_WORDS = "0"
"""In a link: there was no email, because no tip is planned or a template is broken."""
BY_PREVIEW_LINK = "by the link in the preview"
SHOWN = 3  # slots after this one, on the page
LOOK_AHEAD = 4  # slots after this one, in which the page looks for the tip that could be swapped with it


@dataclass(frozen=True, slots=True)
class SlotView:
    """A slot as the page shows it.

    line: what goes out in this slot as things are. then: the next slot with a tip. Both are None when nothing is known.
    coming: the slots after it.
    changed: the plan or the words of the email differ from the preview. other_words: only the words do. over: why nothing can be changed anymore, or "". override: the
    owner's override of the slot. tokens: for each action, a token that fits the present plan.
    """

    action: Action
    slot: date
    line: ForecastSlot | None
    then: ForecastSlot | None
    changed: bool
    over: str
    override: SlotOverride | None
    tokens: Mapping[str, str]
    coming: tuple[ForecastSlot, ...] = ()
    other_words: bool = False


def tokens(
    signer: Signer,
    slot: date,
    tip_id: int,
    text: TipText | None,
    words: str = NO_WORDS,
    *,
    list_id: int = FIRST_LIST,
) -> Mapping[str, str]:
    """A token for each action on this slot of a list, as long as this tip is planned for it with this text.

    words: the digest of the email that the owner sees.
    """
    fields = [slot.strftime("%Y%m%d"), str(tip_id), _version(text), words]
    fields += [] if list_id == FIRST_LIST else [str(list_id)]
    return {action.value: signer.sign(Purpose.OWNER, action.value, *fields) for action in Action}


def shown_words(renderer: Renderer, site: Site, tip: TipFull, slot: date) -> str:
    """The digest of an email as `tokens` takes it; NO_WORDS if the templates of the owner are broken."""
    try:
        return words_of(renderer, site, tip, slot)
    except TemplateError:
        return NO_WORDS


def _version(text: TipText | None) -> str:
    """Changes when the text of a tip is edited; "0" without a tip."""
    return fingerprint(replace(text, rules=TipRules()))[:8] if text else "0"


@dataclass(frozen=True, slots=True)
class PreviewLinks:
    """Follow the links of preview emails. calendar_of: that of a list by its id, whose preview it was."""

    calendar_of: Callable[[int], Calendar]
    signer: Signer

    def view(self, token: str) -> SlotView:
        """What the link is about. Raises BadToken."""
        link = _open(self.signer, token)
        calendar, slot = self.calendar_of(link.list_id), link.slot
        now, rules = calendar.clock(), calendar.rules
        with calendar.store.read() as tx:
            lines = _planned(tx, rules, slot, now)
            line, coming = (lines[0], lines[1:]) if lines else (None, [])
            tip = tx.tips.get(line.tip) if line and line.tip else None
            planned, text = (tip.card.id, tip.text) if tip else (0, None)
            over, override = _over(tx, slot), tx.calendar.overrides().get(slot)
        words = _words(calendar, tip, slot)
        is_replanned = planned != link.tip_id or link.version not in ("", _version(text))
        has_other_words = words != NO_WORDS and link.words not in ("", words)
        is_only_reworded = has_other_words and not is_replanned
        return SlotView(
            action=link.action,
            slot=slot,
            line=line,
            then=next((line for line in coming if line.tip), None),
            changed=is_replanned or has_other_words,
            over=over or ("" if line else "its time has passed"),
            override=as_it_is(calendar.store, calendar.words, slot, override),
            # Words are approved in an email that shows them, so the links of an old preview stay links of an old preview.
            tokens=tokens(
                self.signer, slot, planned, text, link.words if is_only_reworded else words, list_id=link.list_id
            ),
            coming=tuple(coming[:SHOWN]),
            other_words=is_only_reworded,
        )

    def act(self, token: str) -> SlotView:
        """Do what the link says, once even if it is followed twice; the slot as it is after that.

        Approve and swap are about the tip that the email showed, so they do nothing when another tip is planned by now. If
        only the words of the email have changed, an approval sends a new preview instead.
        Raises BadToken, and Refused when the slot can no longer be changed.
        """
        # Another process may send the issue between this look and the change; the calendar checks again in its transaction.
        before = self.view(token)
        calendar, slot = self.calendar_of(_open(self.signer, token).list_id), before.slot
        if before.over:
            raise Refused(f"nothing can be changed anymore: {before.over}")
        match before.action:
            case Action.SKIP:
                calendar.skip(slot, BY_PREVIEW_LINK)
            case Action.HOLD:
                calendar.hold(slot, BY_PREVIEW_LINK)
            case Action.APPROVE if not before.changed or _is_skipped(before):
                calendar.approve(slot)
            case Action.APPROVE if before.other_words:
                _preview_again(calendar, before)
            case Action.SWAP if not before.changed or before.other_words:
                calendar.swap(slot)
            case Action.UNDO:
                calendar.clear_override(slot)
        return self.view(token)


def _words(calendar: Calendar, tip: TipFull | None, slot: date) -> str:
    try:
        return calendar.words(tip, slot) if tip else NO_WORDS
    except TemplateError:
        return NO_WORDS


def _preview_again(calendar: Calendar, view: SlotView) -> None:
    """Let the owner read the words that she is asked to approve."""
    if view.line:
        with calendar.store.write() as tx:
            tx.calendar.clear_notified("preview", only=f"{view.slot} {view.line.tip}")


def _is_skipped(view: SlotView) -> bool:
    """Does the slot have no tip only because the owner skipped it? Then an approval ends the skip."""
    return view.line is not None and view.line.skip_reason is not None


_OLDER = ("", "", str(FIRST_LIST))
"""The fields that tokens of older programs do not have."""


class _Link(NamedTuple):
    """What a token says. version, words: "" in emails of an older program. list_id: that of the first list in those too."""

    action: Action
    slot: date
    tip_id: int
    version: str
    words: str
    list_id: int


def _open(signer: Signer, token: str) -> _Link:
    fields = signer.open(Purpose.OWNER, token)
    try:
        action, day, tip_id, version, words, of = (*fields, *_OLDER[len(fields) - 3 :])
        return _Link(Action(action), date.fromisoformat(day), int(tip_id), version, words, int(of))
    except ValueError:
        raise BadToken("this link is not one of ours", fix="Open it again from the email") from None


def _planned(tx: Tx, rules: Rules, slot: date, now: datetime) -> list[ForecastSlot]:
    """The slot and those after it; nothing if the slot is not open."""
    count = slots_until(rules, slot, now) + LOOK_AHEAD
    lines = [line for line in upcoming_slots(tx, rules, now, count).lines() if line.date >= slot]
    return lines if lines and lines[0].date == slot else []


def _over(tx: Tx, slot: date) -> str:
    issue = tx.issues.for_slot(slot)
    if is_over(issue) or (issue and issue.state in IN_PROGRESS):
        return f"the issue for that day is {issue.state}" if issue else ""
    return ""
