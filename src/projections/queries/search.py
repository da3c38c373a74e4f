"""Search: objects by id, e-mail address, amount or name, read from the indexes of the read models.

There is no index of terms beside them: each list's table has its ids as a primary key, amounts that
it may be sorted by have an index, and so have e-mail addresses and names of customers
(docs/decisions/0053).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from psycopg.sql import SQL, Composable, Composed, Identifier, Literal

from api.permissions import Permission
from ledger.domain.money import CURRENCIES, decimals, with_point
from ledger.errors import InvalidRequest
from projections.charges import charges
from projections.engine.declare import Derived, Listing, Mirror, Rollup
from projections.engine.registry import discover
from projections.engine.tables import AnyCursor, trusted
from projections.queries.listing import check_texts

LAST: Final = "\U0010ffff"
"""Sorts after every character that a text has."""
MOST_TEXT: Final = 320
"""As long as an e-mail address may be; ids are shorter."""
FIRST: Final = ("order", "customer", "payment", "charge", "refund", "dispute", "invoice")
"""The kinds that come first, in this order; the others follow by name."""
EVENT: Final = "event"
_BY_DECIMALS: Final = {
    digits: sorted(each for each in CURRENCIES if decimals(each) == digits) for digits in (2, 3)
}
_AMOUNT: Final = re.compile(
    r"(?P<before>[A-Za-z]{3})?\s*"
    r"(?P<number>[0-9]{1,3}(?:,[0-9]{3}){1,4}(?:\.[0-9]+)?|[0-9]{1,15}(?:[.,][0-9]{1,3})?)"
    r"\s*(?P<after>[A-Za-z]{3})?"
)

_SIGNS: Final = {"€": "eur", "£": "gbp", "¥": "jpy", "$": ""}
"""Signs of currencies; a dollar's is that of many."""

Hit = dict[str, Any]

ONE_PLAN: Final = SQL("""
select
    set_config('plan_cache_mode', 'force_generic_plan', true),
    set_config('enable_bitmapscan', 'off', true),
    set_config('enable_seqscan', 'off', true),
    set_config('enable_sort', 'off', true)
""")
"""It takes longer to plan a search than to carry it out, and one plan fits any text: of each index
the first few rows in its order. Where an index has the order, nothing is sorted instead."""


class Place(NamedTuple):
    """A table in which objects of one kind are found, and who may see them.

    Rows are shown at `path` by the column `at_key`, and are those that `there` says. `amount` and
    `time` are columns, `email` and `name` whether there are such; each may be searched where the
    table has an index for it; names of products, which are few, have none (`by_name`).
    """

    kind: str
    projection: str
    table: str
    key: str
    path: str
    at_key: str
    columns: tuple[str, ...]
    permission: Permission
    owner: str | None = None
    there: str = "true"
    amount: str | None = None
    time: str | None = None
    by_amount: bool = False
    by_email: bool = False
    by_name: bool = False
    by_person: bool = False


class Group(NamedTuple):
    """What was found of a kind, the likeliest first; there are `more` than were asked for."""

    kind: str
    hits: list[Hit]
    more: bool


class Amount(NamedTuple):
    """An amount that a person wrote: its minor units by the decimals that a currency may have."""

    minor: Mapping[int, int]
    currency: str | None


class _Asked(NamedTuple):
    """What decides of which queries a search is made."""

    own: bool
    is_amount: bool
    in_one: bool


# ── Where ───────────────────────────────────────────────────────────────────────────────────────


@cache
def places() -> list[Place]:
    """Every list of objects that have a history, and charges, which have none of their own."""
    found = [_place(p.name, p.listing) for p in discover() if p.listing and p.listing.link]
    found.append(
        Place(
            kind="charge",
            projection="charges",
            table=charges.name,
            key="charge_id",
            path="payments",
            at_key="coalesce(payment_id, charge_id)",
            columns=tuple(charges.columns),
            permission=Permission.SEE_RECORDS,
            there="state is not null",
            amount="amount_minor",
            time="created_at",
        )
    )
    order = {kind: number for number, kind in enumerate(FIRST)}
    return sorted(found, key=lambda each: (order.get(each.kind, len(order)), each.kind))


