"""Who has had which tip, and who gets which, as one SQL expression; which tips are offered is decided in `domain.sharing`."""

# ruff: noqa: S608 - what is joined here are constants, the numbers of rows, and days

from __future__ import annotations

from collections.abc import Sequence

from newsletter.domain.sharing import Offer
from newsletter.store.readers import DELIVERABLE

_MAY_HAVE_REACHED = "(d.state NOT IN ('skipped', 'rejected', 'failed') OR d.crashes > 0)"
STOOD_IN = """SELECT 1 FROM delivery d INDEXED BY delivery_by_tip WHERE d.tip_id = {tip:d}{who}{when}"""
_OWN = f"""SELECT 1 FROM delivery d WHERE d.issue_id IN (SELECT i.id FROM issue i WHERE i.tip_id = {{tip:d}})
    AND d.subscriber_id = s.id AND d.tip_id IS NULL AND {_MAY_HAVE_REACHED}"""
_BEFORE = """SELECT 1 FROM tip t WHERE t.id = {tip:d}
    AND substr(coalesce(s.confirmed_at, s.signup_at), 1, 10) <= t.published_on"""


def shares(offers: Sequence[tuple[int, Offer]]) -> str:
    """A query for (id, pick) of everybody who would be in an audience now, in the order they came.

    offers: with the ids of their tips. pick: the first that the reader has not had; 0 for who has had all.
    """
    picks = " ".join(f"WHEN NOT ({_had(tip, offer)}) THEN {tip:d}" for tip, offer in offers)
    return f"SELECT s.id, CASE {picks} ELSE 0 END AS pick FROM subscriber s WHERE {DELIVERABLE} ORDER BY s.id"


def stood_in(tip: int, offer: Offer) -> str:
    """A query with a row if this tip came to anybody in the place of another since then."""
    return STOOD_IN.format(tip=tip, who="", when=_since(offer)) + " LIMIT 1"


def _had(tip: int, offer: Offer) -> str:
    who = f" AND d.subscriber_id = s.id AND {_MAY_HAVE_REACHED}"
    instead = f"EXISTS ({STOOD_IN.format(tip=tip, who=who, when=_since(offer))})"
    if offer.since:
        return instead
    return f"EXISTS ({_OWN.format(tip=tip)}) OR {instead} OR EXISTS ({_BEFORE.format(tip=tip)})"


def _since(offer: Offer) -> str:
    if offer.since is None:
        return ""
    day = offer.since.isoformat()
    return f" AND d.issue_id IN (SELECT i.id FROM issue i WHERE coalesce(i.slot, date(i.due_at)) > '{day}')"
