-- Buckets: files that change in place. A bucket is a repository without a history (`repo.kind` is bucket), so that its
-- name, its owner and the edges of its content (repo_file) are those of repositories.

create table bucket (
    repo_id bigint not null primary key references repo (id) on delete cascade,
    -- what its files come to; changed with them
    bytes bigint not null,
    files bigint not null,
    -- the number of the last change, and of the last one whose row is no longer kept, with its time
    seq bigint not null,
    trimmed_seq bigint not null,
    trimmed_at bigint not null
);

-- The empty file has the hash of 32 zero bytes and needs no edge. `mtime` is what the client says.
create table bucket_file (
    bucket_id bigint not null references bucket (repo_id) on delete cascade,
    path text collate "C" not null,
    file_hash bytea not null,
    bytes bigint not null,
    content_type text collate "C",
    mtime bigint,
    uploaded_at bigint not null,
    primary key (bucket_id, path)
);
create index bucket_file_by_hash on bucket_file (bucket_id, file_hash);

-- Folders are what paths say. `files` counts all files below, `uploaded_at` is when one last came in.
create table bucket_dir (
    bucket_id bigint not null references bucket (repo_id) on delete cascade,
    path text collate "C" not null,
    files bigint not null,
    uploaded_at bigint not null,
    primary key (bucket_id, path)
);

-- The latest changes, for those who follow a bucket. `op` is add, update or delete.
create table bucket_change (
    bucket_id bigint not null references bucket (repo_id) on delete cascade,
    seq bigint not null,
    at bigint not null,
    op text collate "C" not null check (op in ('add', 'update', 'delete')),
    path text collate "C" not null,
    file_hash bytea,
    bytes bigint,
    mtime bigint,
    primary key (bucket_id, seq)
);
create index bucket_change_at on bucket_change (at);
