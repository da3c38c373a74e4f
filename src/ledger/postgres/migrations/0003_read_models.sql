-- Where the read models live, where a rebuild prepares new ones, and where a proof makes its own.
-- Their tables are made from the declarations in src/projections; they can all be thrown away.

create schema read_models authorization ledger_projector;
create schema rebuild authorization ledger_projector;
create schema proof authorization ledger_projector;

set local role ledger_projector;

create table read_models.projections (
    name text not null,
    version text not null,
    position bigint not null,
    rebuilt_at timestamptz not null,
    stopped_at bigint,
    stopped_because text,
    constraint projections_pkey primary key (name),
    constraint projections_position_from_0 check (position >= 0),
    constraint projections_stopped_has_cause check ((stopped_at is null) = (stopped_because is null))
);

comment on table read_models.projections is
    'How far each projection is, which version of its code made it, and what stopped it.';

grant usage on schema read_models, rebuild, proof to ledger_reader, ledger_app;
grant select on read_models.projections to ledger_reader, ledger_app;
alter default privileges in schema read_models grant select on tables to ledger_reader, ledger_app;
alter default privileges in schema rebuild grant select on tables to ledger_reader, ledger_app;
