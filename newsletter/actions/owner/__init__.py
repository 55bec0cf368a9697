"""What the owner is told by email, and the links in those emails."""
