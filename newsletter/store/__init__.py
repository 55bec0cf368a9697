"""The database: tables, transactions and the ledger; decides nothing, writes down what was decided."""
