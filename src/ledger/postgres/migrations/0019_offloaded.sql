-- The states of sealed events may leave the log's table: their keys, times and hashes stay.

set local role ledger_owner;

create table ledger.offloaded (
    first_position bigint not null,
    last_position bigint not null,
    root bytea not null,
    offloaded_at timestamptz not null default clock_timestamp(),
    constraint offloaded_pkey primary key (first_position, last_position),
    constraint offloaded_in_order check (first_position between 1 and last_position),
    constraint offloaded_root_length check (octet_length(root) = 32)
);

comment on table ledger.offloaded is
    'Spans of the log whose states lie in the archive only: each the segment of this RFC 6962 root.';

create trigger append_only
before update or delete or truncate on ledger.offloaded
for each statement execute function ledger.refuse();

grant select on ledger.offloaded to ledger_app, ledger_projector, ledger_reader;


create function ledger.refuse_but_offloading() returns trigger
language plpgsql
as $$
begin
    if octet_length(new.state) > 0 or not exists (
        select from ledger.offloaded as o
        where old.notification_id between o.first_position and o.last_position
    ) then
        raise exception 'the log is append-only: a state only leaves it, for the archive'
            using errcode = 'insufficient_privilege';
    end if;
    return new;
end
$$;

drop trigger append_only on ledger.stored_events;

create trigger append_only
before
    delete or truncate
    or update of originator_id, originator_version, topic, notification_id, recorded_at, leaf_hash
on ledger.stored_events
for each statement execute function ledger.refuse();

create trigger states_only_leave
before update of state on ledger.stored_events
for each row execute function ledger.refuse_but_offloading();
