"""Use cases for issues: compile, publish, control and watch them."""
