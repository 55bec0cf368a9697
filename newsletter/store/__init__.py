"""The store: everything that reads or writes the database.

The SQL that writes to a table is in one module, which has the name of its noun: `subscribers`, `consent`, `suppressions`,
`unsubscribes`, `transactional`, `signup_limits`, `sender_runs`, `statements` (deliveries and attempts), `tips`, `issues`,
`calendar`, `copy_guard`. An import, a sign-up and an erasure all take it from there. Sign-ups, imports and deliveries use
plain SQL, since the ORM takes ten times as long; tips, issues and the calendar use the ORM.
"""
