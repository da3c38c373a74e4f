-- What people look for often in the lists of the console, by the token that they sign in with.

set local role ledger_owner;

create table ledger.saved_filters (
    token_id text collate "C" not null,
    page text collate "C" not null,
    name text collate "C" not null,
    query text collate "C" not null,
    constraint saved_filters_pkey primary key (token_id, page, name),
    constraint saved_filters_name_length check (length(name) between 1 and 60),
    constraint saved_filters_query_length check (length(query) between 1 and 2000)
);

comment on table ledger.saved_filters is
    'Filters of the console''s lists that a person named: the page, and what its address asks for.';

grant select, insert, update, delete on ledger.saved_filters to ledger_app;
