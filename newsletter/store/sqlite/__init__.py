"""SQLite: connections, the write-ahead log, the sending lock, and column types."""
