"""A compiled letter on its way to each reader: values into holes, and the signature; renders nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache

from newsletter.domain.delivery.delivery import Claim
from newsletter.domain.site import Site
from newsletter.mail.compiled import CompiledEmail
from newsletter.mail.dkim import Dkim
from newsletter.mail.headers import format_date
from newsletter.mail.recipient import RecipientValues
from newsletter.mail.tokens import Signer

MessageWriter = Callable[[Claim, datetime], bytes]


def by_tip(writers: Mapping[int | None, MessageWriter]) -> MessageWriter:
    """Who writes the message for a claim, by its tip_id; mostly an issue has one letter, that of None."""
    if len(writers) == 1:
        return writers[None]
    return lambda claim, now: writers[claim.tip_id](claim, now)


class Personalizer:
    """One letter of one issue. `message` and `values` may be called by several threads.

    secret: the issue's own key, of its Message-IDs.
    """

    def __init__(
        self, compiled: CompiledEmail, *, site: Site, signer: Signer, secret: bytes, dkim: Dkim | None
    ) -> None:
        self.compiled = compiled
        self.secret = secret
        self._personal = RecipientValues(site, signer, secret)
        self._dkim = dkim

    def message(self, claim: Claim, now: datetime) -> bytes:
        """The whole message for one reader: CRLF lines, not dot-stuffed. For a letter that is uniform."""
        values = self.values(claim, now)
        if self._dkim is None:
            return self.compiled.fill(values)
        message, body = self.compiled.fill_to_sign(values)
        return self._dkim.sign(message, now, body=body)

    def values(self, claim: Claim, now: datetime) -> dict[str, str]:
        """A value for every hole."""
        return self._personal.values(claim, _date_of(int(now.timestamp())))


@lru_cache(maxsize=8)
def _date_of(second: int) -> str:
    """The Date header, made once a second: to write it takes a fifth of a letter's time."""
    return format_date(datetime.fromtimestamp(second, UTC))
