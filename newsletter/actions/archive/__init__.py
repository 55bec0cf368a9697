"""Use cases of the public archive."""
