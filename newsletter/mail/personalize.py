"""Personalize a compiled email for each recipient: fill its placeholders and sign the message."""

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
    """One writer for all claims of an issue, which picks by the claim's tip_id; None is the issue's own tip."""
    if len(writers) == 1:
        return writers[None]  # nearly every issue, so spare it the look-up for each message
    return lambda claim, now: writers[claim.tip_id](claim, now)


class Personalizer:
    """Write the messages of one compiled email. `message` and `values` may be called by several threads.

    secret: the issue's key for Message-IDs.
    """

    def __init__(
        self, compiled: CompiledEmail, *, site: Site, signer: Signer, secret: bytes, dkim: Dkim | None
    ) -> None:
        self.compiled = compiled
        self.secret = secret
        self._personal = RecipientValues(site, signer, secret)
        self._dkim = dkim

    def message(self, claim: Claim, now: datetime) -> bytes:
        """The whole message for one recipient: CRLF lines, not dot-stuffed. Only for a uniform compiled email. now: aware."""
        values = self.values(claim, now)
        if self._dkim is None:
            return self.compiled.fill(values)
        message, body = self.compiled.fill_to_sign(values)
        return self._dkim.sign(message, now, body=body)

    def values(self, claim: Claim, now: datetime) -> dict[str, str]:
        """A value for every placeholder. now: aware, for the Date."""
        return self._personal.values(claim, _date_of(int(now.timestamp())))


@lru_cache(maxsize=8)
def _date_of(second: int) -> str:
    """The Date header, cached because formatting it takes a fifth of the time that a message takes."""
    return format_date(datetime.fromtimestamp(second, UTC))
