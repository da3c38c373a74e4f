"""Figures, snapshots, exports and checks: questions asked of the read models."""
