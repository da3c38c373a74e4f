"""Checks: what is wrong in the books. One `.sql` file a check, which lists the rows that are."""
