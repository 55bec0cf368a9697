"""The small Protocols between the use cases and the adapters, one module per noun."""
