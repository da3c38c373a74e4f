-- Nothing is appended to a log that lost events: behind the hole it would pass for a whole one. The
-- event at which the head stands must be there; where the head stands at none, no read model may
-- have taken one in.

set local role ledger_projector;

grant usage on schema read_models to ledger_owner;
grant select on read_models.projections to ledger_owner;

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
    is_damaged boolean := false;
begin
    select head.position, greatest(head.recorded_at, clock_timestamp())
    into strict last_position, this_moment
    from ledger.head
    for update;

    -- In a statement of its own: what was appended while this one waited for the head is seen.
    if last_position > 0 then
        is_damaged := not exists (
            select from ledger.stored_events as e where e.notification_id = last_position
        );
    elsif to_regclass('read_models.projections') is not null then
        is_damaged := exists (select from read_models.projections as p where p.position > 0);
    end if;
    if is_damaged and cardinality(originator_ids) > 0 then -- who appends nothing may look
        raise exception 'events that the log had are gone' using errcode = 'no_data_found';
    end if;

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
     SQLSTATE 23L01, a log that lost its head or its last event with no_data_found. Answers the
     positions, null where left out.';
