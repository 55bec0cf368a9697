"""The public archive: entries and the index of all public tips."""
