"""Use cases for the calendar: the plan, overrides by the owner, and the reasons behind a date."""
