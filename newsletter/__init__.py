"""Tip of the Week: one tip to every reader, each Tuesday, for years."""

__version__ = "0.1.0"
