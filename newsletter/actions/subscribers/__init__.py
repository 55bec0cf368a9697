"""Use cases for subscribers: sign-up, confirmation, preferences, unsubscribing, import and erasure."""
