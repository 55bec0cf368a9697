"""`python -m newsletter`: the same command without its script."""

import sys

from newsletter.cli import main

sys.exit(main())
