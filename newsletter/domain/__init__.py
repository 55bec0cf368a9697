"""Nouns and rules: values in, decisions out; no clock, no disk, no network, no library."""
