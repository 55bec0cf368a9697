"""A rough test for English, to find sentences that a translation has missed."""

from __future__ import annotations

import re

ENGLISH = re.compile(
    r"\b(?:the|and|of|is|are|it|its|to|with|from|your|you|this|that|there|nothing|not|by|for|at|on|or|out|each|here|we)\b",
    re.IGNORECASE,
)
"""Words that are in almost every English sentence and in no German one."""
