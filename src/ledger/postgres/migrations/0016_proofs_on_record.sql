-- The last proof on record, found at once in a log of any length: status, metrics and every run of
-- the checks ask for it.

set local role ledger_owner;

create index stored_events_proofs on ledger.stored_events (notification_id)
where topic in ('proof.finished.v1', 'proof.failed.v1');
