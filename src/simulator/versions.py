"""Which API version has which field of an object.

Sources: Stripe's API changelog and the objects of its OpenAPI description (2026-10-28.endive).
What tells versions apart, or what a reader of events uses, follows the changelog; a field that
only was added at some time appears with the first of our versions that came after it.
"""

from collections.abc import Mapping

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


def filled(template: Mapping[str, object], of: object, /, **values: object) -> Shape:
    """The template with these values, or else what the object has under a field's name.

    Values for fields that the version lacks fall away.
    """
    return {
        name: values[name] if name in values else getattr(of, name, default)
        for name, default in template.items()
    }


def listed(data: list[Shape], url: str) -> Shape:
    """A list as Stripe writes it."""
    return {
        "object": "list",
        "data": data,
        "has_more": False,
        "total_count": len(data),
        "url": url,
    }


def shortened(data: list[Shape], url: str) -> Shape:
    """A list within an object of an event: of more than ten the first ten."""
    return listed(data, url) | {"data": data[:10], "has_more": len(data) > 10}
