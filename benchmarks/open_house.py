"""The `newsletter` command with a front door that turns nobody away, for load: its limits would be measured else."""

from __future__ import annotations

from newsletter.app import signup_limits as guard
from newsletter.cli import main

guard.LANES = {proven: (name, 10**9) for proven, (name, _) in guard.LANES.items()}
guard.LIMITS = dict(guard.LANES.values())
guard.PER_DOMAIN = 10**9

if __name__ == "__main__":
    main()
