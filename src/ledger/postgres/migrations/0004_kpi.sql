-- Days as the shop counts them, and the figures that were reported of them.

set local role ledger_owner;

create function ledger.business_day(at timestamptz) returns date
language sql
stable
return (at at time zone current_setting('ledger.time_zone'))::date;

comment on function ledger.business_day is
    'The calendar day of a time in the reporting zone, which every session of the service knows.';

grant execute on function ledger.business_day to ledger_projector, ledger_reader, ledger_app;

reset role;

create schema kpi authorization ledger_projector;

set local role ledger_projector;

create table kpi.snapshot_runs (
    as_of_position bigint not null,
    contract_version integer not null,
    time_zone text not null,
    first_day date not null,
    last_day date not null,
    complete boolean not null,
    computed_at timestamptz not null,
    proved_at timestamptz,
    differences jsonb,
    constraint snapshot_runs_pkey primary key (as_of_position, contract_version, time_zone),
    constraint snapshot_runs_position_from_0 check (as_of_position >= 0),
    constraint snapshot_runs_days_in_order check (first_day <= last_day),
    constraint snapshot_runs_proof_has_result check ((proved_at is null) = (differences is null))
);

comment on table kpi.snapshot_runs is
    'When figures were taken down, of which days, as of which position, and what a recomputation found.';

create table kpi.snapshots (
    day date not null,
    window_days integer not null,
    currency text collate "C" not null,
    contract_version integer not null,
    time_zone text not null,
    as_of_position bigint not null,
    figures jsonb not null,
    constraint snapshots_pkey
        primary key (day, window_days, currency, contract_version, time_zone, as_of_position),
    constraint snapshots_of_run
        foreign key (as_of_position, contract_version, time_zone) references kpi.snapshot_runs,
    constraint snapshots_window_days_known check (window_days in (1, 7, 30, 90))
);

comment on table kpi.snapshots is
    'The figures of a window that ends with a day, in minor units; a new row only where they changed. The currency is empty for figures without one.';

grant usage on schema kpi to ledger_reader, ledger_app;
grant select on kpi.snapshot_runs, kpi.snapshots to ledger_reader, ledger_app;
