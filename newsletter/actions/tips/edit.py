"""Replace one tip with the text its owner wrote; a new key renames the tip and keeps its old web address working."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from newsletter.actions.tips.import_report import Report
from newsletter.actions.tips.import_tips import import_tips
from newsletter.domain.errors import InputError, Refused
from newsletter.domain.tips.tip import Rejected, TipText
from newsletter.ports.store import Store


def edit_tip(store: Store, key: str, found: TipText | Rejected, *, now: datetime) -> Report:
    """Replace the tip with this key; the report has the key that the tip has afterwards.

    Raises InputError with the line for a text that is not a tip, Refused for a key or title of another tip, and
    NotFound.
    """
    if isinstance(found, Rejected):
        raise InputError(found.reason, source=found.source, line=found.line)
    new = found.key or key
    with store.read() as tx:
        tip_id = tx.tips.get(key).card.id
        taken = new != key and tx.tips.key_taken(new) and tx.archive.successor(new) != key
    if taken:
        raise Refused(f"the key {new!r} is or was the key of another tip", fix="Choose another key")
    # Under its old key, so that the import finds the tip; it is renamed afterwards.
    report = import_tips(store, [replace(found, key=key, source="")], queue=False, dry_run=False, now=now)
    if report.rejected:
        raise Refused(report.rejected[0].reason)
    if new != key:
        with store.write() as tx:
            tx.tips.change_key(tip_id, new)
        report = replace(report, updated=1, unchanged=0)  # even if only the key is new
    return replace(report, tips=tuple(replace(tip, key=new) for tip in report.tips))
