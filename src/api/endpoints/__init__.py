"""Endpoints that carry out commands: orders, stock, wishlists, tokens."""
