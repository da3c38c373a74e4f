"""Search finds whatever is there, by its id and by how that begins, through an index each time."""

from collections.abc import Callable, Iterator
from itertools import product
from random import Random
from typing import Any, cast

from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from psycopg import Connection
from psycopg.rows import dict_row
from psycopg.sql import SQL, Identifier

from api.permissions import Permission
from ledger.postgres.database import Database
from projections.engine import tables
from projections.engine.tables import PROOF, trusted
from projections.queries.search import (
    Place,
    asked_for,
    places,
    queries,
    search,
)
from tests.laws.test_projections import rebuilt, recorded
from tests.support.dense import dense_world
from tests.support.worlds import World, worlds

Databases = Callable[[], Database]
EVERYTHING = 10_000
OF_A_KIND = 12
law = settings(
    max_examples=2,
    phases=[Phase.explicit, Phase.generate],  # a seed has nothing to shrink
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def read(database: Database) -> Connection[dict[str, Any]]:
    conn = cast("Connection[dict[str, Any]]", database.connect("projector", autocommit=True))
    conn.row_factory = dict_row
    tables.use(conn.cursor(), PROOF)
    return conn


def there(conn: Connection[dict[str, Any]], place: Place) -> list[dict[str, Any]]:
    """The id, and what else one may know, of each row that is there."""
    query = SQL("select {} as id, t.* from {} as t where {}").format(
        Identifier(place.key), Identifier(place.table), trusted(place.there)
    )
    return conn.execute(query).fetchall()


def texts(name: str, random: Random) -> Iterator[str]:
    """An id as a person may write it: whole, the beginning of it, in another case."""
    yield name
    yield name.swapcase()
    if len(name) > 3:
        yield name[: random.randint(3, len(name) - 1)]
        yield name[: random.randint(3, len(name) - 1)].swapcase()


def found(conn: Connection[dict[str, Any]], text: str, **more: Any) -> dict[str, list[str]]:
    groups = search(conn.cursor(), text, Permission, limit=EVERYTHING, **more)
    return {group.kind: [hit["id"] for hit in group.hits] for group in groups}


def all_is_found(database: Database, world: World, seed: int) -> None:
    random = Random(seed)
    rebuilt(database, recorded(database, world))
    with read(database) as conn:
        for place in places():
            rows = there(conn, place)
            for row in random.sample(rows, min(OF_A_KIND, len(rows))):
                for text in texts(row["id"], random):
                    assert row["id"] in found(conn, text)[place.kind], text
                assert found(conn, row["id"])[place.kind][0] == row["id"]
                if place.by_email and row["email"]:
                    assert row["id"] in found(conn, row["email"].upper())[place.kind]
                if place.by_person and row["name"]:
                    words = row["name"].split()
                    for text in (row["name"].upper(), words[0].lower(), words[-1][:2]):
                        assert row["id"] in found(conn, text)[place.kind], text


@law
@given(world=worlds(), seed=st.integers(0, 99))
def test_every_object_is_found_by_its_id_and_by_any_beginning_of_it(
    fresh_database: Databases, world: World, seed: int
):
    all_is_found(fresh_database(), world, seed)


@law
@given(seed=st.integers(0, 99))
@example(seed=2)
def test_of_ids_that_differ_by_case_or_account_each_is_found(fresh_database: Databases, seed: int):
    all_is_found(fresh_database(), dense_world(seed), seed)


@law
@given(world=worlds(), seed=st.integers(0, 99))
def test_a_customer_finds_what_is_his_and_nothing_else(
    fresh_database: Databases, world: World, seed: int
):
    database, random = fresh_database(), Random(seed)
    rebuilt(database, recorded(database, world))
    with read(database) as conn:
        owned = [place for place in places() if place.owner is not None]
        rows = [
            (place, row[place.owner or ""], row) for place in owned for row in there(conn, place)
        ]
        own = {(place.kind, row["id"]): whose for place, whose, row in rows if whose is not None}
        customers = sorted({*own.values()})
        for _ in range(OF_A_KIND):
            customer, (place, whose, row) = random.choice(customers), random.choice(rows)
            for text in (row["id"], row["id"][:3], row.get("email") or "e"):
                hits = found(conn, text, own=customer)
                assert {*hits} <= {each.kind for each in owned}
                assert all(own[kind, each] == customer for kind in hits for each in hits[kind])
                assert text != row["id"] or whose != customer or row["id"] in hits[place.kind]


def test_each_query_goes_through_an_index(fresh_database: Databases):
    """Products are few, so their names are read as they are."""
    database = fresh_database()
    rebuilt(database, [])
    with read(database) as conn:
        conn.execute("set enable_seqscan = off")
        asked = asked_for("12.50 usd", limit=5)
        for place, in_one in product(places(), (True, False)):
            for by, query in queries(place, own=False, in_one=in_one).items():
                if (place.kind, by) != ("sku", "name"):
                    plan = conn.execute(SQL("explain ") + SQL("{}").format(query), asked).fetchall()
                    read_whole = [line for line in map(str, plan) if "Seq Scan" in line]
                    assert not read_whole, (place.kind, by, plan)
