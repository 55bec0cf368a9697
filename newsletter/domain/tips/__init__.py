"""Rules for tips: the text, seasons, re-runs, linting, similar tips, and links."""
