"""Where the API has the list of a read model."""

from typing import Final

from projections.engine.registry import discover

_PATHS: Final = {p.name: p.listing.path or p.name for p in discover() if p.listing}


def address(name: str) -> str:
    """The path of the list of a read model, by its name."""
    return f"/{_PATHS[name]}"
