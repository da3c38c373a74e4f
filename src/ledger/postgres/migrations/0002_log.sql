-- The log: one append-only table, its head, and the only function that appends.

set local role ledger_owner;

create table ledger.stored_events (
    originator_id text not null,
    originator_version bigint not null,
    topic text not null,
    state bytea not null,
    notification_id bigint not null,
    recorded_at timestamptz not null,
    leaf_hash bytea not null,
    constraint stored_events_pkey primary key (originator_id, originator_version),
    constraint stored_events_position_key unique (notification_id),
    constraint stored_events_position_from_1 check (notification_id > 0),
    constraint stored_events_originator_id_length check (length(originator_id) between 1 and 300),
    constraint stored_events_leaf_hash_length check (octet_length(leaf_hash) = 32)
) with (toast_tuple_target = 8160); -- an event of a few kB stays in its row, uncompressed: read fast

comment on table ledger.stored_events is
    'Every Stripe event and every action, in one order; notification_id is the position, without a gap.';

create table ledger.head (
    only_row boolean not null default true,
    position bigint not null,
    recorded_at timestamptz not null,
    constraint head_pkey primary key (only_row),
    constraint head_has_one_row check (only_row)
) with (fillfactor = 10); -- updated by every append: room for updates within the page

insert into ledger.head (position, recorded_at) values (0, '-infinity');

comment on table ledger.head is
    'The last position given out; its row lock puts appends into one order, and a rollback gives it back.';


create function ledger.leaf_hash(
    notification_id bigint,
    originator_id text,
    originator_version bigint,
    topic text,
    recorded_at timestamptz,
    state bytea
) returns bytea
language sql
immutable
parallel safe
return sha256(
    '\x0001'::bytea -- a leaf, format version 1
    || int8send(notification_id)
    || int4send(octet_length(originator_id)) || convert_to(originator_id, 'UTF8')
    || int8send(originator_version)
    || int4send(octet_length(topic)) || convert_to(topic, 'UTF8')
    || int8send((extract(epoch from recorded_at) * 1000000)::bigint)
    || int4send(octet_length(state)) || state
);

comment on function ledger.leaf_hash is
    'SHA-256 over the length-prefixed stored bytes of one event; times are microseconds since 1970.';


create function ledger.append(
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
    fresh as (
        select o.*, last_position + row_number() over (order by o.place) as notification_id
        from offered as o
        where not skip_existing or not exists (
            select from ledger.stored_events as e
            where e.originator_id = o.originator_id and e.originator_version = o.originator_version
        )
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
    select array_agg(f.notification_id order by o.place), count(f.notification_id)
    into positions, appended
    from offered as o
    left join fresh as f using (place);

    if appended > 0 then
        update ledger.head as h
        set position = last_position + appended, recorded_at = this_moment;
        perform pg_notify('stored_events', (last_position + appended)::text);
    end if;
    return positions;
end
$$;

comment on function ledger.append is
    'Appends events at the next positions, all or none. A taken (originator_id, originator_version)
     fails the call, or with skip_existing is left out. Answers the positions, null where left out.';

revoke all on function ledger.append from public;


create function ledger.refuse() returns trigger
language plpgsql
as $$
begin
    raise exception 'the log is append-only: % on %.% is refused', tg_op, tg_table_schema, tg_table_name
        using errcode = 'insufficient_privilege';
end
$$;

create trigger append_only
before update or delete or truncate on ledger.stored_events
for each statement execute function ledger.refuse();

create trigger never_removed
before delete or truncate on ledger.head
for each statement execute function ledger.refuse();

create trigger never_turned_back
before update on ledger.head
for each row
when (new.position <= old.position or new.recorded_at < old.recorded_at)
execute function ledger.refuse();


grant usage on schema ledger to ledger_app, ledger_projector, ledger_reader;
grant select on ledger.stored_events, ledger.head to ledger_app, ledger_projector, ledger_reader;
grant execute on function ledger.append to ledger_app;
