-- Signing in with an institution's own accounts.

-- `config` is JSON, secrets included: the hub must send them to the provider.
create table signin_provider (
    id integer not null primary key autoincrement,
    name text not null unique,
    config text not null,
    created_at integer not null
) strict;

-- Somebody at a provider, and the account here that they said is theirs.
create table identity (
    id integer not null primary key autoincrement,
    provider_id integer not null references signin_provider (id) on delete cascade,
    subject text not null,
    user_id integer not null references namespace (id) on delete cascade,
    label text not null,
    created_at integer not null,
    last_used_at integer not null,
    unique (provider_id, subject)
) strict;
create index identity_by_user on identity (user_id, id);

-- Somebody whom a provider vouched for and who has not said yet which account is theirs. `claims` is JSON.
create table identity_pending (
    id integer not null primary key autoincrement,
    hash blob not null unique,
    provider_id integer not null references signin_provider (id) on delete cascade,
    claims text not null,
    created_at integer not null,
    expires_at integer not null
) strict;
create index identity_pending_by_provider on identity_pending (provider_id);
create index identity_pending_by_expiry on identity_pending (expires_at);