def _place(projection: str, listing: Listing) -> Place:
    assert listing.link is not None
    columns = tuple(listing.shown.model_fields)
    amounts = [name for name in listing.sorts if name.endswith("_minor")]
    others = [name for name in ("amount_minor", "total_minor") if name in columns]
    return Place(
        kind=listing.link,
        projection=projection,
        table=listing.table.name,
        key=listing.key,
        path=listing.path or projection,
        at_key=listing.key,
        columns=columns,
        permission=listing.permission,
        owner=listing.owner,
        amount=next(iter([*amounts, *others]), None),
        time=listing.sort,
        by_amount=bool(amounts),
        by_email="email" in columns and _has_index(listing.table, "lower(email)"),
        by_name=listing.link == "sku",
        by_person=_has_index(listing.table, "lower(name)"),
    )


def _has_index(table: Mirror | Derived | Rollup, first: str) -> bool:
    return any(index.startswith(first) for index in table.indexes)


# ── What ────────────────────────────────────────────────────────────────────────────────────────


def amount_of(text: str) -> Amount | None:
    """The amount in what a person wrote: `12.50`, `1,250.00 usd`, `jpy 1250`; None where none is.

    A comma is read as `with_point` does. `£12.50` and `12.50 €` will do, too.
    """
    for sign, code in _SIGNS.items():
        if text.startswith(sign) or text.endswith(sign):
            text = f"{code}{text.removeprefix(sign).removesuffix(sign)}"
            break
    found = _AMOUNT.fullmatch(text)
    if found is None or (found["before"] and found["after"]):
        return None
    currency = (found["before"] or found["after"] or "").lower() or None
    if currency is not None and currency not in CURRENCIES:
        return None
    units, _, fraction = with_point(found["number"]).partition(".")
    fraction = fraction.rstrip("0")
    wanted = {0, 2, 3} if currency is None else {decimals(currency)}
    minor = {d: int(units + fraction.ljust(d, "0")) for d in wanted if len(fraction) <= d}
    return Amount(minor, currency) if minor else None


def _small(text: str) -> str:
    """A to Z in small letters, as the database's `lower` does with collation C."""
    return "".join(each.lower() if each.isascii() else each for each in text)


# ── Finding ─────────────────────────────────────────────────────────────────────────────────────


def search(
    cursor: AnyCursor,
    text: str,
    allowed: Iterable[Permission],
    *,
    limit: int,
    own: str | None = None,
) -> list[Group]:
    """What a text names, by kind, of the kinds that these permissions show.

    An id or an e-mail address fits by its beginning, A to Z in any case; an amount as a whole, in
    every currency or in the one that is named; a product by all words of the text in its name; a
    customer by how the name begins, or by its last word and the others; an event by its position or
    its whole id. Of each kind `limit` at most are found. For a customer,
    `own`, only what is his is there. Raises `InvalidRequest` for a text without a word, or of more
    than `MOST_TEXT` characters.
    """
    given = asked_for(text, limit=limit, own=own)
    permitted = {*allowed}
    among = tuple(
        place
        for place in places()
        if place.permission in permitted and (own is None or place.owner is not None)
    )
    groups = _groups(cursor, among, given, limit) if among else []
    if own is None and Permission.SEE_EVIDENCE in permitted:
        groups.append(Group(EVENT, _events(cursor, given["text"]), more=False))
    return [group for group in groups if group.hits]


def asked_for(text: str, *, limit: int, own: str | None = None) -> dict[str, Any]:
    """The parameters of the queries of a search; raises what that raises."""
    text = text.strip()
    check_texts([text])
    if not text:
        raise InvalidRequest.of_field("q", "write an id, an e-mail address, an amount or a name.")
    if len(text) > MOST_TEXT:
        told = f"write at most {MOST_TEXT} characters; there are {len(text):,}."
        raise InvalidRequest.of_field("q", told)
    small = _small(text)
    return {
        "text": text,
        "small": small,
        "upto": small + LAST,
        "words": small.split(),
        "surname": small.split()[-1],
        "upto_surname": small.split()[-1] + LAST,
        "most": limit + 1,
        "own": own,
        **_amounts(amount_of(text)),
    }


