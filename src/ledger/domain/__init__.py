"""The floor: what can happen in a shop, and what may. Pure: no clock, no database, no network."""
