"""Use cases for the owner: emails about what happened, and the links in those emails."""
