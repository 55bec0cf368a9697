"""Behind the four links of a preview: what the owner is about to do to a slot, and doing it; the rules are `overrides`'."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from newsletter.actions.calendar import overrides
from newsletter.actions.calendar.plan import Rules, is_over, upcoming_slots, weeks_until
from newsletter.domain.calendar.forecast import ForecastSlot
from newsletter.domain.delivery.issue import IN_PROGRESS
from newsletter.domain.errors import BadToken, Refused
from newsletter.mail.tokens import Purpose, Signer
from newsletter.ports.calendar import SlotOverride
from newsletter.ports.store import Store, Tx

BY_PREVIEW_LINK = "by the link in the preview"


class Action(StrEnum):
    """What a link does."""

    APPROVE = "approve"
    SKIP = "skip"
    SWAP = "swap"
    HOLD = "hold"


@dataclass(frozen=True, slots=True)
class SlotView:
    """A slot as the page shows it. line: what goes out in it now, and `then` in the next one (None: nothing is known).

    changed: the plan is another than in the mail. over: why nothing can be done any more, or "". wish: what was said.
    tokens: for each action the token that fits what is planned now.
    """

    action: Action
    slot: date
    line: ForecastSlot | None
    then: ForecastSlot | None
    changed: bool
    over: str
    override: SlotOverride | None
    tokens: Mapping[str, str]


def tokens(signer: Signer, slot: date, tip_id: int) -> Mapping[str, str]:
    """One for each action on this slot while it has this tip."""
    return {
        action.value: signer.sign(Purpose.OWNER, action.value, slot.strftime("%Y%m%d"), str(tip_id))
        for action in Action
    }


def inspect_link(store: Store, signer: Signer, rules: Rules, token: str, now: datetime) -> SlotView:
    """What the link is about; reads only. Raises BadToken."""
    action, slot, tip_id = _open(signer, token)
    with store.read() as tx:
        line, then = _planned(tx, rules, slot, now)
        planned = tx.tips.get(line.tip).card.id if line and line.tip else 0
        return SlotView(
            action=action,
            slot=slot,
            line=line,
            then=then,
            changed=planned != tip_id,
            over=_over(tx, slot) or ("" if line else "its time has passed"),
            override=tx.calendar.overrides().get(slot),
            tokens=tokens(signer, slot, planned),
        )


def act(store: Store, signer: Signer, rules: Rules, token: str, now: datetime) -> SlotView:
    """Do it, and look again; the same link twice does it once. Raises BadToken, and Refused when it cannot be done.

    Approve and swap are about the tip that was shown: where another one is planned by now, nothing is done.
    """
    before = inspect_link(store, signer, rules, token, now)
    slot = before.slot
    if before.over:
        raise Refused(f"nothing can be changed anymore: {before.over}")
    match before.action:
        case Action.SKIP:
            overrides.skip(store, rules, slot, BY_PREVIEW_LINK, now)
        case Action.HOLD:
            overrides.hold(store, rules, slot, BY_PREVIEW_LINK, now)
        case Action.APPROVE if not before.changed or _is_skipped(before):
            overrides.approve(store, rules, slot, now)
        case Action.SWAP if not before.changed:
            overrides.swap(store, rules, slot, now)
    return inspect_link(store, signer, rules, token, now)


def _is_skipped(view: SlotView) -> bool:
    """Is the slot without a tip only because the owner skipped it? Then a yes takes that back."""
    return view.line is not None and view.line.skip_reason is not None


def _open(signer: Signer, token: str) -> tuple[Action, date, int]:
    fields = signer.open(Purpose.OWNER, token)
    try:
        action, day, tip_id = fields
        return Action(action), date.fromisoformat(day), int(tip_id)
    except ValueError:
        raise BadToken("this link is not one of ours", fix="Open it again from the email") from None


def _planned(tx: Tx, rules: Rules, slot: date, now: datetime) -> tuple[ForecastSlot | None, ForecastSlot | None]:
    weeks = weeks_until(rules, slot, now) + 4
    lines = [line for line in upcoming_slots(tx, rules, now, weeks).lines() if line.date >= slot]
    if not lines or lines[0].date != slot:
        return None, None
    return lines[0], next((line for line in lines[1:] if line.tip), None)


def _over(tx: Tx, slot: date) -> str:
    issue = tx.issues.for_slot(slot)
    if is_over(issue) or (issue and issue.state in IN_PROGRESS):
        return f"the issue for that day is {issue.state}" if issue else ""
    return ""
