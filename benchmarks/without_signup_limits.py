"""The `newsletter` command without sign-up limits, so that a load test does not measure the limits."""

from __future__ import annotations

from newsletter.actions.subscribers import signup_limits
from newsletter.cli import main
from newsletter.domain.subscribers.signup_limits import BUDGETS

BUDGETS.update(dict.fromkeys(BUDGETS, 10**9))
signup_limits.PER_DOMAIN = 10**9

if __name__ == "__main__":
    main()
