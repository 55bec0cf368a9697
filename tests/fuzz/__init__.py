"""Random inputs for every reader of texts that strangers write: `make fuzz`; CONTRIBUTING.md says how to use it."""
