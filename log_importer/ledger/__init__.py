"""The ledger: the SQLite file that remembers, for one job, which lines are done, in doubt or set aside."""