def _amounts(amount: Amount | None) -> dict[str, Any]:
    minor = {} if amount is None else dict(amount.minor)
    return {
        "minors": sorted({sign * each for each in minor.values() for sign in (1, -1)}),
        "currency": amount and amount.currency,
        **{f"minor_{d}": minor.get(d) for d in (0, 2, 3)},
        "two": _BY_DECIMALS[2],
        "three": _BY_DECIMALS[3],
    }


def _groups(
    cursor: AnyCursor, among: tuple[Place, ...], given: Mapping[str, Any], limit: int
) -> list[Group]:
    own = given["own"] is not None
    asked = _Asked(own, is_amount=bool(given["minors"]), in_one=given["currency"] is not None)
    found: dict[str, dict[str, Hit]] = {place.kind: {} for place in among}
    cursor.execute(ONE_PLAN)
    for row in cursor.execute(_whole(among, asked), given, prepare=True):
        number: int = row.pop("place")
        place = among[number]
        row["address"] = f"/{place.path}/{quote(row.pop('at_key'), safe='')}"
        found[place.kind].setdefault(row["id"], row)
    return [
        Group(kind, [*hits.values()][:limit], more=len(hits) > limit)
        for kind, hits in found.items()
    ]


@cache
def _whole(among: tuple[Place, ...], asked: _Asked) -> Composed:
    """All queries of a search as one: each by itself would wait for its turn."""
    return SQL(" union all ").join(
        SQL("(select {} as place, found.*, {} as found_by from ({}) as found)").format(
            Literal(number), Literal(found_by), query
        )
        for number, place in enumerate(among)
        for found_by, query in queries(place, own=asked.own, in_one=asked.in_one).items()
        if asked.is_amount or found_by != "amount"
    )


@cache
def queries(place: Place, *, own: bool, in_one: bool) -> dict[str, Composed]:
    """By what objects of a place are found, and the query of each; amounts `in_one` currency."""
    source: Composable = Identifier(place.table)
    if own:  # a customer has few; `offset 0` has them read first, whatever else the text fits
        assert place.owner is not None
        source = SQL("(select * from {} where {} = %(own)s offset 0)").format(
            source, Identifier(place.owner)
        )
    parts: dict[str, Any] = {
        "source": source,
        "shown": _shown(place),
        "key": Identifier(place.key),
        "there": trusted(place.there),
        "newest": SQL("{} desc, {} desc").format(
            Identifier(place.time or place.key), Identifier(place.key)
        ),
    }
    made = {"id": SQL(_BY_ID).format(**parts)}
    if place.by_email:
        made["email"] = SQL(_BY_EMAIL).format(**parts)
    if place.by_amount:
        made["amount"] = SQL(_BY_AMOUNT).format(
            **parts,
            amount=Identifier(place.amount or ""),
            of_currency=SQL("currency = %(currency)s" if in_one else "true"),
        )
    if place.by_name:
        made["name"] = SQL(_BY_NAME).format(**parts)
    if place.by_person:
        made["name"] = SQL(_BY_PERSON).format(**parts)
    return made


def _shown(place: Place) -> Composable:
    """The columns of a hit; what a table does not have is null."""
    names = {
        "name": ("name", "sentence"),
        "email": ("email",),
        "state": ("state",),
        "amount_minor": (place.amount,) if place.amount else (),
        "currency": ("currency",),
        "at": (place.time,) if place.time else (),
    }
    types = {"amount_minor": "bigint", "at": "timestamptz"}
    shown = [SQL("{} as id").format(Identifier(place.key))]
    for name, columns in names.items():
        column = next((each for each in columns if each in place.columns), None)
        value = trusted(f"null::{types.get(name, 'text')}") if column is None else None
        shown.append(
            SQL("{} as {}").format(value or Identifier(column or ""), Identifier(name)),
        )
    shown.append(SQL("{} as at_key").format(trusted(place.at_key)))
    return SQL(", ").join(shown)


