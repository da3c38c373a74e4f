"""Which version of the product runs here."""

from importlib import metadata
from typing import Final

DISTRIBUTION: Final = "ledger"
"""The name under which it is installed."""


def version() -> str:
    """Of the installed distribution, as `0.1.0`."""
    return metadata.version(DISTRIBUTION)
