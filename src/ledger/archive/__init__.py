"""The archive: sealed segments of the log, outside the database, for whatever reads all of it."""
