"""What is specific to SQLite: connections, transactions, the sending lock, checkpoints, backups."""
