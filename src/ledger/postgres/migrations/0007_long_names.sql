-- A stream's name may hold an id of Stripe's (255 characters), its account, and a check's name.

set local role ledger_owner;

alter table ledger.stored_events drop constraint stored_events_originator_id_length;
alter table ledger.stored_events
    add constraint stored_events_originator_id_length
    check (length(originator_id) between 1 and 512);
