"""Sending an issue to its audience: claim, send, record."""
