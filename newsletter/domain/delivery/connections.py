"""How many connections to a mail server to open now: a pure plan, so that a mail server that opens few costs no time."""

from __future__ import annotations

STAGGER = 1.0  # seconds before a second connection is tried beside the first one, which does not open
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0  # seconds before one more than the mail server seems to allow is tried
TRIES = 2  # failures in a row after which a mail server counts as down
TRIES_AFTER_SUCCESS = 4  # the same for one that worked before in this batch, which may only restart
RETRY_AFTER = (0.0, 1.0, 2.0)  # seconds after such a failure


class ConnectionPlan:
    """Plans the connections of one batch. Times are seconds of a monotonic clock.

    Until one is open, they are tried one after the other, so that a wrong password is not tried ten times. Then the others
    are tried together. After a failure, as many as are open seem to be what the mail server allows; one more is tried from
    time to time. A refusal (a wrong password, a block) ends that: repeating it might lock the account.

    wanted: how many to have. open, opening: how many there are. has_worked: one has opened.
    """

    def __init__(self, wanted: int) -> None:
        self.wanted = wanted
        self.open = 0
        self.opening = 0
        self.has_worked = False
        self._allowed = wanted
        self._failures = 0  # in a row
        self._is_refused = False
        self._wait = FIRST_WAIT
        self._not_before = 0.0

    @property
    def is_hopeless(self) -> bool:
        """Is none open or opening, and is it useless to try again in this batch?"""
        return self._is_down and not self.open and not self.opening

    @property
    def is_complete(self) -> bool:
        """Are all of them open?"""
        return self.open >= self.wanted

    def widen(self, wanted: int) -> None:
        """Have more of them from now on."""
        self.wanted = self._allowed = wanted

    def begin(self, now: float) -> int:
        """How many to begin to open now; counts them as opening."""
        number = self._due(now)
        self.opening += number
        if number and not self.open:
            self._not_before = now + STAGGER
        return number

    def opened(self) -> None:
        """One that was opening is open."""
        self.opening -= 1
        self.open += 1
        if self.open > self._allowed:
            self._allowed, self._wait = self.wanted, FIRST_WAIT
        if not self.has_worked or self._allowed == self.wanted:
            self._not_before = 0.0
        self._failures, self._is_refused, self.has_worked = 0, False, True

    def failed(self, now: float, *, is_refusal: bool = False) -> None:
        """One that was opening did not open."""
        self.opening -= 1
        self._failures += 1
        if not self.open:
            self._is_refused |= is_refusal
            self._not_before = now + RETRY_AFTER[min(self._failures, len(RETRY_AFTER)) - 1]
            return
        if is_refusal:
            self.wanted = self.open
        # Those that were tried together fail together, which makes the wait only once longer.
        if self._allowed == self.wanted or now >= self._not_before:
            self._not_before = now + self._wait
            self._wait = min(2 * self._wait, LONGEST_WAIT)
        self._allowed = self.open

    def lost(self, *, for_good: bool = False) -> None:
        """An open one has ended. for_good: it is not to be replaced."""
        self.open -= 1
        self.wanted -= for_good
        if not self.open:
            self._not_before = 0.0

    def _due(self, now: float) -> int:
        if now < self._not_before and not 0 < self.open < self._allowed:
            return 0
        if not self.open:
            return int(self.opening < self.wanted and not self._is_down)
        missing = min(self._allowed, self.wanted) - self.open - self.opening
        may_try_more = now >= self._not_before and not self.opening and self.open < self.wanted
        return max(missing, int(may_try_more), 0)

    @property
    def _is_down(self) -> bool:
        tries = TRIES_AFTER_SUCCESS if self.has_worked else TRIES
        return self._is_refused or self._failures >= tries or self.wanted < 1
