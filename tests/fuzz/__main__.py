"""`python -m tests.fuzz`; see `session`."""

import sys

from tests.fuzz.session import main

sys.exit(main())
