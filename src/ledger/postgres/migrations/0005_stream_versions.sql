-- Streams without holes: an append demands the version after a stream's last one. The ledger gets an
-- identity, and its epoch tells a process that the log is no longer the one that it knows.

set local role ledger_owner;

create or replace function ledger.append(
    originator_ids text[],
    originator_versions bigint[],
    topics text[],
    states bytea[],
    skip_existing boolean
) returns bigint[]
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    last_position bigint;
    this_moment timestamptz;
    positions bigint[];
    appended bigint;
    hole text;
begin
    select head.position, greatest(head.recorded_at, clock_timestamp())
    into strict last_position, this_moment
    from ledger.head
    for update;

    with offered as (
        select o.*
        from unnest(originator_ids, originator_versions, topics, states)
            with ordinality as o (originator_id, originator_version, topic, state, place)
    ),
    streams as (
        select
            s.originator_id,
            coalesce(
                (
                    select e.originator_version
                    from ledger.stored_events as e
                    where e.originator_id = s.originator_id
                    order by e.originator_version desc
                    limit 1
                ),
                0
            ) as last_version
        from (select distinct o.originator_id from offered as o) as s
    ),
    fresh as (
        select
            o.*,
            last_position + row_number() over (order by o.place) as notification_id,
            s.last_version
                + row_number() over (partition by o.originator_id order by o.place) as next_version
        from offered as o
        join streams as s using (originator_id)
        where not skip_existing or o.originator_version > s.last_version
    ),
    inserted as (
        insert into ledger.stored_events (
            originator_id, originator_version, topic, state, notification_id, recorded_at, leaf_hash
        )
        select
            f.originator_id, f.originator_version, f.topic, f.state, f.notification_id, this_moment,
            ledger.leaf_hash(
                f.notification_id, f.originator_id, f.originator_version, f.topic, this_moment, f.state
            )
        from fresh as f
    )
    select
        array_agg(f.notification_id order by o.place),
        count(f.notification_id),
        min(
            format('version %s of %s does not follow its version %s',
                f.originator_version, f.originator_id, f.next_version - 1)
        ) filter (where f.originator_version <> f.next_version)
    into positions, appended, hole
    from offered as o
    left join fresh as f using (place);

    if hole is not null then
        raise exception '%', hole using errcode = '23L01', constraint = 'stored_events_no_hole';
    end if;
    if appended > 0 then
        update ledger.head as h
        set position = last_position + appended, recorded_at = this_moment;
        perform pg_notify('stored_events', (last_position + appended)::text);
    end if;
    return positions;
end
$$;

comment on function ledger.append is
    'Appends events at the next positions, all or none. Each must be the next of its stream: a taken
     version fails the call with unique_violation (with skip_existing it is left out), a hole with
     SQLSTATE 23L01. Answers the positions, null where left out.';


create table ledger.identity (
    only_row boolean not null default true,
    id uuid not null,
    made_at timestamptz not null,
    constraint identity_pkey primary key (only_row),
    constraint identity_has_one_row check (only_row)
);

insert into ledger.identity (id, made_at) values (gen_random_uuid(), clock_timestamp());

comment on table ledger.identity is
    'Which ledger this is, for good: a dump and its restored copy have the same one.';

create trigger never_changed
before update or delete or truncate on ledger.identity
for each statement execute function ledger.refuse();


create function ledger.epoch() returns text
language sql
stable
return (
    select concat_ws(
        ' ',
        (select id from ledger.identity),
        (select oid from pg_catalog.pg_database where datname = current_database()),
        -- Another file: the table was restored, truncated or written anew. Looked up by name, so
        -- that the function outlives the table.
        pg_relation_filenode(to_regclass('ledger.stored_events')),
        -- A server that was started again may have been put back to an earlier state.
        extract(epoch from pg_postmaster_start_time())
    )
);

comment on function ledger.epoch is
    'Changes when the log may have been replaced: what was remembered of it then counts no longer.';

revoke all on function ledger.epoch from public;

grant select on ledger.identity to ledger_app, ledger_projector, ledger_reader;
grant execute on function ledger.epoch to ledger_app, ledger_projector, ledger_reader;
