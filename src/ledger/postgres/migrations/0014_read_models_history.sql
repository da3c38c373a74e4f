-- Each read model says on which history it stands: by the hash of the last event that it took in.

set local role ledger_projector;

alter table read_models.projections add column leaf_hash bytea;

comment on column read_models.projections.leaf_hash is
    'The hash of the event at its position: another one in the log there is another history, such as that of a restored dump which has grown since. Null at position 0.';

update read_models.projections as p
set leaf_hash = e.leaf_hash
from ledger.stored_events as e
where e.notification_id = p.position;
