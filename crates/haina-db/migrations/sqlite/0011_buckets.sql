-- Buckets: files that change in place. A bucket is a repository without a history (`repo.kind` is bucket), so that its
-- name, its owner and the edges of its content (repo_file) are those of repositories.

create table bucket (
    repo_id integer not null primary key references repo (id) on delete cascade,
    -- what its files come to; changed with them
    bytes integer not null,
    files integer not null,
    -- the number of the last change, and of the last one whose row is no longer kept, with its time
    seq integer not null,
    trimmed_seq integer not null,
    trimmed_at integer not null
) strict;

-- The empty file has the hash of 32 zero bytes and needs no edge. `mtime` is what the client says.
create table bucket_file (
    bucket_id integer not null references bucket (repo_id) on delete cascade,
    path text not null,
    file_hash blob not null,
    bytes integer not null,
    content_type text,
    mtime integer,
    uploaded_at integer not null,
    primary key (bucket_id, path)
) strict, without rowid;
create index bucket_file_by_hash on bucket_file (bucket_id, file_hash);

-- Folders are what paths say. `files` counts all files below, `uploaded_at` is when one last came in.
create table bucket_dir (
    bucket_id integer not null references bucket (repo_id) on delete cascade,
    path text not null,
    files integer not null,
    uploaded_at integer not null,
    primary key (bucket_id, path)
) strict, without rowid;

-- The latest changes, for those who follow a bucket. `op` is add, update or delete.
create table bucket_change (
    bucket_id integer not null references bucket (repo_id) on delete cascade,
    seq integer not null,
    at integer not null,
    op text not null check (op in ('add', 'update', 'delete')),
    path text not null,
    file_hash blob,
    bytes integer,
    mtime integer,
    primary key (bucket_id, seq)
) strict, without rowid;
create index bucket_change_at on bucket_change (at);
