"""Objects of the database that others made among the read models: named, and never removed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, LiteralString

from psycopg import Connection

from ledger.errors import RebuildBlocked
from projections.engine.tables import LIVE, OURS, AnyCursor

FOREIGN: Final[LiteralString] = """
select
    case c.relkind
        when 'v' then 'view' when 'm' then 'materialized view' when 'S' then 'sequence'
        when 'i' then 'index' when 'c' then 'type' when 'f' then 'foreign table'
        else 'table'
    end || ' ' || n.nspname || '.' || c.relname
from pg_catalog.pg_class as c
join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where n.nspname = %(schema)s
    and (c.relowner <> n.nspowner or c.relkind not in ('r', 'v', 'i', 'S', 'c', 't'))
    and c.relname <> all(%(ours)s)
    and (
        c.relname = any(%(names)s)
        or (%(names)s::text[] is null and c.relkind in ('r', 'p', 'v', 'm', 'f'))
    )
order by c.relname
"""
"""Whatever is not of the schema's owner, or of a kind that read models never are."""

DEPENDENTS: Final[LiteralString] = """
with targets as (
    select c.oid, n.nspname || '.' || c.relname as name, c.reltype, t.typarray
    from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    left join pg_catalog.pg_type as t on t.oid = c.reltype
    where n.nspname = %(schema)s and c.relowner = n.nspowner and c.relkind in ('r', 'v')
        and c.relname <> all(%(ours)s)
        and (%(names)s::text[] is null or c.relname = any(%(names)s))
),
parts as (
    select 'pg_class'::regclass as classid, oid, name from targets
    union all
    select 'pg_class'::regclass, i.indexrelid, name
    from pg_catalog.pg_index as i join targets on targets.oid = i.indrelid
    union all
    select 'pg_type'::regclass, reltype, name from targets
    union all
    select 'pg_type'::regclass, typarray, name from targets
)
select
    case
        when r.oid is null then pg_describe_object(d.classid, d.objid, d.objsubid)
        else pg_describe_object('pg_class'::regclass, r.ev_class, 0)
    end as dependent,
    string_agg(distinct parts.name, ', ' order by parts.name)
from pg_catalog.pg_depend as d
join parts on parts.classid = d.refclassid and parts.oid = d.refobjid
left join pg_catalog.pg_rewrite as r on d.classid = 'pg_rewrite'::regclass and r.oid = d.objid
left join pg_catalog.pg_constraint as k
    on d.classid = 'pg_constraint'::regclass and k.oid = d.objid
where d.deptype = 'n'
    and coalesce(r.ev_class, k.conrelid, 0) not in (select oid from targets)
group by 1
order by 1
"""
"""What a `drop` of read models would be refused for, and the read models that each is made of."""


def foreign(session: Connection[Any] | AnyCursor, names: Sequence[str] | None = None) -> list[str]:
    """What others put among the live read models; of these names, whatever it is, where given."""
    asked = {"schema": LIVE, "ours": list(OURS), "names": None if names is None else list(names)}
    return [row[0] for row in session.execute(FOREIGN, asked)]


def dependents(
    session: Connection[Any] | AnyCursor, names: Sequence[str] | None = None
) -> dict[str, str]:
    """What of others is made of live read models, and of which; of all of them for no names."""
    asked = {"schema": LIVE, "ours": list(OURS), "names": None if names is None else list(names)}
    return dict(session.execute(DEPENDENTS, asked).fetchall())


def told(session: Connection[Any] | AnyCursor) -> list[str]:
    """All of both, each in a few words."""
    resting = [f"{what} (made of {of})" for what, of in dependents(session).items()]
    return [*foreign(session), *resting]


def check_free(cursor: AnyCursor, made: Sequence[str], removed: Sequence[str] | None) -> None:
    """Raise `RebuildBlocked`, with the cure, where read models could not take their places.

    `made` are the relations that shall come in, `removed` the ones that go; None for all.
    """
    if there := foreign(cursor, made):
        raise RebuildBlocked(
            f"In the place of read models stands what is not Ledger's: {', '.join(there)}."
            " Nothing changed; drop it or move it into a schema of its own, and rebuild again."
        )
    if found := dependents(cursor, removed):
        named = ", ".join(f"{what} (made of {of})" for what, of in found.items())
        raise RebuildBlocked(
            f"A rebuild makes read models again, and others build on them: {named}. Nothing"
            " changed; drop what is named, rebuild, and create it again after that."
        )
