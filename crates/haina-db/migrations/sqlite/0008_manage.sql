-- Managing repositories: former names, who was given access to gated content, large files deleted on purpose.

-- A former name leads to the repository itself, never to another name: so there are no chains and no loops. Whoever
-- makes a repository of that name, or moves one there, takes the name.
create table repo_alias (
    kind text not null,
    ns_id integer not null references namespace (id) on delete cascade,
    fold text not null,
    repo_id integer not null references repo (id) on delete cascade,
    moved_at integer not null,
    primary key (kind, ns_id, fold)
) strict, without rowid;
create index repo_alias_ns on repo_alias (ns_id);
create index repo_alias_repo on repo_alias (repo_id);

-- `status` is pending, accepted or rejected. `by_hand` is 1 when access was given without having been asked for.
-- `fields` is what the form asked, as JSON.
create table access_request (
    id integer not null primary key autoincrement,
    public_id text not null unique,
    repo_id integer not null references repo (id) on delete cascade,
    user_id integer not null references namespace (id) on delete cascade,
    status text not null check (status in ('pending', 'accepted', 'rejected')),
    by_hand integer not null,
    fields text,
    reason text,
    created_at integer not null,
    decided_at integer,
    decided_by integer references namespace (id) on delete set null,
    unique (repo_id, user_id)
) strict;
create index access_request_list on access_request (repo_id, status, id);
create index access_request_user on access_request (user_id);
create index access_request_decided_by on access_request (decided_by);

-- Large files that were deleted on purpose: history may still point to them.
create table lfs_gone (
    repo_id integer not null references repo (id) on delete cascade,
    sha256 blob not null,
    at integer not null,
    primary key (repo_id, sha256)
) strict, without rowid;
