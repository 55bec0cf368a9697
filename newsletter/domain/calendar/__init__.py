"""The calendar: slots, the plan, the choice of a tip and its reason, and the forecast."""
