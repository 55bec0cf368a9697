"""Subscribers: addresses, subscriptions, columns of imported files and sign-up limits."""
