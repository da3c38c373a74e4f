"""Generators of the pages in docs/ that are made from declarations."""
