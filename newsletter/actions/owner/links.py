"""The links in a preview email: show the owner what a link would do to a slot, and do it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime

from newsletter.actions.calendar.calendar import Calendar
from newsletter.actions.calendar.plan import Rules, is_over, slots_until, upcoming_slots
from newsletter.domain.calendar.forecast import ForecastSlot
from newsletter.domain.calendar.overrides import Action, SlotOverride
from newsletter.domain.delivery.issue import IN_PROGRESS
from newsletter.domain.errors import BadToken, Refused
from newsletter.domain.tips.tip import TipRules, TipText, fingerprint
from newsletter.mail.tokens import Purpose, Signer
from newsletter.ports.store import Tx

BY_PREVIEW_LINK = "by the link in the preview"
SHOWN = 3  # slots after this one, on the page
LOOK_AHEAD = 4  # slots after this one, in which the page looks for the tip that could be swapped with it


@dataclass(frozen=True, slots=True)
class SlotView:
    """A slot as the page shows it.

    line: what goes out in this slot as things are. then: the next slot with a tip. Both are None when nothing is known.
    coming: the slots after it.
    changed: the plan differs from the one in the email. over: why nothing can be changed anymore, or "". override: the
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


def tokens(signer: Signer, slot: date, tip_id: int, text: TipText | None) -> Mapping[str, str]:
    """A token for each action on this slot, as long as this tip is planned for it with this text."""
    version = _version(text)
    return {
        action.value: signer.sign(Purpose.OWNER, action.value, slot.strftime("%Y%m%d"), str(tip_id), version)
        for action in Action
    }


def _version(text: TipText | None) -> str:
    """Changes when the text of a tip is edited; "0" without a tip."""
    return fingerprint(replace(text, rules=TipRules()))[:8] if text else "0"


@dataclass(frozen=True, slots=True)
class PreviewLinks:
    """Follow the links of preview emails."""

    calendar: Calendar
    signer: Signer

    def view(self, token: str) -> SlotView:
        """What the link is about. Raises BadToken."""
        action, slot, tip_id, version = _open(self.signer, token)
        now, rules = self.calendar.clock(), self.calendar.rules
        with self.calendar.store.read() as tx:
            lines = _planned(tx, rules, slot, now)
            line, coming = (lines[0], lines[1:]) if lines else (None, [])
            tip = tx.tips.get(line.tip) if line and line.tip else None
            planned, text = (tip.card.id, tip.text) if tip else (0, None)
            return SlotView(
                action=action,
                slot=slot,
                line=line,
                then=next((line for line in coming if line.tip), None),
                changed=planned != tip_id or version not in ("", _version(text)),
                over=_over(tx, slot) or ("" if line else "its time has passed"),
                override=tx.calendar.overrides().get(slot),
                tokens=tokens(self.signer, slot, planned, text),
                coming=tuple(coming[:SHOWN]),
            )

    def act(self, token: str) -> SlotView:
        """Do what the link says, once even if it is followed twice; the slot as it is after that.

        Approve and swap are about the tip that the email showed, so they do nothing when another tip is planned by now.
        Raises BadToken, and Refused when the slot can no longer be changed.
        """
        # Another process may send the issue between this look and the change; the calendar checks again in its transaction.
        before = self.view(token)
        slot = before.slot
        if before.over:
            raise Refused(f"nothing can be changed anymore: {before.over}")
        match before.action:
            case Action.SKIP:
                self.calendar.skip(slot, BY_PREVIEW_LINK)
            case Action.HOLD:
                self.calendar.hold(slot, BY_PREVIEW_LINK)
            case Action.APPROVE if not before.changed or _is_skipped(before):
                self.calendar.approve(slot)
            case Action.SWAP if not before.changed:
                self.calendar.swap(slot)
            case Action.UNDO:
                self.calendar.clear_override(slot)
        return self.view(token)


def _is_skipped(view: SlotView) -> bool:
    """Does the slot have no tip only because the owner skipped it? Then an approval ends the skip."""
    return view.line is not None and view.line.skip_reason is not None


def _open(signer: Signer, token: str) -> tuple[Action, date, int, str]:
    """Action, slot, tip id, and version of the text; "" in an email of an older program."""
    fields = signer.open(Purpose.OWNER, token)
    try:
        action, day, tip_id, *version = fields
        return Action(action), date.fromisoformat(day), int(tip_id), "".join(version)
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
