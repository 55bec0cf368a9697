"""The calendar: slots, the plan, which tip goes out when and why, and the forecast."""