# Ids are kept as they are written. A text in any case is looked for letter by letter: of both
# cases of a letter those go on with which an id begins, so there are few at each step.
_BY_ID: Final = """
with recursive spelt (prefix, length) as (
    select '' collate "C", 0
    union all
    select s.prefix || letter.c, s.length + 1
    from spelt as s
    cross join lateral (
        select lower(substr(%(text)s collate "C", s.length + 1, 1)) as c
        union
        select upper(substr(%(text)s collate "C", s.length + 1, 1))
    ) as letter
    where s.length < length(%(text)s)
        and exists (
            select from {source} as t
            where t.{key} >= s.prefix || letter.c
                and t.{key} < s.prefix || letter.c || U&'\\+10FFFF'
        )
)
select found.*
from spelt
cross join lateral (
    select {shown}
    from {source} as t
    where t.{key} >= spelt.prefix and t.{key} < spelt.prefix || U&'\\+10FFFF' and {there}
    order by t.{key}
    limit %(most)s
) as found
where spelt.length = length(%(text)s)
order by spelt.prefix = %(text)s desc, length(found.id) = spelt.length desc, found.id
limit %(most)s
"""
_BY_EMAIL: Final = """
select {shown}
from {source} as t
where lower(email) >= %(small)s and lower(email) < %(upto)s and {there}
order by lower(email) desc, {newest} -- as the index goes, backwards
limit %(most)s
"""
# One amount after the other: many objects may have the same. Bounds and not `=`, so that the first
# of the order is not taken for a constant, and only the index of amounts has the order.
_BY_AMOUNT: Final = """
select found.*
from unnest(%(minors)s::bigint[]) as wanted (minor)
cross join lateral (
    select {shown}
    from {source} as t
    where t.{amount} >= wanted.minor and t.{amount} <= wanted.minor and abs(wanted.minor) = case
            when currency = any(%(two)s) then %(minor_2)s::bigint
            when currency = any(%(three)s) then %(minor_3)s::bigint
            else %(minor_0)s::bigint
        end
        and {of_currency} and {there}
    order by t.{amount} desc, t.{key} desc
    limit %(most)s
) as found
limit %(most)s
"""
_BY_NAME: Final = """
select {shown}
from {source} as t
where {there} and not exists (
    select from unnest(%(words)s::text[]) as word
    where strpos(lower(t.name), word collate "C") = 0
)
order by {key}
limit %(most)s
"""
# Whom one calls by the whole name, and whom by the last word of it, with or without others.
_BY_PERSON: Final = """
(
    select {shown}
    from {source} as t
    where lower(name) >= %(small)s and lower(name) < %(upto)s and {there}
    order by lower(name)
    limit %(most)s
)
union all
(
    select {shown}
    from {source} as t
    where lower(split_part(name, ' ', -1)) >= %(surname)s
        and lower(split_part(name, ' ', -1)) < %(upto_surname)s
        and {there}
        and not exists (
            select from unnest(%(words)s::text[]) as word
            where strpos(lower(t.name), word collate "C") = 0
        )
    order by lower(split_part(name, ' ', -1))
    limit %(most)s
)
"""
_EVENTS: Final = """
select
    e.notification_id::text as id, a.kind as name, null::text as email, a.outcome as state,
    null::bigint as amount_minor, null::text as currency, a.recorded_at as at
from ledger.stored_events as e
join audit as a on a.position = e.notification_id
where {which}
order by e.notification_id
"""
_AT_POSITION: Final = SQL(_EVENTS).format(which=SQL("e.notification_id = %(position)s"))
_OF_STRIPE: Final = SQL(_EVENTS).format(which=SQL("e.originator_id = %(stream)s"))
MOST_DIGITS: Final = 18


def _events(cursor: AnyCursor, text: str) -> list[Hit]:
    """The event at a position, or Stripe's of this id, which is compared as a whole."""
    return [
        row | {"address": f"/events/{row['id']}", "found_by": by}
        for by, query, given in _events_asked(text)
        for row in cursor.execute(query, given)
    ]


def _events_asked(text: str) -> Iterator[tuple[str, Composed, dict[str, Any]]]:
    if text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS:
        yield "position", _AT_POSITION, {"position": int(text)}
    if text.startswith("evt_"):
        yield "id", _OF_STRIPE, {"stream": f"stripe/{text}"}


def reads(allowed: Iterable[Permission]) -> list[str]:
    """The projections that are read for who has these permissions."""
    permitted = {*allowed}
    found = {place.projection for place in places() if place.permission in permitted}
    return sorted(found | ({"audit"} if Permission.SEE_EVIDENCE in permitted else set()))
