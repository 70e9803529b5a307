-- The hub as a provider of OAuth 2 and OpenID Connect. Every secret is kept as its SHA-256.

-- `redirect_uris` is a JSON list. Without `secret_hash` the application is public and must use PKCE. `scope` is what it
-- gets when it asks for nothing in particular. Without `owner_id` it is the operator's.
create table oauth_client (
    id integer not null primary key autoincrement,
    client_id text not null unique,
    name text not null,
    redirect_uris text not null,
    scope text not null,
    secret_hash blob,
    device integer not null,
    owner_id integer references namespace (id) on delete cascade,
    created_at integer not null
) strict;
create index oauth_client_by_owner on oauth_client (owner_id, id);

-- What a person allowed an application to do. Ending it ends all that was issued on it.
create table oauth_grant (
    id integer not null primary key autoincrement,
    client_id integer not null references oauth_client (id) on delete cascade,
    user_id integer not null references namespace (id) on delete cascade,
    scope text not null,
    created_at integer not null,
    expires_at integer not null,
    revoked_at integer
) strict;
create index oauth_grant_by_client on oauth_grant (client_id);
create index oauth_grant_by_user on oauth_grant (user_id, id);
create index oauth_grant_by_expiry on oauth_grant (expires_at);

-- Access tokens of applications are tokens like all others, on a grant.
alter table token add column grant_id integer references oauth_grant (id) on delete cascade;
create index token_by_grant on token (grant_id) where grant_id is not null;

-- A refresh token is used once; one that comes again was stolen, and its grant ends.
create table oauth_refresh (
    id integer not null primary key autoincrement,
    hash blob not null unique,
    grant_id integer not null references oauth_grant (id) on delete cascade,
    created_at integer not null,
    expires_at integer not null,
    used_at integer
) strict;
create index oauth_refresh_by_grant on oauth_refresh (grant_id);

-- `grant_id` is set when the code is exchanged; a code that comes again ends that grant.
create table oauth_code (
    id integer not null primary key autoincrement,
    hash blob not null unique,
    client_id integer not null references oauth_client (id) on delete cascade,
    user_id integer not null references namespace (id) on delete cascade,
    redirect_uri text not null,
    scope text not null,
    challenge text,
    nonce text,
    created_at integer not null,
    expires_at integer not null,
    grant_id integer references oauth_grant (id) on delete cascade
) strict;
create index oauth_code_by_client on oauth_code (client_id);
create index oauth_code_by_user on oauth_code (user_id);
create index oauth_code_by_expiry on oauth_code (expires_at);
create index oauth_code_by_grant on oauth_code (grant_id);

-- Machines that wait for somebody to approve them. `approved` is null until somebody decided.
create table oauth_device (
    id integer not null primary key autoincrement,
    hash blob not null unique,
    user_code_hash blob not null unique,
    client_id integer not null references oauth_client (id) on delete cascade,
    scope text not null,
    agent text not null,
    created_at integer not null,
    expires_at integer not null,
    polled_at integer,
    user_id integer references namespace (id) on delete cascade,
    approved integer
) strict;
create index oauth_device_by_client on oauth_device (client_id);
create index oauth_device_by_user on oauth_device (user_id);
create index oauth_device_by_expiry on oauth_device (expires_at);

-- The id that `hf auth login` has built in.
insert into oauth_client (client_id, name, redirect_uris, scope, secret_hash, device, owner_id, created_at)
values ('26be6b09-91c5-47da-9861-d2d2bb7a7e36', 'hf', '[]', 'openid profile email read-repos write-repos manage-repos', null, 1, null, 0);
