"""The `smtp` and `smtps` senders."""
