"""What the listings of all read models promise, held against the tables that they show."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from psycopg.sql import SQL, Composable, Identifier

from ledger.domain import money
from projections import orders
from projections.engine.declare import CARRIERS, Listing, Mirror, Projection
from projections.engine.registry import discover, version
from projections.engine.row import Row, may_be_null, sql_type
from projections.engine.tables import trusted
from tests.projections.models import Models

LISTED = [projection for projection in discover() if projection.listing]
EACH = pytest.mark.parametrize("projection", LISTED, ids=lambda projection: projection.name)
HIDDEN = {carrier for carrier, _ in CARRIERS.values()}
NAMES = {"timestamp with time zone": "timestamptz"}
"""Types that HTTP shows as others, or that are called otherwise."""


def listing_of(projection: Projection) -> Listing:
    assert projection.listing is not None
    return projection.listing


@EACH
def test_an_empty_list_can_say_what_would_fill_it(projection: Projection) -> None:
    """Who looks at nothing wants to know whether that is right, and what to do."""
    listing = listing_of(projection)
    assert listing.noun != "row", f"{projection.name}: give its Listing a noun, what one row is"
    assert listing.filled_by.endswith("."), (
        f"{projection.name}: give its Listing `filled_by`, a sentence that says what fills the list"
        " (FROM_STRIPE, where Stripe's events do)"
    )


def shown(row: type[Row]) -> dict[str, str]:
    return {name: sql_type(row, name) for name in row.model_fields}


def columns(
    models: Models, query: Composable, given: Mapping[str, Any] | None = None
) -> dict[str, str]:
    """The columns of a query and their types."""
    only_described = SQL("select * from ({}) as q limit 0").format(query)
    cursor = models.cursor.execute(only_described, given)
    assert cursor.description is not None
    oids = {column.name: column.type_code for column in cursor.description}
    found: dict[str, str] = {}
    for name, oid in oids.items():
        kind = cursor.execute("select format_type(%s, null)", [oid]).fetchone()
        assert kind is not None
        found[name] = NAMES.get(str(kind[0]), str(kind[0]))
    return found


def difference(of: str, row: type[Row], held: Mapping[str, str]) -> str:
    """What to do where a row and the columns that it shows differ; nothing where they agree."""
    told = shown(row)
    lacking = [f"{name} ({held[name]})" for name in held if name not in told]
    unknown = [name for name in told if name not in held]
    other = [f"{n} is {held[n]}, not {told[n]}" for n in told if n in held and told[n] != held[n]]
    sentences = (
        ("it holds columns that {row} does not show; add them there: ", lacking),
        ("{row} shows columns that it has not: ", unknown),
        ("{row} calls columns by another type: ", other),
    )
    return "; ".join(
        f"{of}: {sentence.format(row=row.__name__)}{', '.join(names)}"
        for sentence, names in sentences
        if names
    )


@EACH
def test_a_row_shows_the_columns_of_its_table(models: Models, projection: Projection) -> None:
    listing = listing_of(projection)
    held = columns(models, SQL("table {}").format(Identifier(listing.table.name)))
    if isinstance(listing.table, Mirror):
        held = {name: kind for name, kind in held.items() if name not in HIDDEN}
    assert not difference(projection.name, listing.shown, held)


@EACH
def test_the_rows_of_parts_and_pages_show_the_columns_of_their_queries(
    models: Models, projection: Projection
) -> None:
    listing, given = listing_of(projection), {"id": "x", "before": 1, "limit": 1}
    for name, part in (listing.parts | listing.pages).items():
        held = columns(models, trusted(part.query), given)
        assert not difference(f"{projection.name}.{name}", part.row, held)


@EACH
def test_a_listing_speaks_of_columns_that_it_shows(projection: Projection) -> None:
    listing = listing_of(projection)
    owner = [listing.owner] if listing.owner else []
    assert {*listing.filters, *listing.sortable, *owner} <= listing.shown.model_fields.keys()


@EACH
def test_a_sort_is_never_null_and_has_an_index(projection: Projection) -> None:
    listing = listing_of(projection)
    for name in listing.sortable:
        assert not may_be_null(listing.shown, name), f"{projection.name}: {name} may be null"
        if name != listing.key:
            wanted = f"{name}, {listing.key}"
            assert wanted in listing.table.indexes, f"{projection.name}: no index on {wanted}"


def test_a_read_model_is_another_one_when_a_function_of_the_domain_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An order's discount is split among its lines when the event is read, not when it happened."""

    def split(amount_minor: int, weights: Sequence[int]) -> list[int]:
        return [amount_minor, *[0] * len(weights[1:])]

    split.__module__ = money.__name__
    version.cache_clear()
    before = version(discover(), "orders", "", "UTC")
    monkeypatch.setattr(orders, "split", split)
    version.cache_clear()
    assert version(discover(), "orders", "", "UTC") != before
    version.cache_clear()
