-- What reads several read models as of one moment keeps them in their places meanwhile.

set local role ledger_projector;

create table read_models.held ();

comment on table read_models.held is
    'Always empty. Whoever reads read models in one snapshot locks it first (access share), and a rebuild before it swaps tables: a snapshot from before would see the new ones without their latest rows.';

grant select on read_models.held to ledger_reader, ledger_app;
