"""Which language a text is in, roughly: for tests that look for what a translation forgot."""

from __future__ import annotations

import re

ENGLISH = re.compile(
    r"\b(?:the|and|of|is|are|it|its|to|with|from|your|you|this|that|there|nothing|not|by|for|at|on|or|out|each|here|we)\b",
    re.IGNORECASE,
)
"""Words that stand in nearly every English sentence and in no German one."""
