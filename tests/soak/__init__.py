"""The crash trial: faults in turn under mixed load, and nothing that was acknowledged is lost."""
