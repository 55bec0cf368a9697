"""Tips: their seasons and re-run rules, how similar two are, and what is wrong with one."""
