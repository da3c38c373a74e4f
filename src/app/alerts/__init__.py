"""Alerts: what is told outside, by which channels, and what became of it."""
