"""A view that is not this version's proves nothing, however much it prints like it."""

from typing import LiteralString

import pytest

from projections.engine.build import ProjectionContext
from projections.engine.follow import Follower
from projections.engine.verify import verify
from tests.projections.engine.toys import correction, delivery
from tests.support.damage import tamper

OPERATOR: tuple[LiteralString, ...] = (
    (
        "create function read_models.seven(integer, bigint) returns bigint immutable"
        " language sql as 'select 7::bigint'"
    ),
    (
        "create operator read_models./"
        " (leftarg = integer, rightarg = bigint, function = read_models.seven)"
    ),
    (
        "create or replace view read_models.shelves_view as"
        " select sku, s.largest,"
        " 1000000 operator(read_models./) (1000000 - coalesce(c.change, 0)) as odd"
        " from read_models.skus as s left join read_models.corrections as c using (sku)"
    ),
    "update read_models.shelves set odd = 7",
)
SUM: tuple[LiteralString, ...] = (
    (
        "create function read_models.added(bigint, bigint) returns bigint immutable"
        " language sql as 'select 7::bigint'"
    ),
    (
        "create aggregate read_models.sum(bigint)"
        " (sfunc = read_models.added, stype = bigint, initcond = '0')"
    ),
    "update read_models.sums set units = 7",
    "update read_models.sizes set skus = 7",
)
KEPT: tuple[LiteralString, ...] = (
    "alter view read_models.shelves_view rename to set_aside",
    "create materialized view read_models.shelves_view as select * from read_models.set_aside",
    "alter materialized view read_models.shelves_view owner to ledger_projector",
)
"""Its rows are right, and will not follow."""
STORED: tuple[LiteralString, ...] = (
    "drop view read_models.shelves_view",
    "update read_models.corrections set change = 0",
    (
        "create materialized view read_models.shelves_view as"
        " select sku, s.largest, 1000000 / (1000000 - coalesce(c.change, 0)) as odd"
        " from read_models.skus as s left join read_models.corrections as c using (sku)"
    ),
    "update read_models.corrections set change = 600000",
    "update read_models.shelves set odd = 1",
    "alter materialized view read_models.shelves_view owner to ledger_projector",
)


@pytest.fixture
def filled(engine: ProjectionContext) -> ProjectionContext:
    engine.log.append([delivery("A", 1, 5), delivery("B", 1, 6), correction("B", 2, 600_000)])
    Follower(engine).catch_up()
    assert verify(engine).holds
    return engine


@pytest.mark.parametrize(
    ("forgery", "table"),
    [(OPERATOR, "shelves"), (SUM, "sums"), (STORED, "shelves"), (KEPT, "shelves")],
    ids=["operator", "sum", "stored", "kept"],
)
def test_wrong_rows_that_a_forged_view_makes_are_named(
    filled: ProjectionContext, forgery: tuple[LiteralString, ...], table: str
):
    tamper(filled.database, *forgery)
    proof = verify(filled)
    assert not proof.holds
    assert table in {each.table for each in proof.differences}
