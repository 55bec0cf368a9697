"""The `newsletter` command with a front door that turns nobody away, for load: its limits would be measured else."""

from __future__ import annotations

from limits import RateLimitItemPerSecond

from newsletter.app import guard
from newsletter.cli import main

guard.PROVEN = guard.UNPROVEN = 10**9
guard.PER_DOMAIN = RateLimitItemPerSecond(10**9)

if __name__ == "__main__":
    main()
