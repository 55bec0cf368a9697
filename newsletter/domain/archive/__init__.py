"""The public archive: its entries, and the index of all public tips."""
