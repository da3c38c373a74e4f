"""The machinery below the read models: declare, merge, flush, follow, rebuild, verify."""
