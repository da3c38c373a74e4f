"""Which version of the product this is; the distribution's metadata is made from here."""

from typing import Final

VERSION: Final = "0.1.0"


def version() -> str:
    """The version, as `0.1.0`."""
    return VERSION
