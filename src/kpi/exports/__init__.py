"""Exports: what people take out of the books as files, by a contract about every column."""
