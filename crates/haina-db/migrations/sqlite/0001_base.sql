-- Times are milliseconds since 1970. Flags are 0 or 1. `fold` is the key of look-ups without regard to case.

create table meta (
    key text not null primary key,
    value blob not null
) strict, without rowid;

create table setting (
    key text not null primary key,
    value text not null
) strict, without rowid;

-- A namespace is a user or an organization: both own repositories and share one space of names.
create table namespace (
    id integer not null primary key autoincrement,
    kind text not null check (kind in ('user', 'org')),
    name text not null,
    fold text not null unique,
    full_name text not null,
    created_at integer not null
) strict;

create table account (
    user_id integer not null primary key references namespace (id) on delete cascade,
    email text,
    email_fold text unique,
    password_hash text,
    is_admin integer not null,
    disabled_at integer
) strict;

create table org_member (
    org_id integer not null references namespace (id) on delete cascade,
    user_id integer not null references namespace (id) on delete cascade,
    role text not null,
    created_at integer not null,
    primary key (org_id, user_id)
) strict, without rowid;
create index org_member_user on org_member (user_id);

create table token (
    id integer not null primary key autoincrement,
    user_id integer not null references namespace (id) on delete cascade,
    name text not null,
    hash blob not null unique,
    hint text not null,
    role text not null,
    scopes text,
    created_at integer not null,
    expires_at integer,
    last_used_at integer,
    revoked_at integer
) strict;
create index token_of_user on token (user_id);

create table session (
    id integer not null primary key autoincrement,
    hash blob not null unique,
    user_id integer not null references namespace (id) on delete cascade,
    created_at integer not null,
    expires_at integer not null,
    last_seen_at integer not null
) strict;
create index session_of_user on session (user_id);
create index session_expiry on session (expires_at);

create table invite (
    id integer not null primary key autoincrement,
    hash blob not null unique,
    purpose text not null,
    email text,
    created_by integer references namespace (id) on delete set null,
    created_at integer not null,
    expires_at integer not null,
    used_by integer references namespace (id) on delete set null,
    used_at integer
) strict;
create index invite_created_by on invite (created_by);
create index invite_used_by on invite (used_by);

-- `search` is `namespace/name`, folded.
create table repo (
    id integer not null primary key autoincrement,
    public_id text not null unique,
    kind text not null,
    ns_id integer not null references namespace (id),
    name text not null,
    fold text not null,
    search text not null,
    visibility text not null,
    gated text,
    disabled_reason text,
    created_by integer references namespace (id) on delete set null,
    created_at integer not null,
    updated_at integer not null,
    likes integer not null,
    downloads integer not null,
    downloads_all integer not null,
    trending integer not null,
    used_bytes integer not null,
    unique (ns_id, kind, fold)
) strict;
create index repo_by_created on repo (kind, created_at, id);
create index repo_by_updated on repo (kind, updated_at, id);
create index repo_by_downloads on repo (kind, downloads, id);
create index repo_by_likes on repo (kind, likes, id);
create index repo_by_trending on repo (kind, trending, id);
create index repo_created_by on repo (created_by);

-- What the files of a repository's main branch say of it, as of `commit_oid`. JSON, kept verbatim.
create table repo_card (
    repo_id integer not null primary key references repo (id) on delete cascade,
    commit_oid blob not null,
    card text,
    config text,
    safetensors text,
    gguf text,
    pipeline_tag text,
    library_name text,
    description text
) strict;
create index repo_card_pipeline on repo_card (pipeline_tag, repo_id) where pipeline_tag is not null;
create index repo_card_library on repo_card (library_name, repo_id) where library_name is not null;

create table repo_tag (
    repo_id integer not null references repo (id) on delete cascade,
    tag text not null,
    position integer not null,
    primary key (repo_id, tag)
) strict, without rowid;
create index repo_tag_tag on repo_tag (tag, repo_id);

-- Days since 1970.
create table repo_download (
    repo_id integer not null references repo (id) on delete cascade,
    day integer not null,
    count integer not null,
    primary key (repo_id, day)
) strict, without rowid;
create index repo_download_day on repo_download (day, repo_id);

-- Objects are immutable. `kind` is git's number (1 commit, 2 tree, 3 blob, 4 tag), `size` the inflated length, `z` a
-- zlib stream. Rows keep the order of arrival, because random order in a clustered table costs five times as much.
create table git_object (
    id integer not null primary key,
    repo_id integer not null references repo (id) on delete cascade,
    oid blob not null,
    kind integer not null,
    size integer not null,
    storage integer not null,
    z blob not null,
    unique (repo_id, oid)
) strict;

-- `parents` is their ids end to end; `gen` is one more than the largest of theirs.
create table git_commit (
    repo_id integer not null references repo (id) on delete cascade,
    oid blob not null,
    tree blob not null,
    parents blob not null,
    gen integer not null,
    author_user_id integer,
    committed_at integer not null,
    title text not null,
    primary key (repo_id, oid)
) strict, without rowid;

create table git_ref (
    repo_id integer not null references repo (id) on delete cascade,
    name text not null,
    oid blob not null,
    version integer not null,
    updated_at integer not null,
    primary key (repo_id, name)
) strict, without rowid;

create table reflog (
    id integer not null primary key,
    repo_id integer not null references repo (id) on delete cascade,
    name text not null,
    old_oid blob,
    new_oid blob,
    actor_id integer,
    at integer not null
) strict;
create index reflog_ref on reflog (repo_id, name, id);

-- Blobs that are LFS pointers, and what they point to.
create table lfs_pointer (
    repo_id integer not null references repo (id) on delete cascade,
    blob_oid blob not null,
    sha256 blob not null,
    size integer not null,
    primary key (repo_id, blob_oid)
) strict, without rowid;
create index lfs_pointer_sha256 on lfs_pointer (sha256, repo_id);

-- The ledger. No foreign keys: what happened stays true when its subject is gone.
create table event (
    id integer not null primary key autoincrement,
    at integer not null,
    actor_id integer,
    kind text not null,
    repo_id integer,
    ns_id integer,
    data text not null
) strict;
create index event_repo on event (repo_id, id) where repo_id is not null;
create index event_ns on event (ns_id, id) where ns_id is not null;
create index event_actor on event (actor_id, id) where actor_id is not null;
create index event_kind on event (kind, id);

create trigger event_is_not_changed before update on event
begin
    select raise(abort, 'the ledger is append-only');
end;
create trigger event_is_not_deleted before delete on event
begin
    select raise(abort, 'the ledger is append-only');
end;

-- `state` goes from queued to running to done, superseded or dead. `attempts` counts claims and fences workers.
create table job (
    id integer not null primary key autoincrement,
    kind text not null,
    payload text not null,
    dedup_key text,
    state text not null,
    run_at integer not null,
    attempts integer not null,
    attempts_max integer not null,
    locked_until integer,
    last_error text,
    created_at integer not null,
    finished_at integer
) strict;
create unique index job_dedup on job (kind, dedup_key) where state = 'queued' and dedup_key is not null;
create index job_due on job (run_at, id) where state = 'queued';
create index job_leased on job (locked_until, id) where state = 'running';
create index job_finished on job (finished_at) where finished_at is not null;
