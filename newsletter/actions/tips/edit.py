"""One tip as its owner wrote it anew: the text takes the place of the old one, and a new key keeps the old address."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from newsletter.actions.tips.import_tips import Report, import_tips
from newsletter.domain.errors import InputError, Refused
from newsletter.domain.tips.tip import Rejected, TipText
from newsletter.ports.store import Store


def edit_tip(store: Store, key: str, found: TipText | Rejected, *, now: datetime) -> Report:
    """What changed, under the key that the tip has then.

    Raises InputError with the line for a text that is no tip, Refused for a key or a title that another tip has.
    """
    if isinstance(found, Rejected):
        raise InputError(found.reason, source=found.source, line=found.line)
    new = found.key or key
    with store.read() as tx:
        tip_id = tx.tips.get(key).card.id
        taken = new != key and tx.tips.key_taken(new) and tx.archive.successor(new) != key
    if taken:
        raise Refused(f"another tip has the key {new!r}, or had it", fix="Choose another one")
    report = import_tips(store, [replace(found, key=key, source="")], queue=False, dry_run=False, now=now)
    if report.rejected:
        raise Refused(report.rejected[0].reason)
    if new != key:
        with store.write() as tx:
            tx.tips.change_key(tip_id, new)
        report = replace(report, updated=1, unchanged=0)  # also where the key is all that is new
    return replace(report, tips=tuple(replace(tip, key=new) for tip in report.tips))
