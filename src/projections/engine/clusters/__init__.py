"""Clusters that tasks run on: one file a `kind`, which imports its package as it connects."""
