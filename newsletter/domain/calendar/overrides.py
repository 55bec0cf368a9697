"""The owner's overrides of slots: skip one, hold one, or approve its tip."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Override(StrEnum):
    """What the owner decided about a slot. A slot without an override follows the schedule."""

    SKIP = "skip"  # no issue
    HOLD = "hold"  # no issue before it is approved
    APPROVE = "approve"  # this tip may be sent


@dataclass(frozen=True, slots=True)
class SlotOverride:
    """An override. about: the reason of a skip or a hold, or the key of the approved tip."""

    kind: Override
    about: str = ""
