-- Who is signed in to the console, so that signing out ends a session in every process.

set local role ledger_owner;

create table ledger.sessions (
    secret_sha256 bytea not null,
    token_id text collate "C" not null,
    expires_at timestamptz not null,
    constraint sessions_pkey primary key (secret_sha256),
    constraint sessions_secret_sha256_length check (octet_length(secret_sha256) = 32)
);

comment on table ledger.sessions is
    'Sessions of the console: the SHA-256 of what the browser holds, and the token that signed in. Rows go when a session ends.';

grant select, insert, delete on ledger.sessions to ledger_app;
