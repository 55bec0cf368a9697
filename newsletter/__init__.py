"""Tip of the Week: a newsletter system that emails one tip to every subscriber each Tuesday."""

__version__ = "0.1.0"
