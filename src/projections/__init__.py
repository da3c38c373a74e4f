"""The read models: one module each. The listing of this folder is the catalogue."""
