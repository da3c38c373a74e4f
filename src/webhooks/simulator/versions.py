"""Which API version has which field of an object.

Sources: Stripe's API changelog and the objects of its OpenAPI description (2026-10-28.endive).
What tells versions apart, or what a reader of events uses, follows the changelog; a field that
only was added at some time appears with the first of our versions that came after it.
"""

from msgspec import Struct

Shape = dict[str, object]


class Bounded(Struct, frozen=True):
    """A field that only the API versions from `since` up to (not including) `until` have."""

    default: object
    since: str
    until: str

    def has(self, api_version: str) -> bool:
        """Whether this version's payloads contain the field."""
        return self.since <= api_version < self.until


def since(version: str, default: object = None, *, until: str = "~") -> Bounded:
    """A field that came with `version`."""
    return Bounded(default, version, until)


def until(version: str, default: object = None) -> Bounded:
    """A field that went with `version`."""
    return Bounded(default, "", version)


def of_version(fields: Shape, api_version: str) -> Shape:
    """The fields that payloads of this API version have, with their defaults."""
    return {
        name: field.default if isinstance(field, Bounded) else field
        for name, field in fields.items()
        if not isinstance(field, Bounded) or field.has(api_version)
    }
